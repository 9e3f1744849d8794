"""Bundles damaged on purpose: each is found, the place is named, and both verifiers agree."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    account,
    archive,
    chain,
    codec,
    contents,
    folder,
    journal,
    judge,
    layout,
    model,
    seal,
    standalone,
    verify,
)
from evidence.codec import Malformed
from tests.evidence import conftest as made
from tests.examples import share

TRACKER = f"{layout.DOCUMENTS}/{layout.TRACKER}"
LOG = f"{layout.LOGS}/tests.log"
FIRST_LOG = f"{layout.LOGS}/tests.attempt-1.log"
RECORDS = (layout.PLAN, layout.RUN, layout.FACTS, layout.DECISION, layout.SEAL, TRACKER)


class Memory:
    """A bundle in memory, so that thousands of mutants cost no disk."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def names(self) -> list[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise Malformed(name, "is not there")
        return self.files[name]

    def blocks(self, name: str) -> Iterator[bytes]:
        data = self.read(name)
        for at in range(0, len(data), contents.BLOCK_BYTES):
            yield data[at : at + contents.BLOCK_BYTES]


@pytest.fixture(scope="session")
def files(sealed_once: tuple[Path, chain.Checkpoint]) -> dict[str, bytes]:
    source = folder.Folder(str(sealed_once[0]))
    return {name: source.read(name) for name in source.names()}


def told(found: dict[str, bytes], expect_root: str = "") -> str:
    """What the verifier finds; empty when it verified."""
    report = verify.verify(Memory(found), expect_root=expect_root)
    lines = [f"{f.place}: {f.problem}\n" for step in report.steps for f in step.findings]
    assert report.ok == (not lines and all(step.checked for step in report.steps))
    assert codec.encode(account.value(report))
    assert all("\n" not in line for line in account.lines(report))
    return "".join(lines) or ("" if report.ok else "not checked")


def test_the_bundle_in_memory_is_whole(files: dict[str, bytes]) -> None:
    assert told(files) == ""


# --- bytes ----------------------------------------------------------------------------------------


