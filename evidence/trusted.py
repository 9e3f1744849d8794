"""Verification with a trust file: who signed the run, and what its sign-off amounts to.

Three steps more than `verify` has, for whoever knows whom to trust. The trust file and the instant
come from the caller; the sign-off layer is read through a `Source` of its own, and nothing in it is
believed for being there.

12. The run's checkpoint is signed by as many runners as the trust file asks for: as a note, or
    in a statement over its digest.
13. The sign-off log is one unbroken chain about this run.
14. Every entry of it is signed by somebody who may, and says something that holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evidence import (
    carry,
    chain,
    codec,
    dsse,
    fingerprint,
    judge,
    layout,
    roster,
    seal,
    signoff,
    subject,
    weigh,
)
from evidence.carry import Carried, Evidence
from evidence.codec import Malformed
from evidence.contents import Source
from evidence.model import Answer, Decision, Facts, Plan, Run, Seal
from evidence.roster import Check, Key, Roster
from evidence.signoff import Carry, Withholding
from evidence.verify import Finding, Step, Withheld

STEPS = {
    12: "the checkpoint is signed by trusted runners",
    13: "the sign-off log is whole and about this run",
    14: "what people signed is theirs to sign",
}
CHECKPOINT_SAID = "urn:arco-audit:checkpoint:v1"
"""The predicate of the statement over a run's checkpoint."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The records of a run, its checkpoint, and what the sign-off layer is weighed against."""

    plan: Plan
    run: Run
    facts: Facts
    decision: Decision
    decision_sha256: str
    checkpoint: bytes
    final_root: str
    pages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What the steps found, what the log amounts to, and the verdict with what people brought.

    `runners` are the people whose keys signed the run; `verdict` is `GO`, `GO-WITH-WAIVERS` or
    `NO-GO`.
    """

    steps: tuple[Step, ...]
    runners: tuple[str, ...]
    weighed: weigh.Weighed
    decision: Decision
    verdict: str
    as_of: str
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every step was checked and found nothing."""
        return all(step.checked and not step.findings for step in self.steps)


def layer_of(bundle: str, plan: Plan) -> str:
    """Return the folder of a run's sign-off, given the absolute path of its bundle.

    Empty where the bundle lies neither where runs are put nor in an unpacked evidence pack, and
    somebody has to say where.
    """
    return layer_named(bundle, plan.audit.id, plan.label)


def layer_named(bundle: str, audit: str, label: str) -> str:
    """Return the same, given the audit and the label of the run."""
    bundle = bundle.rstrip("/")
    head, found, rest = bundle.rpartition(f"/{audit}/{label}")
    if found and not rest:
        return layout.sign_off_folder(head, audit, label)
    pack, _, name = bundle.rpartition("/")
    return f"{pack}/{layout.SIGN_OFF}" if name == layout.PACKED else ""


def withheld_files(layer: Source) -> tuple[str, ...]:
    """Return the files that a sign-off log, whoever wrote it, says were taken out of its run."""
    log, _ = _log(layer)
    records = (entry.record for entry in log.entries)
    return tuple(record.path for record in records if isinstance(record, Withholding))


def records(bundle: Source) -> Sealed:
    """Return what of a bundle a sign-off is about.

    Raises:
        Malformed: a record cannot be read.
    """
    decided = bundle.read(layout.DECISION)
    note = bundle.read(layout.CHECKPOINT)
    pages = {
        name: chain.sha256(bundle.read(name))
        for name in sorted(bundle.names())
        if name == layout.REPORT or name.startswith(f"{layout.DOCUMENTS}/")
    }
    return Sealed(
        codec.read(Plan, bundle.read(layout.PLAN), layout.PLAN),
        codec.read(Run, bundle.read(layout.RUN), layout.RUN),
        codec.read(Facts, bundle.read(layout.FACTS), layout.FACTS),
        codec.read(Decision, decided, layout.DECISION),
        chain.sha256(decided),
        note,
        chain.checkpoint_of(note).final_root,
        pages,
    )


