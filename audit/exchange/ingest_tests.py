"""Test results of others: JUnit XML and CTRF reports.

Bytes or a cursor in, `Ingested` out. No test at all, or none that ran, is unknown and never passed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from audit import results
from audit.exchange.ingested import (
    NAME_CHARS_MAX,
    Check,
    Ingested,
    Instant,
    Subject,
    Verdict,
    commit_of,
)
from audit.exchange.reading import Look, refused
from evidence.model import Outcome

_CTRF: Mapping[str, Outcome] = {
    "passed": "passed",
    "failed": "failed",
    "skipped": "skipped",
    "pending": "skipped",
    "other": "error",
}
_VERSION = re.compile(r"([0-9]{1,9})\.[0-9]{1,9}\.[0-9]{1,9}")
_MAJORS = ("0", "1")
"""Major versions of CTRF that are read: what is looked at here is the same in both."""
_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def junit(data: bytes, place: str) -> Ingested:
    """Return what a JUnit file says. Raises `Invalid` when it is none or is cut off."""
    try:
        found = results.junit(data)
    except ValueError as error:
        # Beside `BrokenError` what Python itself says of an encoding that expat cannot take.
        raise refused(str(error), place) from error
    tests = tuple(Check(test.key, test.outcome, "", test.retried) for test in found)
    says = verdict_of(tests)
    return Ingested(
        "junit", place, "", says, says, "none", tests=tests, problems=tuple(_run_again(tests))
    )


def ctrf(report: Look) -> Ingested:
    """Return what a CTRF report says. Raises `Invalid` on another shape or major version.

    Counts that do not fit the tests make it unknown: something of it is not there.
    """
    _supported(report)
    body = report.at("results")
    summary = body.at("summary")
    tests = tuple(_test(test) for test in body.at("tests").items())
    miscounted = _miscounted(summary, body)
    says = verdict_of(tests)
    if summary.at("failed").count():
        says = "failed"
    elif says == "passed" and miscounted:
        says = "unknown"
    return Ingested(
        "ctrf",
        report.place,
        body.at("tool").at("name").text(),
        says,
        says,
        "none",
        tests=tests,
        sources=tuple(_commit(body)),
        times=tuple(_instants(summary)),
        problems=(*miscounted, *_run_again(tests)),
    )


def _commit(body: Look) -> Iterator[Subject]:
    environment = body.maybe("environment")
    commit = environment.maybe("commit") if environment is not None else None
    if commit is not None:
        yield from commit_of("", commit.text())


def _run_again(tests: Sequence[Check]) -> list[str]:
    return [f"passed only when run again test=`{test.name:.200}`" for test in tests if test.retried]


def verdict_of(tests: Sequence[Check]) -> Verdict:
    """Return what tests amount to: one that failed fails all; none that passed is unknown."""
    outcomes = {test.outcome for test in tests}
    if outcomes & {"failed", "error"}:
        return "failed"
    return "passed" if "passed" in outcomes else "unknown"


def _supported(report: Look) -> None:
    version = report.maybe("specVersion")
    if version is None:
        return
    text = version.text()
    found = _VERSION.fullmatch(text)
    if not found or found[1] not in _MAJORS:
        known = ", ".join(f"{major}.x" for major in _MAJORS)
        raise version.wrong(f"a version that is not read here version=`{text:.40}` known=`{known}`")


def _test(test: Look) -> Check:
    status = test.at("status").word(*_CTRF)
    message, flaky = test.maybe("message"), test.maybe("flaky")
    name = test.at("name").text()
    suite = test.maybe("suite")
    # Older reports have the suite as one string.
    parts = [] if suite is None else _suite(suite)
    return Check(
        " > ".join([*parts, name])[:NAME_CHARS_MAX],
        _CTRF[status],
        message.text()[:NAME_CHARS_MAX] if message is not None else "",
        flaky is not None and flaky.flag() and status == "passed",
    )


def _suite(suite: Look) -> list[str]:
    return [suite.text()] if isinstance(suite.value, str) else [s.text() for s in suite.items()]


def _miscounted(summary: Look, body: Look) -> list[str]:
    statuses = Counter(test.at("status").text() for test in body.at("tests").items())
    told = {name: summary.at(name).count() for name in ("tests", *_CTRF)}
    counted = {"tests": statuses.total(), **{name: statuses[name] for name in _CTRF}}
    return [
        f"its summary counts {told[name]} {name}, its tests are {counted[name]}"
        for name in told
        if told[name] != counted[name]
    ]


def _instants(summary: Look) -> list[Instant]:
    from datetime import UTC, datetime, timedelta

    found = []
    for key, what in (("start", "started"), ("stop", "finished")):
        member = summary.at(key)
        ms = member.count()
        if ms > _MS_MAX:
            raise member.wrong("no time that a calendar has")
        if ms:
            time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
            found.append(Instant(what, time.strftime("%Y-%m-%dT%H:%M:%SZ")))
    return found