@given(st.data())
def test_any_edit_of_any_file_is_found(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    kept = files[name]
    start = data.draw(st.integers(0, len(kept)))
    stop = data.draw(st.integers(start, min(len(kept), start + 64)))
    filling = data.draw(st.binary(max_size=8) | st.just(kept[start:stop] * 2))
    changed = kept[:start] + filling + kept[stop:]
    assert bool(told({**files, name: changed})) == (changed != kept)


def test_any_two_files_swapped_are_found(files: dict[str, bytes]) -> None:
    names = sorted(files)
    for n, one in enumerate(names):
        for other in names[n + 1 :]:
            if files[one] != files[other]:
                swapped = told({**files, one: files[other], other: files[one]})
                assert swapped, (one, other)
                if not {one, other} & {layout.SEAL, layout.CHECKPOINT}:
                    # Wrong salts show as a wrong log.
                    assert one.removesuffix(".salts") in swapped, (one, other)
                    assert other.removesuffix(".salts") in swapped, (one, other)


def test_any_file_under_another_name_is_found(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        assert f"{name}.copy: is not part" in told({**files, f"{name}.copy": data})
        hidden = f"{layout.LOGS}/{name.replace('/', '-')}.salts"
        assert hidden in told({**files, hidden: data})


# --- records, written again as a careful forger would ---------------------------------------------

Change = Callable[[Any], object]


def edited(files: dict[str, bytes], name: str, change: Change) -> dict[str, bytes]:
    value = json.loads(files[name])
    change(value)
    return {**files, name: codec.encode(value)}


EDITS: list[tuple[str, Change, str]] = [
    (layout.PLAN, lambda v: v["cells"][0].update(required=False), "plan/cell/lint"),
    (layout.PLAN, lambda v: v["cells"][1].update(timeout_ms=9), "plan/cell/tests"),
    (layout.PLAN, lambda v: v["cells"].reverse(), "does not list the leaves in their order"),
    (layout.PLAN, lambda v: v["cells"].append(v["cells"][0]), layout.SEAL),
    (layout.PLAN, lambda v: v["signals"][0].update(owner="me"), "plan/signal/G0-001"),
    (layout.PLAN, lambda v: v["signals"][0].update(claim="GO"), "plan/signal/G0-001"),
    (layout.PLAN, lambda v: v["signals"][0]["conditions"].reverse(), "plan/condition/G0-001/1"),
    (layout.PLAN, lambda v: v["gates"][0]["signals"].pop(), "plan/gate/0"),
    (layout.PLAN, lambda v: v["gates"].pop(), "plan/gate/0: was sealed and is gone"),
    (layout.PLAN, lambda v: v["roles"].append({"id": "X", "title": ""}), "plan/role/X"),
    (layout.PLAN, lambda v: v["rules"].update(max_age_ms=1), "plan/rules"),
    (layout.PLAN, lambda v: v["subject"].update(dirty=["a"]), "plan/subject"),
    (layout.PLAN, lambda v: v.update(label="head/2"), "plan/label"),
    (layout.PLAN, lambda v: v["audit"].update(id="b"), "plan/audit"),
    (layout.RUN, lambda v: v.update(id="run-2"), "was opened for another run"),
    (layout.RUN, lambda v: v.update(resumed=1), "does not agree with the journal's"),
    (layout.RUN, lambda v: v.update(end_utc=made.UTC), "the end of the run"),
    (layout.RUN, lambda v: v["attempts"].reverse(), "as the journal tells them"),
    (layout.RUN, lambda v: v["attempts"].pop(), "tests attempt 2"),
    (layout.RUN, lambda v: v["attempts"][1].update(result="passed"), "tests attempt 1"),
    (layout.RUN, lambda v: v["attempts"][1].update(log=None), "tests attempt 1"),
    (layout.RUN, lambda v: v["attempts"][1]["log"].update(root="zz"), "log/" + FIRST_LOG),
    (layout.RUN, lambda v: v["attempts"][1].update(cell="\ud800"), "\ud800 attempt 1"),
    (layout.RUN, lambda v: v["attempts"][1].update(cell="../../../x"), "ran and is not planned"),
    (layout.RUN, lambda v: v["attempts"].append(v["attempts"][2]), "has one twice"),
    (layout.FACTS, lambda v: v.update(as_of="2026-12-01T10:00:06Z"), "the end of the run"),
    (layout.FACTS, lambda v: v.update(as_of="10:00"), "no RFC 3339 time"),
    (layout.FACTS, lambda v: v["attempts"].pop(1), "the attempts of the run"),
    (layout.FACTS, lambda v: v["files"][0].update(found=False), "says of docs what the tree"),
    (layout.FACTS, lambda v: v["engine"].append(v["engine"][0]), "answers twice"),
    (
        layout.FACTS,
        lambda v: v["tests"].append({"cell": "x", "key": "k", "outcome": "passed"}),
        "unplanned cell=`x`",
    ),
    (layout.DECISION, lambda v: v.update(verdict="NO-GO"), "the verdict derived again"),
    (layout.DECISION, lambda v: v["blockers"].append("me"), "the decision derived again"),
    (layout.DECISION, lambda v: v["gates"][0].update(status="NO-GO"), "decision.json 0"),
    (layout.DECISION, lambda v: v["signals"].pop(), "the decision derived again"),
    (layout.DECISION, lambda v: v["cells"][0].update(attempts=7), "decision.json lint"),
    (layout.SEAL, lambda v: v["plan"].pop(), "was not sealed"),
    (layout.SEAL, lambda v: v["final"].reverse(), "does not list the leaves in their order"),
    (layout.SEAL, lambda v: v["final"].append(v["final"][0]), layout.SEAL),
    (layout.SEAL, lambda v: v["final"][-1].update(hash="00" * 32), "is not what was sealed"),
    (TRACKER, lambda v: v.update(verdict="NO-GO"), "does not agree with the decision"),
    (TRACKER, lambda v: v["gates"][0].update(status="NO-GO"), "does not agree with the decision"),
    (TRACKER, lambda v: v["gates"][0].update(id=False), "does not agree with the decision"),
    (TRACKER, lambda v: v["gates"].insert(0, v["gates"][0]), "does not agree with the decision"),
    (TRACKER, lambda v: v["signals"].clear(), "does not agree with the decision"),
    (TRACKER, lambda v: v.pop("gates"), "is not a gate tracker"),
    (TRACKER, lambda v: v.update(gates={"a": 1}), "is not a gate tracker"),
]


@pytest.mark.parametrize(("name", "change", "wanted"), EDITS)
def test_an_edited_record_is_named(
    files: dict[str, bytes], name: str, change: Change, wanted: str
) -> None:
    found = told(edited(files, name, change))
    assert wanted in found
    if name not in (layout.SEAL, layout.PLAN):
        assert f"{name}: is not what was sealed" in found


@pytest.mark.parametrize("name", RECORDS)
def test_another_spelling_of_a_record_is_found(files: dict[str, bytes], name: str) -> None:
    value = json.loads(files[name])
    turned = dict(reversed(value.items()))
    for data in (json.dumps(turned).encode(), json.dumps(value, indent=2).encode()):
        assert name in told({**files, name: data})


def test_a_tracker_of_nothing_is_none(files: dict[str, bytes]) -> None:
    for text in (b"null", b"[]", b"{}", b'"x"', b"1", b'{"verdict":"GO","gates":1,"signals":2}'):
        assert f"{TRACKER}: is not a gate tracker" in told({**files, TRACKER: text})


# --- recomputed digests ---------------------------------------------------------------------------


def bundle_files(path: Path) -> dict[str, bytes]:
    source = folder.Folder(str(path))
    return {name: source.read(name) for name in source.names()}


def green(bundle: Path) -> None:
    """Rewrites history: the failed first attempt never was. Every record agrees with that."""
    (bundle / FIRST_LOG).unlink()
    (bundle / layout.salts_path(FIRST_LOG)).unlink()
    plan = codec.read(model.Plan, (bundle / layout.PLAN).read_bytes())
    run: model.Run = codec.read(model.Run, (bundle / layout.RUN).read_bytes())
    facts: model.Facts = codec.read(model.Facts, (bundle / layout.FACTS).read_bytes())
    attempts = [run.attempts[0], replace(run.attempts[2], number=1)]
    run = replace(run, attempts=tuple(attempts))
    facts = replace(facts, attempts=tuple(verify.fact_of(attempt) for attempt in attempts))
    files = {
        layout.RUN: codec.write(run),
        layout.FACTS: codec.write(facts),
        layout.DECISION: codec.write(judge.decide(plan, facts)),
        layout.STATUS_TSV: seal.status_tsv(plan, run),
        layout.JOURNAL: made.journal_of(plan, run.id, attempts),
    }
    archive.put_all(bundle, files)


def close(bundle: Path) -> None:
    plan = codec.read(model.Plan, (bundle / layout.PLAN).read_bytes())
    run = codec.read(model.Run, (bundle / layout.RUN).read_bytes())
    archive.close(bundle, plan, run)


def test_history_rewritten_is_found_until_all_is_sealed_again(
    bundle: Path, point: chain.Checkpoint
) -> None:
    kept = bundle_files(bundle)
    green(bundle)
    assert "run.json: is not what was sealed" in told(bundle_files(bundle))
    close(bundle)
    forged = bundle_files(bundle)
    only_sums = {**forged, layout.SEAL: kept[layout.SEAL], layout.CHECKPOINT: kept["checkpoint"]}
    assert "attempt/tests/2: was sealed and is gone" in told(only_sums)
    all_but_checkpoint = {**forged, layout.CHECKPOINT: kept[layout.CHECKPOINT]}
    assert "checkpoint: does not agree with the leaves" in told(all_but_checkpoint)
    all_but_sums = {**forged, layout.SUMS: kept[layout.SUMS]}
    assert "SHA256SUMS: does not list the files as they are" in told(all_but_sums)
    assert told(forged) == ""
    assert told(forged, point.plan_root) == ""
    assert "is neither the final root" in told(forged, point.final_root)


@pytest.mark.parametrize("name", [layout.REPORT, layout.JOURNAL, LOG, FIRST_LOG, TRACKER])
def test_new_sums_do_not_hide_an_edit(files: dict[str, bytes], name: str) -> None:
    changed = {**files, name: files[name][:-1] + b"?"}
    digests = {path: chain.sha256(data) for path, data in changed.items() if seal.is_plain(path)}
    assert name in told({**changed, layout.SUMS: seal.sums(digests)})


def test_salts_and_chunks_are_bound_to_their_place(files: dict[str, bytes]) -> None:
    size = chain.CHUNK_BYTES
    log, salts = files[LOG], files[layout.salts_path(LOG)]
    turned = log[size : 2 * size] + log[:size] + log[2 * size :]
    salts_turned = salts[16:32] + salts[:16] + salts[32:]
    both = {**files, LOG: turned, layout.salts_path(LOG): salts_turned}
    assert f"{LOG}: chunk 0 (from byte 0) is not what was sealed" in told(both)
    assert f"{LOG}: its salts are not one per chunk" in told(
        {**files, layout.salts_path(LOG): salts[:-1]}
    )
    assert f"{LOG}: has {len(log) - 5} bytes" in told({**files, LOG: log[:-5]})


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        (journal.Started("started", "tests", 3, made.UTC), "tests attempt 3: started and never"),
        (journal.Opened("opened", "run-1", "head/1", "ab" * 32, made.UTC), "was opened twice"),
        (journal.Closed("closed", made.LATER, 3), "goes on after its close"),
    ],
)
def test_a_journal_linked_again_must_tell_a_whole_story(
    bundle: Path, extra: journal.Record, wanted: str
) -> None:
    """A failed attempt whose end was taken out still has its start, whatever was recomputed."""
    records = list(journal.read((bundle / layout.JOURNAL).read_bytes()).records)
    records.insert(-1, extra)
    head, data = journal.START, b""
    for record in records:
        head, line = journal.frame(head, record)
        data += line
    archive.put(bundle, layout.JOURNAL, data)
    close(bundle)
    assert wanted in told(bundle_files(bundle))