def case_of(
    run: Sealed,
    bundle: Source,
    layer: Source,
    book: Roster,
    as_of: str,
    *,
    check: Check = roster.check_ed25519,
) -> weigh.Case:
    """Return what a run's sign-off log is weighed against, at an instant.

    Raises:
        Malformed: the facts hold a time that is none.
    """
    tail = fingerprint.tail_of(run.run.attempts, bundle.blocks)
    by_id = {signal.id: signal for signal in run.plan.signals}
    decision = _decided(run)
    known: dict[str, str] = {}

    def failure(signal: str) -> str:
        if signal not in known:
            known[signal] = fingerprint.fingerprint(
                by_id[signal], run.plan, run.facts, decision, tail
            )
        return known[signal]

    files: dict[str, str] = {}
    brought: dict[str, str] = {}

    def attached(digest: str) -> str:
        if digest not in brought:
            brought[digest] = _digest_of(layer, f"{layout.ATTACHED}/{digest}")
        return brought[digest]

    def leaves(path: str) -> tuple[str, ...]:
        if seal.is_log(path):
            logs = (attempt.log for attempt in run.run.attempts)
            return next((log.leaves for log in logs if log and log.path == path), ())
        if not files:
            sealed = codec.read(Seal, bundle.read(layout.SEAL), layout.SEAL)
            files.update((leaf.name, leaf.hash) for leaf in sealed.final)
        return (files[f"file/{path}"],) if f"file/{path}" in files else ()

    runners = runners_of(layer, run, book, check).people
    return weigh.Case(
        plan=run.plan,
        facts=run.facts,
        decision=decision,
        decision_sha256=run.decision_sha256,
        final_root=run.final_root,
        pages=run.pages,
        roster=book,
        as_of=as_of,
        fingerprint=failure,
        attached=attached,
        carried=lambda record: _carried(run, bundle, layer, record, as_of),
        check=check,
        runners=runners,
        leaves=leaves,
    )


def _decided(run: Sealed) -> Decision:
    """The decision that plan and facts imply: the one in a bundle may say anything."""
    try:
        return judge.decide(run.plan, run.facts)
    except ValueError as error:
        raise Malformed(layout.FACTS, f"cannot be judged: {error}") from error


def proofs(layer: Source, log: signoff.Log) -> Iterator[Carried]:
    """Yield the proofs of carried evidence that a log names, as far as they can be read."""
    for entry in log.entries:
        if isinstance(entry.record, Carry):
            with contextlib.suppress(Malformed):
                data = layer.read(f"{layout.CARRIED}/{entry.record.proof}")
                if chain.sha256(data) == entry.record.proof:
                    yield codec.read(Carried, data, layout.CARRIED)


def _digest_of(layer: Source, name: str) -> str:
    """The SHA-256 of a file; empty where there is none, or one that nobody could have attached."""
    hasher, size = chain.new_sha256(), 0
    try:
        for block in layer.blocks(name):
            size += len(block)
            if size > signoff.ATTACHED_BYTES_MAX:
                return ""
            hasher.update(block)
    except Malformed:
        return ""
    return hasher.hexdigest()


def _carried(
    run: Sealed, bundle: Source, layer: Source, record: Carry, as_of: str
) -> tuple[Answer, str]:
    """What a proof of carried evidence says now: its side of this run is computed again."""
    place = f"{layout.OBJECTS}/{subject.OBJECTS_FILE}"
    try:
        data = layer.read(f"{layout.CARRIED}/{record.proof}")
        if chain.sha256(data) != record.proof:
            raise Malformed(record.proof, "was changed")
        proof = codec.read(Carried, data)
        if (proof.command, proof.run, proof.old.final_root) != (
            *(record.command, record.run, record.final_root),
        ):
            raise Malformed(record.proof, "is not about what was signed")
        files = carry.files_of(run.plan, bundle.read(place), place)
    except Malformed as error:
        return "broken", f"the proof for {record.command}: {error.problem}"
    now = Evidence(run.plan, run.run, run.facts, run.final_root, files)
    return carry.holds(proof, now, as_of)


# --- who signed the run ---------------------------------------------------------------------------


def note_signers(
    layer: Source, run: Sealed, book: Roster, check: Check = roster.check_ed25519
) -> tuple[tuple[Key, ...], tuple[str, ...]]:
    """Return the runners whose keys signed the checkpoint, and why others do not count.

    A key counts that may speak as a runner at the end of the run.
    """
    try:
        text, signatures = dsse.read_note(layer.read(layout.CHECKPOINT), layout.CHECKPOINT)
    except Malformed as error:
        return (), (error.problem,)
    if text != run.checkpoint:
        return (), ("the signed checkpoint is not the one of this bundle",)
    good: dict[str, Key] = {}
    refused: list[str] = []
    for name, hint, signature in signatures:
        named = [key for key in book.key if key.scheme == "ed25519" and _names(key, name, hint)]
        if not named:
            refused.append(f"a key called {name:.80} signed that is not in the trust file")
        for key in named:
            why = roster.may(key, roster.RUNNER, run.run.end_utc)
            if not check(key, text, signature):
                refused.append(f"the signature of {key.person} is not over this checkpoint")
            elif why:
                refused.append(why)
            else:
                good[key.id] = key
    return tuple(good.values()), tuple(refused)


def _names(key: Key, name: str, hint: bytes) -> bool:
    return dsse.note_key(name, bytes.fromhex(key.public)) == hint


