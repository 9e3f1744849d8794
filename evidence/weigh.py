"""What a sign-off log amounts to at an instant: which approvals, artifacts and waivers count.

Nothing is accepted by default: an entry counts when it is about this run, is signed by a key of the
trust file whose person and role it names, in that key's time, and when nothing it was given for has
changed since. Pure functions; why an entry does not count is part of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from evidence import chain, judge, layout, roster, seal, words
from evidence.brought import ApprovalFact, Brought, CarryFact, ExternalFact, Waived
from evidence.codec import Malformed
from evidence.instant import milliseconds
from evidence.model import (
    Answer,
    Decision,
    ExternalAttached,
    Facts,
    Plan,
    Signal,
    SignalDecision,
)
from evidence.roster import Check, Roster, check_ed25519
from evidence.signoff import (
    Approval,
    Attachment,
    Carry,
    Entry,
    Log,
    Page,
    Record,
    Waiver,
    Withdrawal,
    Withholding,
    statement_of,
)
from evidence.slices import SKEW_MS, slice_digest, visible

WAIVER_DAYS_MAX = 90
"""A waiver for longer is called over-broad."""

Standing = Literal[
    "counts",
    "waits",
    "withdrawn",
    "suspect",
    "expired",
    "not yet",
    "refused",
    "unchecked",
    "orphan",
    "unused",
    "shadowed",
    "changed",
]
"""How an entry stands. Only what `counts` has an effect."""


@dataclass(frozen=True, slots=True)
class Weight:
    """How one entry stands, and why."""

    entry: Entry
    standing: Standing
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """What a log is weighed against.

    `decision` is the one inside the bundle; `pages` are the sealed documents with their SHA-256;
    `fingerprint` gives that of a signal's failure; `attached` the SHA-256 of an attached file,
    empty where there is none; `runners` are the people whose keys signed the run; `leaves` gives
    the sealed leaf hashes of a log's chunks, or the one of another file.
    """

    plan: Plan
    facts: Facts
    decision: Decision
    decision_sha256: str
    final_root: str
    pages: Mapping[str, str]
    roster: Roster
    as_of: str
    fingerprint: Callable[[str], str]
    attached: Callable[[str], str]
    carried: Callable[[Carry], tuple[Answer, str]]
    check: Check = check_ed25519
    runners: tuple[str, ...] = ()
    leaves: Callable[[str], tuple[str, ...]] = lambda path: ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a log amounts to: facts for the judge, each entry's standing, and lint of waivers."""

    brought: Brought
    weights: tuple[Weight, ...]
    lint: tuple[str, ...]


def weigh(log: Log, case: Case) -> Weighed:
    """Return what a sign-off log amounts to at the instant of `case`.

    Raises:
        ValueError: `as_of` is no time.
    """
    scale = _Scale(log, case)
    for entry in log.entries:
        scale.put(entry)
    people = Brought(scale.approvals(), scale.externals(), scale.carries())
    scale.let_go(people)
    return Weighed(
        replace(people, waived=scale.waived()),
        tuple(scale.weights[entry.number] for entry in log.entries),
        tuple(scale.lint),
    )


def decide(
    case: Case, weighed: Weighed
) -> tuple[Decision, Literal["GO", "GO-WITH-WAIVERS", "NO-GO"]]:
    """Return the decision with what people brought, and the verdict with waivers in force.

    A waived signal stays red in the decision: only the verdict says that somebody let it pass.
    """
    decision = judge.decide(case.plan, case.facts, case.as_of, weighed.brought)
    if decision.verdict == "GO":
        return decision, "GO"
    return decision, "GO-WITH-WAIVERS" if _passes(case, decision, weighed.brought) else "NO-GO"


