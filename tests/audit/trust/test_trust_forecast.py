"""Every flip is told, at its millisecond, and nothing else: against brute force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from audit.trust import forecast
from audit.trust.forecast import Flip, State
from evidence import model, signoff
from evidence.instant import milliseconds, utc_of
from evidence.slices import SKEW_MS
from tests.evidence import conftest as made
from tests.evidence import sign_kit as kit
from tests.evidence.sign_kit import ADA, BOB, DAY_1, DAY_2, DAY_9, Book
from tests.examples import share
from tests.records import make_signal

BASE_MS = milliseconds(DAY_1)
SPAN_MS = 12
END_MS = BASE_MS + 2 * (SPAN_MS + SKEW_MS)


def book_of(ages_ms: tuple[int, int], ended_ms: tuple[int, int]) -> Book:
    """A plan whose evidence ages, and whose cells ended at these instants."""
    fine, broken = (
        model.CommandPassed("command", name, (name,), BASE_MS - milliseconds(kit.BEGIN) + age)
        for name, age in zip(("fine", "broken"), ages_ms, strict=True)
    )
    plan = kit.make_plan(
        make_signal("approved", kit.APPROVAL, fine, gate=0),
        make_signal("drilled", kit.EXTERNAL, gate=1),
        make_signal("red", broken, gate=2, owner="Core"),
    )
    return Book(plan=plan)


def facts_of(book: Book, ended_ms: tuple[int, int]) -> model.Facts:
    begin = milliseconds(kit.BEGIN)
    attempts = tuple(
        replace(fact, end_utc=utc_of(begin + ended))
        for fact, ended in zip(book.facts.attempts, ended_ms, strict=True)
    )
    return replace(book.facts, attempts=attempts)


def decider(book: Book, facts: model.Facts) -> forecast.Decide:
    def case_at(utc: str) -> object:
        return book.case(utc, facts=facts, check=lambda *_: True)

    return forecast.with_people(book.log, case_at)  # type: ignore[arg-type]  # a Case


def words(state: State) -> dict[tuple[forecast.Noun, str], str]:
    return {key: status for key, (status, _) in state.words()}


small = st.integers(0, SPAN_MS)
Act = Callable[[Book], object]


@st.composite
def acts(draw: st.DrawFn) -> Act:
    """An entry whose every time lies in the same few milliseconds."""
    one, other, third = (utc_of(BASE_MS + draw(small)) for _ in range(3))
    late = utc_of(milliseconds(one) + SKEW_MS)
    utc = draw(st.sampled_from((one, late, DAY_1)))
    kind = draw(st.sampled_from(("approve", "attach", "waive", "withdraw")))
    ends = draw(st.sampled_from((None, other)))
    if kind == "approve":
        person = draw(st.sampled_from((ADA, BOB)))
        return lambda book: book.approve(person, utc=utc, expires_utc=ends)
    if kind == "attach":
        return lambda book: book.attach(utc=utc, expires_utc=ends, review_utc=third)
    if kind == "waive":
        return lambda book: book.waive(utc=utc, from_utc=other, until_utc=third)
    number = draw(st.integers(0, 3))

    def withdraw(book: Book) -> None:
        if number < book.log.size:
            book.withdraw(book.log.entries[number].digest, BOB, utc=utc)

    return withdraw


@settings(share(40), phases=(Phase.explicit, Phase.generate))
@given(
    st.tuples(small, small),
    st.tuples(small, small),
    st.lists(acts(), max_size=4),
    st.lists(st.integers(0, 2 * SKEW_MS + SPAN_MS), max_size=10),
)
def test_brute_force_finds_no_other_flip(
    ages: tuple[int, int], ended: tuple[int, int], entries: list[Act], samples: list[int]
) -> None:
    """Every millisecond around all times, and random instants far from them."""
    book = book_of(ages, ended)
    for act in entries:
        act(book)
    facts = facts_of(book, ended)
    decide = decider(book, facts)
    start = BASE_MS - SKEW_MS - 2
    candidates = forecast.instants(book.plan, facts, book.log)
    flips = forecast.forecast(decide, candidates, start, END_MS)
    near = {
        centre + step
        for centre in (BASE_MS - SKEW_MS, BASE_MS, BASE_MS + SKEW_MS)
        for step in range(-2, 2 * SPAN_MS + 3)
    }
    every = sorted({*near, *(start + 1 + sample for sample in samples)} - {start})
    left = list(flips)
    told = words(decide(utc_of(start)))
    for at_ms in every:
        while left and milliseconds(left[0].at_utc) <= at_ms:
            flip = left.pop(0)
            assert told[flip.noun, flip.name] == flip.before != flip.after
            told[flip.noun, flip.name] = flip.after
        assert told == words(decide(utc_of(at_ms))), utc_of(at_ms)


def flips_of(book: Book, begins: str = kit.BEGIN) -> list[Flip]:
    decide = forecast.with_people(book.log, book.case)
    found = forecast.instants(book.plan, book.facts, book.log)
    return list(forecast.forecast(decide, found, milliseconds(begins), forecast.LATEST_MS))


def test_a_waiver_begins_and_ends_half_open() -> None:
    book = Book(plan=kit.make_plan(make_signal("red", kit.FAILS, gate=2, owner="Core")))
    book.waive(from_utc=DAY_2, until_utc=DAY_9)
    flips = [flip for flip in flips_of(book, DAY_1) if flip.noun == "verdict"]
    assert [(flip.at_utc, flip.before, flip.after) for flip in flips] == [
        (DAY_2, "NO-GO", "GO-WITH-WAIVERS"),
        (DAY_9, "GO-WITH-WAIVERS", "NO-GO"),
    ]
    assert "it ended at" in flips[1].why


def test_evidence_grows_old_without_anybody() -> None:
    aged = model.CommandPassed("command", "fine", ("fine",), 3_600_000)
    plan = kit.make_plan(make_signal("tested", aged))
    facts = kit.facts_of(plan)
    found = forecast.instants(plan, facts)
    begin = milliseconds(made.LATER)
    decide = forecast.without_people(plan, facts)
    flips = forecast.forecast(decide, found, begin, forecast.LATEST_MS)
    assert {flip.noun for flip in flips} == {"gate", "signal"}
    assert {flip.at_utc for flip in flips} == {"2026-12-01T11:00:05Z"}
    assert all("too old" in flip.why for flip in flips if flip.noun == "signal")
    assert forecast.forecast(decide, found, begin, begin + 1) == ()


def test_keys_flip_nothing() -> None:
    gone = replace(kit.TRUST, key=(ADA.key("SRE", valid_until=DAY_2),))
    book = Book(roster=gone)
    book.approve(ADA)
    assert {flip.at_utc for flip in flips_of(book, DAY_1)} == set()


def test_what_is_no_time_flips_nothing() -> None:
    book = Book()
    book.approve(ADA, signed_utc="soon", expires_utc="9999-12-31T23:59:59Z")
    plain = signoff.Attachment(book.at(), "", "", "?", "drilled", "x", "x", "", 0, "", "", "y")
    book.add(plain)
    assert all(flip.at_utc < DAY_2 for flip in flips_of(book))