@dataclass(frozen=True, slots=True)
class Runners:
    """The people who signed a run as its runners, why others do not count, what is not checked.

    `refused` are signatures of the note; `doubted` says what keeps the statement from counting.
    """

    people: tuple[str, ...]
    refused: tuple[str, ...]
    doubted: tuple[Finding, ...]
    unchecked: tuple[str, ...]


def runners_of(
    layer: Source, run: Sealed, book: Roster, check: Check = roster.check_ed25519
) -> Runners:
    """Return who signed a run, by its note or by the statement over its checkpoint.

    Signers with other keys than Ed25519 sign the statement alone, and need no note beside it.
    """
    keys, refused = note_signers(layer, run, book, check)
    doubted: list[Finding] = []
    if layout.CHECKPOINT not in set(layer.names()):
        doubted, refused = [Finding(layout.CHECKPOINT, why) for why in refused], ()
    stated = roster.Signed((), (), ())
    try:
        stated = roster.signers(_statement(layer, run), book, check)
    except Malformed as error:
        doubted.append(Finding(layout.ATTESTATIONS, error.problem))
    reasons = {key.id: roster.may(key, roster.RUNNER, run.run.end_utc) for key in stated.keys}
    doubted += [
        Finding(layout.ATTESTATIONS, why)
        for why in (*stated.refused, *filter(None, reasons.values()))
    ]
    good = (*keys, *(key for key in stated.keys if not reasons[key.id]))
    people = tuple(dict.fromkeys(key.person for key in good))
    return Runners(people, refused, tuple(doubted), stated.unchecked)


def _statement(layer: Source, run: Sealed) -> dsse.Envelope:
    """The envelope over the checkpoint of this run: the last line of the attestations.

    Raises:
        Malformed: there is none, or it is about something else.
    """
    data = layer.read(layout.ATTESTATIONS)
    envelope = dsse.read(data.removesuffix(b"\n").rpartition(b"\n")[2])
    statement = dsse.read_statement(envelope)
    wanted = dsse.Subject(layout.CHECKPOINT, (("sha256", chain.sha256(run.checkpoint)),))
    if statement.predicate_type != CHECKPOINT_SAID or wanted not in statement.subjects:
        raise Malformed(layout.ATTESTATIONS, "does not end with the checkpoint of this bundle")
    return envelope


# --- the steps ------------------------------------------------------------------------------------


def verify_trust(
    bundle: Source,
    layer: Source,
    book: Roster,
    as_of: str,
    *,
    check: Check = roster.check_ed25519,
    withheld: Iterable[Withheld] = (),
    kept: bytes = b"",
) -> Report:
    """Return what steps 12 to 14 find. The bundle itself was verified before.

    `withheld` is what that found taken out: somebody who may has to have signed for it. `kept` is a
    checkpoint of the log that was kept where nobody else writes: a log that has not come as far, or
    was another one then, is named.

    Raises:
        Malformed: a record of the bundle cannot be read.
    """
    run = records(bundle)
    log, log_findings = _log(layer)
    if kept and (problem := signoff.checkpoint_problem(kept, log)):
        log_findings.append(Finding("the checkpoint that was kept", problem))
    case = case_of(run, bundle, layer, book, as_of, check=check)
    weighed = weigh.weigh(log, case)
    decision, verdict = weigh.decide(case, weighed)
    signed = runners_of(layer, run, book, check)
    steps = (
        _runner_step(signed, book),
        Step(13, STEPS[13], True, tuple(log_findings)),
        _entries_step(weighed, withheld),
    )
    warnings = tuple(weigh.with_roster_of_now(weighed, book, as_of))
    every = (*weighed.lint, *warnings)
    return Report(steps, signed.people, weighed, decision, verdict, as_of, every)


def _log(layer: Source) -> tuple[signoff.Log, list[Finding]]:
    log, findings, names = signoff.read_log(b""), [], set(layer.names())
    try:
        if layout.SIGN_OFF_LOG in names:
            log = read_log(layer)
            findings = [Finding(layout.SIGN_OFF_LOG, problem) for problem in log.problems]
        if layout.SIGN_OFF_CHECKPOINT in names:
            kept = layer.read(layout.SIGN_OFF_CHECKPOINT)
            if problem := signoff.checkpoint_problem(kept, log):
                findings.append(Finding(layout.SIGN_OFF_CHECKPOINT, problem))
    except Malformed as error:
        return log, [Finding(error.place, error.problem)]
    return log, findings