def _passes(case: Case, decision: Decision, brought: Brought) -> bool:
    """Whether all that is red is waived: signals, and required cells that only they speak of."""
    plan = case.plan
    names = [signal.id for signal in plan.signals]
    asked = {name for gate in plan.gates for name in gate.signals}
    if len(set(names)) != len(names) or not asked <= set(names):
        return False  # nobody can waive what the plan does not have, or has twice
    waived = {item.signal for item in brought.waived}
    red = {signal.id for signal in decision.signals if signal.status != "GO"}
    if not waived or not red <= waived:
        return False
    if any(judge.tree_blockers(plan, case.facts)) or not all(gate.signals for gate in plan.gates):
        return False
    before = {item.id: item for item in case.decision.signals}
    excused = {
        name
        for signal in plan.signals
        if signal.id in waived
        for number in _open(before.get(signal.id))
        for name in getattr(signal.conditions[number], "cells", ())
    }
    required = {cell.id for cell in plan.cells if cell.required}
    failed = {cell.cell for cell in decision.cells if cell.cell in required and not cell.passed}
    return bool(plan.gates) and failed <= excused


def _open(decided: SignalDecision | None) -> set[int]:
    """The numbers of the conditions of a signal that are not met."""
    conditions = decided.conditions if decided else ()
    return {number for number, item in enumerate(conditions) if item.answer != "met"}


# --- the scale ------------------------------------------------------------------------------------


