"""People who sign, for tests: keys made from a name, in plain Python, never for real use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from evidence import chain, codec, dsse, ed25519, judge, model, signoff, slices, weigh
from evidence.roster import Key, Roster
from evidence.signoff import At, GateSeen, Page, Record
from tests.evidence import conftest as made
from tests.records import make_cell, make_signal

BEGIN = "2026-01-01T00:00:00Z"
DAY_1 = "2026-12-02T10:00:00Z"
DAY_2 = "2026-12-03T10:00:00Z"
DAY_9 = "2026-12-10T10:00:00Z"
ROOT = "ab" * 32
PAGES = {"documents/summary.md": "11" * 32}


@dataclass(frozen=True)
class Person:
    """A person with a key. Source of the signing: RFC 8032 section 5.1.6."""

    name: str

    def _secret(self) -> tuple[int, bytes]:
        digest = hashlib.sha512(self.name.encode()).digest()
        scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
        return scalar, digest[32:]

    @property
    def public(self) -> bytes:
        return ed25519._encode(ed25519._both(self._secret()[0], ed25519._BASE, 0, ed25519._BASE))

    @property
    def keyid(self) -> str:
        return hashlib.sha256(self.public).hexdigest()

    def sign(self, message: bytes) -> bytes:
        scalar, prefix = self._secret()
        order = ed25519._L
        once = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % order
        point = ed25519._encode(ed25519._both(once, ed25519._BASE, 0, ed25519._BASE))
        digest = hashlib.sha512(point + self.public + message).digest()
        rest = (once + int.from_bytes(digest, "little") * scalar) % order
        return point + rest.to_bytes(32, "little")

    def key(self, *roles: str, **changes: Any) -> Key:
        plain = Key(self.keyid, self.name, roles, "ed25519", self.public.hex(), BEGIN)
        return replace(plain, **changes)

    def envelope(self, payload: bytes) -> tuple[dsse.Signature, ...]:
        return (dsse.Signature(self.keyid, self.sign(dsse.pae(dsse.PAYLOAD_TYPE, payload))),)


ADA, BOB, EVE = Person("Ada"), Person("Bob"), Person("Eve")
TRUST = Roster(
    format_version=1,
    waive=("Manager",),
    key=(ADA.key("SRE", "Security"), BOB.key("SRE", "Manager")),
)

APPROVAL = model.ApprovalGiven("approval", "SRE")
EXTERNAL = model.ExternalAttached("external", "drill.md", "SRE")
CARRY = model.CarriedOver("carry", "slow", "an/earlier/one")


def make_plan(*signals: model.Signal) -> model.Plan:
    """A plan of two cells, of which `broken` fails, and as many gates as the signals name."""
    numbers = sorted({signal.gate for signal in signals})
    gates = tuple(
        model.Gate(n, f"gate {n}", tuple(s.id for s in signals if s.gate == n)) for n in numbers
    )
    return made.plan_of((make_cell("fine"), make_cell("broken")), gates, signals)


PASSES = model.CommandPassed("command", "fine", ("fine",))
FAILS = model.CommandPassed("command", "broken", ("broken",))
PLAN = make_plan(
    make_signal("approved", APPROVAL, PASSES, gate=0),
    make_signal("drilled", EXTERNAL, gate=1),
    make_signal("red", FAILS, gate=2, owner="Core"),
)


def facts_of(plan: model.Plan) -> model.Facts:
    results: list[tuple[str, model.Result]] = [("fine", "passed"), ("broken", "failed")]
    attempts = tuple(model.AttemptFact(n, 1, r, "", 0, made.LATER) for n, r in results)
    return replace(made.facts_of(plan), attempts=attempts)


@dataclass
class Book:
    """A sign-off log being written."""

    plan: model.Plan = PLAN
    data: bytes = b""
    roster: Roster = TRUST
    failures: dict[str, str] = field(default_factory=lambda: {"red": "ff" * 32})
    files: set[str] = field(default_factory=set)
    runners: tuple[str, ...] = ()

    @property
    def facts(self) -> model.Facts:
        return facts_of(self.plan)

    @property
    def decision(self) -> model.Decision:
        return judge.decide(self.plan, self.facts)

    @property
    def decided(self) -> str:
        return chain.sha256(codec.write(self.decision))

    @property
    def log(self) -> signoff.Log:
        return signoff.read_log(self.data)

    def at(self) -> At:
        return signoff.next_at(self.log, self.plan, ROOT)

    def add(self, record: Record, *signers: Person) -> str:
        """Append an entry signed by people; return its digest."""
        payload = signoff.statement_of(record, self.plan, self.decided)
        signatures = tuple(one for person in signers for one in person.envelope(payload))
        line = signoff.line_of(payload, signatures)
        self.data += line
        return chain.sha256(line[:-1])

    def approve(self, person: Person, role: str = "SRE", utc: str = DAY_1, **changes: Any) -> str:
        seen = tuple(
            GateSeen(n, slices.slice_digest(n, self.log.entries, self.plan, self.decision))
            for n in slices.gates_of(role, self.plan)
        )
        pages = tuple(Page(path, digest) for path, digest in PAGES.items())
        plain = signoff.Approval(
            self.at(), person.name, role, utc, self.decided, seen, pages, since=""
        )
        signer = changes.pop("signer", person)
        return self.add(replace(plain, **changes), signer)

    def attach(self, utc: str = DAY_1, **changes: Any) -> str:
        digest = "cd" * 32
        self.files.add(digest)
        plain = signoff.Attachment(
            self.at(), "Ada", "SRE", utc, "drilled", "drill.md", "drill.md", digest, 5
        )
        return self.add(replace(plain, **changes))

    def waive(self, by: Person = BOB, utc: str = DAY_1, **changes: Any) -> str:
        plain = signoff.Waiver(
            *(self.at(), by.name, "Manager", utc, 2, "red", "ff" * 32),
            *(self.plan.subject.digest, BEGIN, DAY_9, "known, mended next week"),
        )
        return self.add(replace(plain, **changes), by)

    def carry(self, by: Person = ADA, utc: str = DAY_1, **changes: Any) -> str:
        plain = signoff.Carry(
            *(self.at(), by.name, "SRE", utc, CARRY.command, CARRY.run, ROOT, "ee" * 32)
        )
        return self.add(replace(plain, **changes), by)

    def withdraw(self, entry: str, person: Person, role: str = "SRE", utc: str = DAY_2) -> str:
        record = signoff.Withdrawal(self.at(), person.name, role, utc, entry, "seen again")
        return self.add(record, person)

    def case(self, as_of: str = DAY_2, **changes: Any) -> weigh.Case:
        plain = weigh.Case(
            plan=self.plan,
            facts=self.facts,
            decision=self.decision,
            decision_sha256=self.decided,
            final_root=ROOT,
            pages=PAGES,
            roster=self.roster,
            as_of=as_of,
            fingerprint=lambda signal: self.failures.get(signal, ""),
            attached=lambda digest: digest if digest in self.files else "",
            carried=lambda record: ("met", f"{record.command} still holds"),
            runners=self.runners,
        )
        return replace(plain, **changes)

    def weighed(self, as_of: str = DAY_2, **changes: Any) -> weigh.Weighed:
        return weigh.weigh(self.log, self.case(as_of, **changes))

    def statuses(self, as_of: str = DAY_2) -> dict[str, str]:
        decision, verdict = weigh.decide(self.case(as_of), self.weighed(as_of))
        return {**{item.id: item.status for item in decision.signals}, "verdict": verdict}


def standings(weighed: weigh.Weighed) -> list[str]:
    return [weight.standing for weight in weighed.weights]