def read_log(layer: Source) -> signoff.Log:
    """Return the log in a sign-off folder.

    Raises:
        Malformed: no regular file, or one larger than `signoff.LOG_BYTES_MAX`.
    """
    data = bytearray()
    for block in layer.blocks(layout.SIGN_OFF_LOG):
        data += block
        if len(data) > signoff.LOG_BYTES_MAX:
            raise Malformed(layout.SIGN_OFF_LOG, f"is larger than {signoff.LOG_BYTES_MAX} bytes")
    return signoff.read_log(bytes(data))


def _runner_step(signed: Runners, book: Roster) -> Step:
    """Not checked, and so never OK, where a scheme is used that nobody here can check."""
    people = len(signed.people)
    needed = book.people_for(roster.RUNNER, 1)
    findings = [Finding(layout.CHECKPOINT, why) for why in signed.refused]
    findings += [Finding(layout.ATTESTATIONS, why) for why in signed.unchecked]
    if people < needed:
        findings += signed.doubted
        lacking = f"{people} of {needed} trusted runners signed it"
        findings.append(Finding(layout.CHECKPOINT, lacking))
    return Step(12, STEPS[12], not signed.unchecked, tuple(findings))


def _entries_step(weighed: weigh.Weighed, withheld: Iterable[Withheld]) -> Step:
    """Not checked, and so never OK, where a scheme is used that nobody here can check."""
    signed = {
        (weight.entry.record.path, leaf)
        for weight in weighed.weights
        if isinstance(weight.entry.record, Withholding) and weight.standing == "counts"
        for leaf in weight.entry.record.leaves
    }
    findings = [
        Finding(f"{layout.SIGN_OFF_LOG} line {weight.entry.number + 1}", weight.reason)
        for weight in weighed.weights
        if weight.standing in ("refused", "unchecked", "orphan")
    ]
    for item in withheld:
        if (item.path, item.leaf) not in signed:
            chunk = "" if item.chunk is None else f"chunk {item.chunk} "
            findings.append(Finding(item.path, f"{chunk}was withheld, and nobody signed for that"))
    checked = all(weight.standing != "unchecked" for weight in weighed.weights)
    return Step(14, STEPS[14], checked, tuple(findings))


# --- told -----------------------------------------------------------------------------------------


def lines(report: Report) -> list[str]:
    """Return a report as plain lines: who signed, the entries, the verdict with all that."""
    text = [f"signed by {', '.join(report.runners)}"] if report.runners else []
    text += [
        f"{weight.entry.number + 1:>4}  {weight.standing:<10}  {title(weight.entry)}"
        + (f": {weight.reason}" if weight.reason else "")
        for weight in report.weighed.weights
    ]
    text += [f"warning: {warning}" for warning in report.warnings]
    text.append(f"decision with sign-off, as of {report.as_of}: {report.verdict}")
    return text


def title(entry: signoff.Entry) -> str:
    """Return an entry of the log as a few words; of an unsigned one, that its person is a claim."""
    record = entry.record
    if not entry.envelope.signatures and isinstance(record, signoff.Attachment):
        of = f"attachment of {record.artifact} for {record.signal}"
        return f"{of}, unsigned; says to be from {record.person} for {record.role}"
    kind, who = type(record).__name__.lower(), f"by {record.person} as {record.role}"
    if isinstance(record, signoff.Approval):
        return f"{kind} {who} of {_numbered('gate', [seen.gate for seen in record.gates])}"
    if isinstance(record, signoff.Attachment):
        return f"{kind} {who} of {record.artifact} for {record.signal}"
    if isinstance(record, signoff.Waiver):
        return f"{kind} {who} of {record.signal} until {record.until_utc}"
    if isinstance(record, signoff.Withholding):
        chunks = f", {_numbered('chunk', record.chunks)}" if record.chunks else ""
        return f"{kind} {who} of {record.path}{chunks}"
    if isinstance(record, signoff.Carry):
        return f"{kind} {who} of {record.command} from {record.run}"
    return f"{kind} {who} of entry {record.entry:.16}"


def _numbered(noun: str, numbers: Sequence[int]) -> str:
    return f"{noun}{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def value(report: Report) -> dict[str, Any]:
    """Return a report as a JSON value."""
    return {
        "ok": report.ok,
        "verdict": report.verdict,
        "as_of": report.as_of,
        "steps": codec.to_value(report.steps),
        "runners": list(report.runners),
        "entries": [
            {
                "line": weight.entry.number + 1,
                "digest": weight.entry.digest,
                "kind": type(weight.entry.record).__name__.lower(),
                "standing": weight.standing,
                "reason": weight.reason,
                "person": weight.entry.record.person,
                "role": weight.entry.record.role,
                "signed_utc": weight.entry.record.signed_utc,
            }
            for weight in report.weighed.weights
        ],
        "waived": codec.to_value(report.weighed.brought.waived),
        "warnings": list(report.warnings),
        "decision": codec.to_value(report.decision),
    }