@pytest.fixture
def other(tmp_path: Path) -> dict[str, bytes]:
    """Another run of the same plan, sealed as well."""
    path = tmp_path / "other"
    path.mkdir()
    plan = made.small_plan()
    attempts = [
        made.attempt_of(path, "lint", 1, 1, b"other\n"),
        made.attempt_of(path, "tests", 1, 2, b"bang\n", result="timed_out", exit_code=137),
        made.attempt_of(path, "tests", 2, 2, b"good\n" * 30_000),
    ]
    made.seal_bundle(path, plan, made.facts_of(plan, *attempts), attempts)
    return bundle_files(path)


def test_any_file_replayed_from_another_run_is_found(
    files: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert told(other) == ""
    assert files.keys() == other.keys()
    for name, data in files.items():
        if data != other[name]:
            found = told({**files, name: other[name]})
            # A foreign seal makes everything else foreign to it.
            assert found if name == layout.SEAL else name.removesuffix(".salts") in found
            assert told({**other, name: data}), name


# --- hostile values -------------------------------------------------------------------------------

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
HOSTILE = st.sampled_from(
    [
        *(None, True, -1, 10**4_000, "", "x" * 5_000, "\ud800", "\udc80", [], {}, DEEP, [None]),
        *("9999-99-99T00:00:00Z", "2026-12-01T10:00:00", "../../../etc/passwd", "/etc/passwd"),
        *("a\nVERIFIED", "\x1b[2J", "zz" * 32, "AB" * 32, "command-logs", ".", "a\0b"),
    ]
)


def put_at(value: Any, data: st.DataObject, item: Any) -> None:
    """Puts `item` in a place of a JSON value that chance chooses."""
    while True:
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(value[key], dict | list) or not value[key] or data.draw(st.booleans()):
            value[key] = item
            return
        value = value[key]


@share(150)
@given(st.sampled_from(RECORDS), HOSTILE, st.data())
def test_hostile_values_are_findings(
    files: dict[str, bytes], name: str, item: Any, data: st.DataObject
) -> None:
    changed = edited(files, name, lambda value: put_at(value, data, item))
    assert bool(told(changed)) == (changed != files)
    # Sealed again where it can be, it may be consistent, but the verifier still says so calmly.
    try:
        plan = codec.read(model.Plan, changed[layout.PLAN])
        run = codec.read(model.Run, changed[layout.RUN])
        digests = {p: chain.sha256(d) for p, d in changed.items() if seal.is_plain(p)}
        plan_leaves = seal.plan_leaves(plan)
        final = seal.final_leaves(seal.root_of(plan_leaves), run, digests)
        changed[layout.SEAL] = codec.write(model.Seal(1, plan_leaves, final))
        changed[layout.SUMS] = seal.sums(digests)
    except ValueError:
        return
    told(changed)


GARBAGE = st.binary(max_size=60) | st.sampled_from(
    [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"null", b"{}", b"\xff\xfe", b"1.5", b""]
)


@given(st.data(), GARBAGE)
def test_garbage_is_a_finding(files: dict[str, bytes], data: st.DataObject, garbage: bytes) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    assert bool(told({**files, name: garbage})) == (garbage != files[name])


def test_names_cannot_forge_a_line_of_the_report(files: dict[str, bytes]) -> None:
    report = verify.verify(Memory({**files, "x\nVERIFIED\x1b[1m\u202e": b""}))
    assert account.lines(report).count("VERIFIED") == 0
    assert any("x\\nVERIFIED\\x1b[1m\\U0000202e" in line for line in account.lines(report))


def test_a_blank_expected_root_is_not_met(files: dict[str, bytes]) -> None:
    assert "is neither the final root" in told(files, " ")


def test_a_bundle_never_leads_out_of_its_folder(bundle: Path) -> None:
    source = folder.Folder(str(bundle / layout.LOGS))
    for name in ("../plan.json", "./tests.log", "a/../tests.log", "/etc/hostname", "", "."):
        with pytest.raises(Malformed, match="is not a path below the bundle"):
            source.read(name)
    assert source.read("tests.log")
    with pytest.raises(Malformed, match="is not there"):
        source.read("x" * 20)
    with pytest.raises(Malformed, match="cannot be read"):
        source.read("x" * 5_000)
    with pytest.raises(Malformed, match="cannot be read"):
        source.read("a\0b")
    assert list(folder.Folder(str(bundle / "nowhere")).names()) == ["."]


# --- the verifier inside the bundle ---------------------------------------------------------------

DRIVER = """
import runpy, sys
main = runpy.run_path(sys.argv[1])["main"]
def closed(event, args):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.spawn", "ctypes")):
        raise SystemExit("reached out: " + event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise SystemExit("wrote: " + repr(args[0]))
sys.addaudithook(closed)
for bundle in sys.argv[2:]:
    code = main([bundle, "--json"])
    sys.stdout.flush()
    print("exit", code, flush=True)
"""


def by_the_verifier_inside(tmp_path: Path, bundles: list[Path]) -> list[tuple[Any, int]]:
    """Report and exit code for each bundle, by `verify.py` alone: no network, no writes."""
    program = tmp_path / "verify.py"
    program.write_bytes(standalone.committed())
    done = subprocess.run(
        [sys.executable, "-I", "-c", DRIVER, str(program), *map(str, bundles)],
        capture_output=True,
        check=False,
        env={},
        cwd="/",
    )
    assert not done.stderr, done.stderr.decode()
    reports, text = [], ""
    for line in done.stdout.decode().splitlines():
        if line.startswith("exit "):
            reports.append((json.loads(text), int(line[5:])))
            text = ""
        else:
            text += line + "\n"
    return reports


def folder_for_a_file(bundle: Path) -> None:
    (bundle / layout.REPORT).unlink()
    (bundle / layout.REPORT).mkdir()


def damage() -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Named ways to damage a bundle on the disk."""

    def write(name: str, data: bytes) -> Callable[[Path], object]:
        def change(bundle: Path) -> None:
            (bundle / name).parent.mkdir(exist_ok=True)
            (bundle / name).write_bytes(data)

        return change

    def edit(name: str, change: Change) -> Callable[[Path], object]:
        def on_disk(bundle: Path) -> None:
            changed = edited({name: (bundle / name).read_bytes()}, name, change)
            (bundle / name).write_bytes(changed[name])

        return on_disk

    def sealed_again(change: Callable[[Path], object]) -> Callable[[Path], object]:
        def both(bundle: Path) -> None:
            change(bundle)
            close(bundle)

        return both

    yield "none", lambda bundle: None
    yield "rewritten", green
    yield "rewritten and sealed", sealed_again(green)
    yield "tracker of nothing, sealed", sealed_again(write(TRACKER, b"null\n"))
    yield "extra, sealed", sealed_again(write("artifacts/x", b"x"))
    for number, (name, change, _) in enumerate(EDITS):
        yield f"edit {number}", edit(name, change)
    for name in (*RECORDS, layout.CHECKPOINT, layout.JOURNAL, layout.SUMS, layout.STATUS_TSV):
        yield f"deep {name}", write(name, b"[" * 100_000)
        yield f"empty {name}", write(name, b"")
        yield f"giant {name}", write(name, b"9" * 20_000)
        yield f"bytes {name}", write(name, bytes(range(256)))
    yield "odd name", write("a\nVERIFIED\x1b[1m\u202e", b"")
    yield "odd bytes", write(b"\xff\xfe".decode("utf-8", "surrogateescape"), b"")
    yield "folder for a file", folder_for_a_file


WHOLE = ("none", "rewritten and sealed")
"""What is consistent in itself: only the expected root shows the second."""


def test_both_verifiers_agree_on_every_mutant(
    sealed_once: tuple[Path, chain.Checkpoint], tmp_path: Path
) -> None:
    bundles, ours = [], []
    for number, (_, change) in enumerate(damage()):
        path = Path(shutil.copytree(sealed_once[0], tmp_path / str(number)))
        change(path)
        bundles.append(path)
        value = account.value(verify.verify(folder.Folder(str(path)), each=folder.in_threads))
        ours.append(json.loads(codec.encode(value)))
    theirs = by_the_verifier_inside(tmp_path, bundles)
    assert len(theirs) == len(bundles)
    for (name, _), mine, (their, code) in zip(damage(), ours, theirs, strict=True):
        assert mine == their, name
        assert mine["ok"] == (name in WHOLE), name
        assert code == (0 if mine["ok"] else 3), name


@pytest.mark.parametrize("root", ["", " ", "abc", "zz" * 32, "ab" * 33])
def test_the_verifier_inside_wants_a_whole_root(bundle: Path, root: str) -> None:
    """An unset variable in a CI file must not mean that no root is expected."""
    (bundle.parent / "verify.py").write_bytes(standalone.committed())
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            str(bundle.parent / "verify.py"),
            str(bundle),
            "--expect-root",
            root,
        ],
        capture_output=True,
        check=False,
        env={},
    )
    assert done.returncode == 2
    assert b"a root has 64 hex digits" in done.stderr


def test_a_signed_bundle_that_cannot_be_read_is_not_verified(tmp_path: Path) -> None:
    """The report is told, with the exit code of a bundle and not of wrong words."""
    signed = Path(__file__).parents[1] / "golden/signed/signed-1/golden"
    run = Path(shutil.copytree(signed, tmp_path / "golden")) / "head/1"
    (tmp_path / "verify.py").write_bytes(standalone.committed())
    (run / "plan.json").write_bytes(b"{")
    words = [str(run), "--trust", str(signed / "audit-trust.toml")]
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "verify.py"), *words],
        capture_output=True,
        check=False,
        env={},
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.endswith(b"NOT VERIFIED\n")
