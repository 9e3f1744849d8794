"""Attestations of a sealed run: signed, put together, read back, and checked against the bundle.

Here lives what an attestation file holds and what is wrong with one. Pure functions over bytes and
records; files and locks are in `attested`. Nothing counts for being there: each envelope is
compared with what the bundle itself says, and its signatures with the trust file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.trust import intoto
from audit.trust.intoto import CHECKPOINT, LINK, About, SealedRun
from audit.trust.keys import Signer, check_any
from evidence import chain, codec, dsse, layout, roster
from evidence.codec import Malformed
from evidence.dsse import PAYLOAD_TYPE, Envelope, Signature, Statement
from evidence.model import Decision, Facts, Plan, Run
from evidence.roster import RUNNER, Check, Roster
from evidence.verify import Finding

ATTESTATION_BYTES_MAX = 1 << 30
"""Largest file of attestations that is read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One envelope of an attestation file; `number` counts lines from 1."""

    number: int
    envelope: Envelope

    @property
    def place(self) -> str:
        """How findings call it."""
        return _place(self.number)


def _place(number: int) -> str:
    return f"{layout.ATTESTATIONS} line {number}"


# --- writing and reading --------------------------------------------------------------------------


def sign(payloads: Iterable[bytes], signer: Signer) -> list[Envelope]:
    """Return an envelope over each payload of a statement, signed once."""
    return [
        Envelope(
            PAYLOAD_TYPE,
            payload,
            (Signature(signer.keyid, signer.sign(dsse.pae(PAYLOAD_TYPE, payload))),),
        )
        for payload in payloads
    ]


def together(theirs: Iterable[Envelope], ours: Iterable[Envelope]) -> list[Envelope]:
    """Return the envelopes of both over the same payloads, each with the signatures of both.

    A key signs a payload once, and of two signatures of one key ours is taken. Signatures are in
    order of their key ids.
    """
    signed: dict[bytes, dict[str, Signature]] = {}
    for envelope in (*theirs, *ours):
        by_key = signed.setdefault(envelope.payload, {})
        for signature in envelope.signatures:
            by_key[signature.keyid] = signature
    return [
        Envelope(PAYLOAD_TYPE, payload, tuple(by_key[name] for name in sorted(by_key)))
        for payload, by_key in signed.items()
    ]


def in_order(envelopes: Iterable[Envelope], payloads: Sequence[bytes]) -> list[Envelope]:
    """Return envelopes in the order of the payloads that they hold."""
    place = {payload: number for number, payload in enumerate(payloads)}
    return sorted(envelopes, key=lambda envelope: place[envelope.payload])


def write(envelopes: Iterable[Envelope]) -> bytes:
    """Return an attestation file: one envelope per line."""
    return b"".join(dsse.write(envelope) + b"\n" for envelope in envelopes)


def read(data: bytes) -> tuple[list[Line], list[Finding]]:
    """Return the envelopes of an attestation file, and what in it is none."""
    if len(data) > ATTESTATION_BYTES_MAX:
        return [], [Finding(layout.ATTESTATIONS, f"is larger than {ATTESTATION_BYTES_MAX} bytes")]
    lines: list[Line] = []
    findings: list[Finding] = []
    rows = data.split(b"\n")
    for number, row in enumerate(rows[:-1], 1):
        try:
            lines.append(Line(number, dsse.read(row)))
        except Malformed as error:
            findings.append(Finding(_place(number), f"is no envelope: {error.problem}"))
    if rows[-1]:
        findings.append(Finding(_place(len(rows)), "is cut off"))
    return lines, findings


def write_note(point: chain.Checkpoint, signers: Sequence[Signer], old: bytes = b"") -> bytes:
    """Return the signed note over a run's checkpoint, with the signatures that `old` has of it.

    A key is called by its id in the signature line. Raises `Malformed` when `old` is another note.
    """
    text = chain.checkpoint_text(point)
    lines: dict[tuple[str, bytes], bytes] = {}
    if old:
        noted, before = dsse.read_note(old, layout.CHECKPOINT)
        if noted != text:
            raise Malformed(layout.CHECKPOINT, "is the signed checkpoint of another run")
        lines = {(name, hint): signature for name, hint, signature in before}
    for signer in signers:
        hint = dsse.note_key(signer.keyid, bytes.fromhex(signer.key.public))
        lines[signer.keyid, hint] = signer.sign(text)
    return dsse.write_note(text, tuple((*name, lines[name]) for name in sorted(lines)))


# --- checking -------------------------------------------------------------------------------------


def check(
    envelopes: Sequence[Line],
    trusted: Roster,
    plan: Plan,
    run: Run,
    decision: Decision,
    point: chain.Checkpoint,
    *,
    facts: Facts,
    check: Check = check_any,
) -> tuple[Finding, ...]:
    """Return all that keeps these envelopes from being the attestations of this very run.

    Each envelope has to say what the bundle says, be there once, in order, and be signed by as many
    people as the trust file asks of the role `runner`, with keys that were valid when the run
    ended. Somebody who signed the checkpoint signed the digest of everything, and counts for every
    envelope that another runner signed.
    """
    sealed = SealedRun(plan, run, facts, decision, point)
    wanted = intoto.statements(sealed)
    order = {about: number for number, about in enumerate(wanted)}
    told = _Told(sealed, wanted, order)
    findings: list[Finding] = []
    signed = {line.number: _signed(line, trusted, run.end_utc, check) for line in envelopes}
    whole: set[str] = set()
    for line in envelopes:
        about, found = told.compare(line)
        findings += found
        if about == (CHECKPOINT, "") and not found:
            whole |= signed[line.number].people
    needed = trusted.people_for(RUNNER, 1)
    for line in envelopes:
        findings += _threshold(line, signed[line.number], whole, needed)
    return (*findings, *told.missing())


class _Told:
    """What the lines of a file said so far, beside what the bundle wants them to say."""

    def __init__(
        self, sealed: SealedRun, wanted: Mapping[About, Statement], order: Mapping[About, int]
    ) -> None:
        self.named = codec.to_value(sealed.named)
        self.wanted = wanted
        self.order = order
        self.seen: dict[About, int] = {}
        self.last = -1

    def compare(self, line: Line) -> tuple[About | None, list[Finding]]:
        """Return what a line is about, and what is wrong with it."""
        try:
            statement = dsse.read_statement(line.envelope)
        except Malformed as error:
            return None, [Finding(line.place, error.problem)]
        about = intoto.about_of(statement)
        if about is None:
            kind = f"{statement.predicate_type:.80}"
            return None, [Finding(line.place, f"is no attestation of a run: {kind}")]
        return about, [Finding(line.place, why) for why in self._problems(line, about, statement)]

    def _problems(self, line: Line, about: About, statement: Statement) -> Iterable[str]:
        named = intoto.run_of(statement)
        if named != self.named:
            yield f"is about another run: {_brief(named)}"
            return
        if about not in self.wanted:
            yield f"is about {_words(about)}, which this run does not have"
            return
        if about in self.seen:
            yield f"says again what line {self.seen[about]} says of {_words(about)}"
            return
        self.seen[about] = line.number
        if self.order[about] < self.last:
            yield f"is out of order: {_words(about)} comes earlier"
        self.last = max(self.last, self.order[about])
        yield from _differences(statement, self.wanted[about])

    def missing(self) -> list[Finding]:
        """Return a finding for all that no line speaks of."""
        return [
            Finding(layout.ATTESTATIONS, f"has no line about {_words(about)}")
            for about in self.wanted
            if about not in self.seen
        ]


def _words(about: About) -> str:
    kind, cell = about
    if not cell:
        return "the decision" if kind == intoto.DECISION else "the checkpoint"
    return f"the {'run' if kind == LINK else 'tests'} of cell {cell:.80}"


def _brief(named: object) -> str:
    if not isinstance(named, dict):
        return "it names none"
    return " ".join(f"{key}=`{named.get(key)!s:.64}`" for key in ("audit", "label", "run"))


def _differences(found: Statement, wanted: Statement) -> Iterable[str]:
    """What a statement says otherwise than the bundle. Fields that are not ours are ignored."""
    names = [subject.name for subject in found.subjects]
    digests = {subject.name: subject.digests for subject in found.subjects}
    if len(names) != len(digests):
        yield "names a subject twice"
    for subject in wanted.subjects:
        if subject.name not in digests:
            yield f"lacks the subject {subject.name:.200}"
        elif digests[subject.name] != subject.digests:
            yield f"has another digest of {subject.name:.200} than the bundle"
    known = {subject.name for subject in wanted.subjects}
    yield from (
        f"has a subject that is not of it: {name:.200}" for name in names if name not in known
    )
    for key, value in wanted.predicate.items():
        if not _covers(found.predicate.get(key), value):
            yield f"says otherwise than the bundle: {key}"


def _covers(found: object, wanted: object) -> bool:
    """Whether a value has all that is wanted of it, and perhaps fields of a later version."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return all(key in found and _covers(found[key], item) for key, item in wanted.items())
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_covers, found, wanted))
    return type(found) is type(wanted) and found == wanted


# --- signatures -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Signed:
    """The people who signed as runners, why others do not count, and forged signatures."""

    people: frozenset[str]
    refused: tuple[str, ...]


def _signed(line: Line, trusted: Roster, utc: str, check: Check) -> _Signed:
    found = roster.signers(line.envelope, trusted, check)
    reasons = {key.id: roster.may(key, RUNNER, utc) for key in found.keys}
    people = frozenset(key.person for key in found.keys if not reasons[key.id])
    why = (*found.refused, *found.unchecked, *filter(None, reasons.values()))
    return _Signed(people, why)


def _threshold(line: Line, signed: _Signed, whole: set[str], needed: int) -> list[Finding]:
    """Findings on the signatures of one line: every one that is refused, and too few that count."""
    findings = [Finding(line.place, why) for why in signed.refused]
    if not line.envelope.signatures:
        findings.append(Finding(line.place, "is not signed"))
    count = len(signed.people | whole) if signed.people else 0
    if count < needed:
        problem = f"{count} of {needed} trusted runners signed it"
        findings.append(Finding(line.place, problem))
    return findings
