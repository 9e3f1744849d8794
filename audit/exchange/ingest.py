"""Evidence of others, whatever its format, in one shape; and from there into results of a cell.

Here a file is told apart by what is in it, held against what it should be about, and turned into
JUnit or metrics, the two formats that a cell can leave and the judge reads. No file is opened here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from audit import results
from audit.errors import Invalid
from audit.exchange import ingest_intoto, ingest_tests, junit
from audit.exchange import source as sources
from audit.exchange.ingest_sarif import sarif
from audit.exchange.ingested import PREFIXES, Expected, Ingested, Subject, Verify
from audit.exchange.reading import Look, parse, refused
from evidence import words
from evidence.model import Outcome

DOCUMENTS_MAX = 10_000
"""Documents in one file of lines."""
KNOWN = (
    "JUnit, SARIF, CTRF, in-toto links and statements, SLSA, VSA, PEP 740, attestations of"
    " arco-audit"
)
_COMMITS = ("gitCommit", "sha1")
_STATEMENTS = (
    "in-toto link",
    "in-toto statement",
    "test result",
    "slsa provenance",
    "vsa",
    "pep740",
    "audit decision",
    "audit checkpoint",
)


def ingest(
    data: bytes, place: str, expected: Expected | None = None, verify: Verify | None = None
) -> tuple[Ingested, ...]:
    """Return what the documents in a file say, in their order; `place` is what the file is called.

    Without `verify` no signature is checked, and what rests on one is at most `unknown`.

    Raises:
        Invalid: too large, cut off, of no known kind, version or shape; names the place.
    """
    if len(data) > results.FILE_BYTES_MAX:
        raise refused(f"it is larger than {results.FILE_BYTES_MAX} bytes", place)
    found = tuple(_documents(data, place, verify))
    if not found:
        raise refused("it holds no document", place)
    return tuple(_held(item, expected or Expected()) for item in found)


def _documents(data: bytes, place: str, verify: Verify | None) -> Iterable[Ingested]:
    start = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<") or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return [ingest_tests.junit(data, place)]
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) > 1 and all(_is_whole(line) for line in lines):
        return _lines(lines, place, verify)
    if start and not start.startswith((b"{", b"[")):
        raise _unknown(place)
    return _document(parse(data, place), verify)


def _unknown(place: str) -> Invalid:
    return Invalid("of no kind that is read here", place=place, next_step=f"bring one of: {KNOWN}")


def _is_whole(line: bytes) -> bool:
    """Whether a line may be a document of its own (`*.intoto.jsonl`)."""
    text = line.strip()
    return text.startswith(b"{") and text.endswith(b"}") and len(text) > 2


def _lines(lines: Sequence[bytes], place: str, verify: Verify | None) -> Iterable[Ingested]:
    if len(lines) > DOCUMENTS_MAX:
        raise refused(f"it has more than {DOCUMENTS_MAX} documents", place)
    for number, line in enumerate(lines, 1):
        yield from _document(parse(line, f"{place}:{number}"), verify)


def _document(document: Look, verify: Verify | None) -> Iterable[Ingested]:
    if document.has("runs"):
        return [sarif(document)]
    report = document.maybe("reportFormat")
    if report is not None or (document.has("results") and document.at("results").has("tests")):
        if report is not None:
            report.word("CTRF")
        return [ingest_tests.ctrf(document)]
    found = list(ingest_intoto.read(document, verify))
    if not found and not document.has("attestation_bundles"):
        raise _unknown(document.place)
    return [replace(item, place=document.place) for item in found]


# --- held against what it should be about ---------------------------------------------------------


def _held(item: Ingested, expected: Expected) -> Ingested:
    """A document with what it was expected to be about; what differs is a failure."""
    flags = dict(item.flags)
    problems = list(item.problems)
    asked = bool(expected.commit or expected.digests)
    if item.kind in _STATEMENTS:
        flags["signature_verified"] = item.signature == "verified"
    if asked:
        flags["subject_matches"] = matches(item, expected)
    silent = asked and _is_silent(item, expected)
    if expected.producer:
        flags["producer_matches"] = item.producer == expected.producer
    if item.kind == "slsa provenance" and expected.producer:
        flags["builder_matches"] = flags["producer_matches"]
    if item.says == "failed":
        problems.append(_what_failed(item))
    if flags.get("subject_matches") is False:
        told = "does not say what it is about" if silent else "is not about what is audited"
        problems.append(f"it {told}")
    if flags.get("producer_matches") is False:
        problems.append(f"another producer made it producer=`{item.producer:.200}`")
    outcome = item.outcome
    if flags.get("producer_matches") is False or (
        flags.get("subject_matches") is False and not silent
    ):
        outcome = "failed"
    elif silent and outcome == "passed":
        outcome = "unknown"
    return replace(item, flags=flags, problems=tuple(problems), outcome=outcome)


def _is_silent(item: Ingested, expected: Expected) -> bool:
    """Whether a report of tests or of a scan leaves open what it is about: its format need not say.

    A statement that names nothing is about something else; a report may be about the right thing.
    """
    if item.kind in _STATEMENTS or matches(item, expected):
        return False
    told = {subject.digest for subject in item.sources}
    return not told or matches(item, replace(expected, digests=()))


def _what_failed(item: Ingested) -> str:
    bad = [test.name for test in item.tests if test.outcome in ("failed", "error")]
    if not bad:
        return "it says of itself that it failed"
    return f"{len(bad)} of {words.count(len(item.tests), 'test')} did not pass: {words.listed(bad)}"


def matches(item: Ingested, expected: Expected) -> bool:
    """Whether a document is about the commit and about every file that was named.

    A commit may be the subject itself, or what the subject was made from.
    """
    told = {subject.digest for subject in item.subjects}
    if not all(f"sha256:{digest}" in told for digest in expected.digests):
        return False
    if not expected.commit:
        return True
    made_from = {subject.digest for subject in item.sources}
    return bool({f"{name}:{expected.commit}" for name in _COMMITS} & (told | made_from))


# --- into what the judge reads --------------------------------------------------------------------


def as_metrics(found: Sequence[Ingested]) -> bytes:
    """Return documents as a metrics file: counts are added, flags hold only when all of them do."""
    counts: Counter[str] = Counter()
    flags: dict[str, bool] = {}
    for item in found:
        prefix = PREFIXES[item.kind]
        counts.update(_counts(item, prefix))
        for name in {prefix, "intoto"} if item.kind in _STATEMENTS else {prefix}:
            told = {"passed": item.outcome == "passed", "says_passed": item.says == "passed"}
            for flag, holds in {**told, **item.flags}.items():
                key = f"{name}.{flag}"
                flags[key] = flags.get(key, True) and holds
    numbers = {**counts, **{name: int(holds) for name, holds in flags.items()}}
    tree: dict[str, dict[str, int]] = {}
    for name, number in sorted(numbers.items()):
        prefix, _, rest = name.partition(".")
        tree.setdefault(prefix, {})[rest] = number
    return sources.as_json(tree)


def _counts(item: Ingested, prefix: str) -> dict[str, int]:
    outcomes = Counter(test.outcome for test in item.tests)
    told = {f"{prefix}.{name}": number for name, number in item.counts.items()}
    told |= {
        f"{prefix}.tests_{name}": outcomes[name]
        for name in ("passed", "failed", "skipped", "error")
    }
    return told | {
        f"{prefix}.documents": 1,
        f"{prefix}.subjects": len(item.subjects),
        "evidence.documents": 1,
        "evidence.not_passed": int(item.outcome != "passed"),
    }


def as_junit(found: Sequence[Ingested]) -> bytes:
    """Return documents as a JUnit file: their tests, and for each document what it amounts to.

    A document that is `unknown` is an error: it did not pass, and nobody skipped it.
    """
    suites = []
    for item in found:
        cases = [
            junit.Case(
                item.kind,
                test.name,
                test.outcome,
                message=test.message.partition("\n")[0],
                text=test.message,
                retried=test.retried,
            )
            for test in item.tests
        ]
        suites.append(junit.Suite(item.place, [*cases, _whole(item)]))
    return junit.document("evidence of others", suites)


def _whole(item: Ingested) -> junit.Case:
    why = "; ".join(item.problems) or f"it says {item.says}"
    if item.outcome == "passed":
        return junit.Case(item.kind, "the document as a whole", "passed")
    outcome: Outcome = "failed" if item.outcome == "failed" else "error"
    return junit.Case(item.kind, "the document as a whole", outcome, item.outcome, why, why)


def digests_of(subjects: Iterable[Subject]) -> list[str]:
    """Return the distinct digests of subjects, in order of first appearance."""
    return list(dict.fromkeys(subject.digest for subject in subjects))