@dataclass
class _Scale:
    """Entries are put on one after the other; how one stands also depends on those after it."""

    log: Log
    case: Case
    weights: dict[int, Weight] = field(default_factory=dict)
    lint: list[str] = field(default_factory=list)
    held: dict[str, set[str]] = field(default_factory=dict)
    slices: dict[int, str] = field(default_factory=dict)
    refusals: dict[int, tuple[Standing, str] | None] = field(default_factory=dict)
    gone: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.as_of_ms = milliseconds(self.case.as_of)
        self.begins_ms = milliseconds(self.case.facts.as_of)
        self.visible = visible(self.log.entries, self.case.as_of)
        self.numbers = {entry.digest: entry for entry in self.log.entries}
        self.signals = {signal.id: signal for signal in self.case.plan.signals}
        for person in self.case.runners:
            self.held.setdefault(person, set()).add(roster.RUNNER)
        self._look_at_order()
        for entry in self.log.entries:
            taken = self.numbers.get(getattr(entry.record, "entry", ""))
            if taken and not self.refusals[entry.number] and self._may_take_back(entry, taken):
                self.gone.setdefault(taken.digest, entry)

    def put(self, entry: Entry) -> None:
        """Weigh one entry, in the light of those before it."""
        standing, reason = self.refusals[entry.number] or self._standing(entry)
        if standing == "counts" and isinstance(entry.record, _ACTS):
            other = self._kept_apart(entry.record)
            if other:
                standing = "refused"
                reason = f"{entry.record.person} already acts as {other}, which is kept apart"
            else:
                self.held.setdefault(entry.record.person, set()).add(entry.record.role)
        self.weights[entry.number] = Weight(entry, standing, reason)

    def _kept_apart(self, record: Record) -> str:
        """A role that this person acts in and that is kept apart from the entry's; or nothing."""
        held = sorted(self.held.get(record.person, ()))
        return next((other for other in held if self.case.roster.apart(record.role, other)), "")

    def _look_at_order(self) -> None:
        """Why entries are not heard at all; signatures are slow to check, so each is once.

        Times never run backwards along the log, whatever the instant: what was dated back counts
        at no instant. Only signed lines tell the time.
        """
        latest_ms = 0
        for entry in self.log.entries:
            refusal = self._refused(entry)
            if refusal is None or refusal[0] == "not yet":
                signed_ms = milliseconds(entry.record.signed_utc)
                if signed_ms < latest_ms - SKEW_MS:
                    refusal = "refused", "it says that it was signed before the line before it"
                elif entry.envelope.signatures:
                    latest_ms = max(latest_ms, signed_ms)
            self.refusals[entry.number] = refusal

    def _refused(self, entry: Entry) -> tuple[Standing, str] | None:
        record, case = entry.record, self.case
        at = record.at
        if (at.audit, at.label) != (case.plan.audit.id, case.plan.label):
            return "refused", f"it is about {at.audit}/{at.label}"
        if at.final_root != case.final_root:
            return "refused", "it is about another run: the final root is not this one's"
        if entry.envelope.payload != statement_of(record, case.plan, case.decision_sha256):
            return "refused", "its statement is about something else than the entry in it"
        try:
            signed_ms = milliseconds(record.signed_utc)
            for name in ("from_utc", "until_utc", "expires_utc", "review_utc"):
                utc: str | None = getattr(record, name, None)
                milliseconds(record.signed_utc if utc is None else utc)
        except ValueError as error:
            return "refused", str(error)
        if signed_ms < self.begins_ms - SKEW_MS:
            return "refused", "it was signed before the run ended"
        is_signed = entry.envelope.signatures or not isinstance(record, Attachment)
        refusal = self._signature(entry) if is_signed else None  # its approval is signed
        if refusal is None and signed_ms > self.as_of_ms + SKEW_MS:
            return "not yet", f"it was signed at {record.signed_utc}, after this instant"
        return refusal

    def _signature(self, entry: Entry) -> tuple[Standing, str] | None:
        record = entry.record
        signed = roster.signers(entry.envelope, self.case.roster, self.case.check)
        keys = [key for key in signed.keys if key.person == record.person]
        if not keys:
            if signed.unchecked and not signed.refused:
                return "unchecked", signed.unchecked[0]
            others = ", ".join(key.person for key in signed.keys)
            other = f"it was signed by {others}, not by {record.person}" if others else ""
            return "refused", other or next(iter(signed.refused), "it is not signed")
        reasons = [roster.may(key, record.role, record.signed_utc) for key in keys]
        return None if "" in reasons else ("refused", reasons[0])

    def _standing(self, entry: Entry) -> tuple[Standing, str]:
        record = entry.record
        taker = self.gone.get(entry.digest)
        if taker and not isinstance(record, Withdrawal):
            return "withdrawn", f"taken back by {taker.record.person}"
        match record:
            case Approval():
                return self._approval(record)
            case Attachment():
                standing, reason = self._attachment(record)
                is_claim = standing == "waits" and not entry.envelope.signatures
                return standing, f"nobody signed it; {reason}" if is_claim else reason
            case Waiver():
                return self._waiver(record)
            case Withholding():
                return self._withholding(record)
            case Withdrawal():
                return self._withdrawal(entry, record)
            case Carry():
                return "counts", ""

    def _withdrawal(self, entry: Entry, record: Withdrawal) -> tuple[Standing, str]:
        taken = self.numbers.get(record.entry)
        if taken is None or taken.number >= entry.number:
            return "orphan", "no line before it is the one that it takes back"
        line = f"line {taken.number + 1}"
        if isinstance(taken.record, Withdrawal):
            return "refused", f"{line} is a withdrawal: make the entry again"
        if not self._may_take_back(entry, taken):
            return "refused", f"{record.person} neither made {line} nor holds its role"
        return "counts", f"of {line}"

    def _withholding(self, record: Withholding) -> tuple[Standing, str]:
        sealed = self.case.leaves(record.path)
        if not sealed:
            return "orphan", f"nothing called {record.path} was sealed"
        is_log = seal.is_log(record.path) and layout.is_below(record.path)
        if not is_log and not layout.may_be_withheld(record.path):
            return "refused", f"{record.path} cannot be withheld"
        numbers = record.chunks if is_log else (0,)
        wanted = tuple(sealed[number] for number in numbers if 0 <= number < len(sealed))
        if not wanted or wanted != record.leaves or len(wanted) != len(numbers):
            return "refused", "its leaves are not those that were sealed"
        return "counts", record.reason

    @staticmethod
    def _may_take_back(taker: Entry, entry: Entry) -> bool:
        one, other = taker.record, entry.record
        own = one.person == other.person or one.role == other.role
        return taker.number > entry.number and own

    def _approval(self, record: Approval) -> tuple[Standing, str]:
        case = self.case
        if record.decision != case.decision_sha256:
            return "refused", "it is about another decision"
        for page in record.pages:
            if not self._is_page(page):
                why = f"the page {page.path} that was shown is not the one in the bundle"
                return "refused", why
        unseen = sorted(case.pages.keys() - {page.path for page in record.pages})
        if unseen:
            return "refused", f"the page {unseen[0]} was not shown"
        if record.expires_utc and _past(record.expires_utc, self.as_of_ms):
            return "expired", f"it expired at {record.expires_utc}"
        fresh = self.fresh_gates(record)
        if record.gates and not fresh:
            return "suspect", "every gate that it covers has changed since"
        stale = [seen.gate for seen in record.gates if seen.gate not in fresh]
        changed = ", ".join(f"gate {gate}" for gate in stale)
        needs = "needs" if len(stale) == 1 else "need"
        return "counts", f"{changed} changed since and {needs} another look" if stale else ""

    def _is_page(self, page: Page) -> bool:
        """Whether a page is the one in the bundle; of one that was withheld its leaf is left."""
        if page.path in self.case.pages:
            return self.case.pages[page.path] == page.sha256
        try:
            leaf = chain.leaf_hash(f"file/{page.path}", page.sha256)
        except Malformed:
            return False
        return self.case.leaves(page.path) == (leaf,)

    def fresh_gates(self, record: Approval) -> set[int]:
        """The gates of an approval that are still as they were shown."""
        seen = {item.gate: item.digest for item in record.gates}
        return {gate for gate, digest in seen.items() if digest and self._slice(gate) == digest}

    def _slice(self, gate: int) -> str:
        case = self.case
        if gate not in self.slices and any(item.id == gate for item in case.plan.gates):
            self.slices[gate] = slice_digest(gate, self.visible, case.plan, case.decision)
        return self.slices.get(gate, "")

    def _attachment(self, record: Attachment) -> tuple[Standing, str]:
        conditions = self.signals[record.signal].conditions if record.signal in self.signals else ()
        asked = [c for c in conditions if isinstance(c, ExternalAttached)]
        if not any(record.artifact == condition.artifact for condition in asked):
            return "orphan", f"no external condition of {record.signal} asks for {record.artifact}"
        found = self.case.attached(record.sha256)
        if not found or found != record.sha256:
            return "refused", "the attached file is gone" if not found else "the file was changed"
        if record.expires_utc and _past(record.expires_utc, self.as_of_ms):
            return "expired", f"it expired at {record.expires_utc}"
        if record.review_utc and _past(record.review_utc, self.as_of_ms):
            due = f"{record.artifact} for {record.signal} is due for review since"
            self.lint.append(f"{due} {record.review_utc}")
        return "waits", "it counts once its role approves it"

    def _waiver(self, record: Waiver) -> tuple[Standing, str]:
        """Each waiver earns its place, or the reason why not is told."""
        signal = self.signals.get(record.signal)
        if signal is None or signal.gate != record.gate:
            return "orphan", f"the plan has no signal {record.signal} in gate {record.gate}"
        if record.role not in self.case.roster.waive:
            return "refused", f"the trust file lets nobody waive as {record.role}"
        if record.subject != self.case.plan.subject.digest:
            return "refused", "it is for another subject"
        begins, ends = milliseconds(record.from_utc), milliseconds(record.until_utc)
        if ends <= begins:
            return "refused", "it ends before it begins"
        if self.as_of_ms >= ends:
            return "expired", f"it ended at {record.until_utc}"
        if self.as_of_ms < begins:
            return "not yet", f"it begins at {record.from_utc}"
        failure = self.case.fingerprint(record.signal)
        if not failure:
            return "unused", f"{record.signal} does not fail"
        if failure != record.fingerprint:
            return "changed", f"{record.signal} now fails otherwise than when it was waived"
        for weight in self.weights.values():
            other = weight.entry.record
            same = isinstance(other, Waiver) and other.signal == record.signal
            if same and weight.standing == "counts":
                return "shadowed", f"line {weight.entry.number + 1} waives it already"
        if is_over_broad(record):
            self.lint.append(
                f"the waiver of {record.signal} is over-broad:"
                f" more than {WAIVER_DAYS_MAX} days, until {record.until_utc}"
            )
        return "counts", f"until {record.until_utc}"

    def let_go(self, brought: Brought) -> None:
        """Let waivers go whose signals are GO with what people brought, or fail at more by now."""
        counting = [
            (weight, weight.entry.record.signal)
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Waiver) and weight.standing == "counts"
        ]
        if not counting:
            return
        case = self.case
        decision = judge.decide(case.plan, case.facts, case.as_of, brought)
        before = {signal.id: signal for signal in case.decision.signals}
        now = {signal.id: signal for signal in decision.signals}
        for weight, signal in counting:
            more = sorted(_open(now[signal]) - _open(before.get(signal)))
            if now[signal].status == "GO":
                why = f"{signal} does not fail"
                self.weights[weight.entry.number] = Weight(weight.entry, "unused", why)
            elif more:
                why = f"{signal} now fails at more: {now[signal].conditions[more[0]].reason}"
                self.weights[weight.entry.number] = Weight(weight.entry, "changed", why)

    # --- facts for the judge ---

    def approvals(self) -> tuple[ApprovalFact, ...]:
        """One fact for each gate and role that was approved, or tried to."""
        found: dict[tuple[int, str], list[Weight]] = {}
        for weight in self.weights.values():
            record = weight.entry.record
            if isinstance(record, Approval):
                for seen in record.gates:
                    found.setdefault((seen.gate, record.role), []).append(weight)
        return tuple(
            self._approval_fact(gate, role, weights)
            for (gate, role), weights in sorted(found.items())
        )

    def _approval_fact(self, gate: int, role: str, weights: Sequence[Weight]) -> ApprovalFact:
        people: list[str] = []
        answer: Answer = "missing"
        reason = ""
        for weight in weights:
            record = weight.entry.record
            assert isinstance(record, Approval)
            if weight.standing == "counts" and gate in self.fresh_gates(record):
                people.append(record.person)
            else:
                answer = _ANSWERS.get(weight.standing, "stale")
                why = weight.reason if weight.standing != "counts" else "the gate changed since"
                reason = f"the approval of {record.person} does not count: {why}"
        needed = self.case.roster.people_for(role, 1)
        return ApprovalFact(gate, role, tuple(dict.fromkeys(people)), needed, answer, reason)

    def externals(self) -> tuple[ExternalFact, ...]:
        """One fact for each external condition that somebody brought something for."""
        facts = []
        for signal in self.case.plan.signals:
            for condition in signal.conditions:
                if isinstance(condition, ExternalAttached):
                    brought = self._brought(signal, condition)
                    if brought:
                        facts.append(self._external_fact(signal, condition, brought))
        return tuple(dict.fromkeys(facts))

    def _brought(self, signal: Signal, condition: ExternalAttached) -> list[Weight]:
        return [
            weight
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Attachment)
            and weight.entry.record.signal == signal.id
            and weight.entry.record.artifact == condition.artifact
            and weight.standing not in ("withdrawn", "not yet")
        ]

    def _external_fact(
        self, signal: Signal, condition: ExternalAttached, brought: Sequence[Weight]
    ) -> ExternalFact:
        """The newest artifact decides: somebody brought it because the one before would not do."""
        weight = brought[-1]
        for older in brought[:-1]:
            if older.standing == "waits":
                why = f"a newer one was brought: line {weight.entry.number + 1}"
                self.weights[older.entry.number] = Weight(older.entry, "shadowed", why)
        name = condition.artifact
        make = ExternalFact
        if weight.standing not in ("waits", "counts"):
            answer = _ANSWERS.get(weight.standing, "broken")
            return make(signal.id, name, condition.role, answer, f"{name}: {weight.reason}")
        needed = self.case.roster.people_for(condition.role, 1)
        people = self._approvers(signal.gate, condition.role)
        if len(people) >= needed:
            said = f"{name} attached, approved by {', '.join(people)} as {condition.role}"
            self.weights[weight.entry.number] = Weight(weight.entry, "counts", said)
            return make(signal.id, name, condition.role, "met", said)
        return make(signal.id, name, condition.role, "missing", words.waits(condition))

    def _approvers(self, gate: int, role: str) -> list[str]:
        people = [
            weight.entry.record.person
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Approval)
            and weight.standing == "counts"
            and weight.entry.record.role == role
            and gate in self.fresh_gates(weight.entry.record)
        ]
        return list(dict.fromkeys(people))

    def carries(self) -> tuple[CarryFact, ...]:
        """One fact for each command whose earlier evidence somebody brought a proof for.

        An entry stands as its proof does: one whose proof is broken is not said to count.
        """
        facts = {}
        for weight in self.weights.values():
            record = weight.entry.record
            if isinstance(record, Carry) and weight.standing == "counts":
                answer, reason = self.case.carried(record)
                facts[record.command, record.run] = CarryFact(
                    record.command, record.run, answer, reason
                )
                standing = _OF_PROOF.get(answer, "refused")
                self.weights[weight.entry.number] = Weight(weight.entry, standing, reason)
        return tuple(facts.values())

    def waived(self) -> tuple[Waived, ...]:
        """The waivers in force."""
        return tuple(
            _waived(weight.entry, weight.entry.record)
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Waiver) and weight.standing == "counts"
        )


def is_over_broad(waiver: Waiver) -> bool:
    """Whether a waiver lasts longer than somebody should permit without looking again."""
    length_ms = milliseconds(waiver.until_utc) - milliseconds(waiver.from_utc)
    return length_ms > WAIVER_DAYS_MAX * 86_400_000


def _waived(entry: Entry, waiver: Waiver) -> Waived:
    person, role = waiver.person, waiver.role
    return Waived(waiver.signal, entry.digest, person, role, waiver.until_utc, waiver.reason)


_ACTS = (Approval, Carry, Waiver, Withholding)
"""What a person does in a role: roles that are kept apart are so for all of it."""
_ANSWERS: Mapping[Standing, Answer] = {
    "refused": "broken",
    "unchecked": "broken",
    "withdrawn": "missing",
    "not yet": "missing",
    "waits": "missing",
    "expired": "stale",
    "suspect": "stale",
    "orphan": "wrong_subject",
}
_OF_PROOF: Mapping[Answer, Standing] = {"met": "counts", "missing": "not yet", "stale": "expired"}
"""How an entry of carried evidence stands by what its proof says now; else it is refused."""


def _past(utc: str, as_of_ms: int) -> bool:
    return as_of_ms >= milliseconds(utc)


def with_roster_of_now(weighed: Weighed, book: Roster, now: str) -> Iterable[str]:
    """Yield a warning for each person and role that counts as of its signing and is over now."""
    records = (weight.entry.record for weight in weighed.weights if weight.standing == "counts")
    acted = dict.fromkeys((item.person, item.role) for item in records if isinstance(item, _ACTS))
    for person, role in acted:
        keys = [key for key in book.key if key.person == person]
        if all(roster.may(key, role, now) for key in keys):
            yield f"{person} no longer holds the role {role}; it was held then"
