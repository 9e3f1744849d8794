"""Scan results of others: SARIF 2.1.0.

A scan passes when it ran, found no error that is not suppressed, and says so by a list of results.
No list at all means that nothing was scanned (section 3.14.23), which is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from audit.exchange.ingested import (
    NAME_CHARS_MAX,
    Check,
    Ingested,
    Instant,
    Subject,
    Verdict,
    commit_of,
)
from audit.exchange.reading import Look

_LEVELS = ("error", "warning", "note", "none")
_KINDS = ("fail", "pass", "open", "review", "informational", "notApplicable")


def sarif(log: Look) -> Ingested:
    """Return what a SARIF log says. Raises `Invalid` on another shape or version."""
    version = log.at("version")
    if version.text() != "2.1.0":
        raise version.wrong(
            f"a version that is not read here version=`{version.text():.40}` known=`2.1.0`"
        )
    runs = list(log.at("runs").items())
    scans = [_Scan(run) for run in runs]
    names = sorted({scan.name for scan in scans})
    counts: Counter[str] = Counter(dict.fromkeys((*_LEVELS[:3], "suppressed"), 0))
    for scan in scans:
        counts.update(scan.counts)
    says = _says(scans, counts)
    return Ingested(
        "sarif",
        log.place,
        ", ".join(names)[:NAME_CHARS_MAX],
        says,
        says,
        "none",
        tests=tuple(test for scan in scans for test in scan.tests()),
        times=tuple(time for scan in scans for time in scan.times),
        sources=tuple(source for run in runs for source in _revisions(run)),
        problems=tuple(problem for scan in scans for problem in scan.problems)
        or (() if scans else ("it holds no run",)),
        counts=dict(counts),
    )


def _says(scans: list[_Scan], counts: Counter[str]) -> Verdict:
    if counts["error"]:
        return "failed"
    return "passed" if scans and all(scan.whole for scan in scans) else "unknown"


def _revisions(run: Look) -> Iterator[Subject]:
    """The commits that were scanned (3.14.15); a revision that is no whole id names none."""
    told = run.maybe("versionControlProvenance")
    for place in told.items() if told is not None else ():
        revision = place.maybe("revisionId")
        if revision is not None:
            yield from commit_of(place.at("repositoryUri").text(), revision.text())


class _Rules:
    """The rules of one component of a tool, by index and by id, with the level of each."""

    def __init__(self, component: Look) -> None:
        rules = component.maybe("rules")
        self.listed = list(map(_rule, rules.items() if rules is not None else ()))
        self.levels = dict(self.listed)

    def find(self, index: Look | None, name: Look | None) -> tuple[str, str] | None:
        """Return id and level of a rule, or None where a result names none."""
        if index is not None and index.whole() != -1:
            if not 0 <= index.whole() < len(self.listed):
                raise index.wrong(f"no such rule, there are {len(self.listed)}")
            return self.listed[index.whole()]
        if name is None:
            return None
        text = name.text()
        # `CA1000/1` is rule CA1000, part 1 (section 3.27.5).
        base = text if text in self.levels else text.rpartition("/")[0]
        return (base if base in self.levels else text, self.levels.get(base, "warning"))


class _Scan:
    """One run of a tool: its rules, and the worst that stands of each."""

    def __init__(self, run: Look) -> None:
        tool = run.at("tool")
        self.name = tool.at("driver").at("name").text()
        more = tool.maybe("extensions")
        self.driver = _Rules(tool.at("driver"))
        self.extensions = [_Rules(item) for item in (more.items() if more is not None else ())]
        self.counts: Counter[str] = Counter()
        self.worst: dict[str, tuple[str, str]] = {
            rule: ("none", "")
            for rules in (self.driver, *self.extensions)
            for rule, _ in rules.listed
        }
        self.problems: list[str] = []
        self.times: list[Instant] = []
        self._look_at_invocations(run)
        results = run.maybe("results")
        self.whole = results is not None and not self.problems
        if results is None:
            self.problems.append("it has no list of results, so nothing was scanned")
        for result in results.items() if results is not None else ():
            self._take(result)

    def tests(self) -> Iterator[Check]:
        """Yield a test per rule; only an error fails it."""
        for rule, (level, message) in self.worst.items():
            name = f"{self.name} > {rule}"[:NAME_CHARS_MAX]
            yield Check(name, "failed" if level == "error" else "passed", message)

    def _look_at_invocations(self, run: Look) -> None:
        told = run.maybe("invocations")
        invocations = list(told.items()) if told is not None else []
        failed = [item for item in invocations if not item.at("executionSuccessful").flag()]
        if failed:
            self.problems.append(f"{len(failed)} of {len(invocations)} invocations were no success")
        for invocation in invocations:
            for key, what in (("startTimeUtc", "started"), ("endTimeUtc", "finished")):
                time = invocation.maybe(key)
                if time is not None:
                    self.times.append(Instant(what, time.utc()))

    def _take(self, result: Look) -> None:
        message = result.at("message")
        rule = self._rule(result)
        level = _level(result, rule)
        state = result.maybe("baselineState")
        if level == "none" or (state is not None and state.text() == "absent"):
            return
        if _suppressed(result):
            self.counts["suppressed"] += 1
            return
        self.counts[level] += 1
        name = rule[0] if rule else "without a rule"
        before = self.worst.get(name, ("none", ""))
        if _LEVELS.index(level) < _LEVELS.index(before[0]):
            text = message.maybe("text")
            self.worst[name] = (level, text.text()[:NAME_CHARS_MAX] if text else "")

    def _rule(self, result: Look) -> tuple[str, str] | None:
        """The rule of a result, which lies in the driver unless a component is named."""
        reference = result.maybe("rule")
        component = reference.maybe("toolComponent") if reference is not None else None
        index = component.maybe("index") if component is not None else None
        rules = self.driver
        if index is not None and index.whole() != -1:
            if not 0 <= index.whole() < len(self.extensions):
                raise index.wrong(f"no such component, there are {len(self.extensions)}")
            rules = self.extensions[index.whole()]
        if reference is not None:
            return rules.find(
                reference.maybe("index") or result.maybe("ruleIndex"),
                reference.maybe("id") or result.maybe("ruleId"),
            )
        return rules.find(result.maybe("ruleIndex"), result.maybe("ruleId"))


def _level(result: Look, rule: tuple[str, str] | None) -> str:
    kind, level = result.maybe("kind"), result.maybe("level")
    if kind is not None and kind.word(*_KINDS) in ("pass", "informational", "notApplicable"):
        return "none"
    if level is not None:
        return level.word(*_LEVELS)
    return rule[1] if rule else "warning"


def _rule(rule: Look) -> tuple[str, str]:
    configured = rule.maybe("defaultConfiguration")
    level = configured.maybe("level") if configured is not None else None
    return rule.at("id").text(), level.word(*_LEVELS) if level is not None else "warning"


def _suppressed(result: Look) -> bool:
    """Whether somebody accepted it: one that is under review or rejected counts (3.35.3)."""
    suppressions = result.maybe("suppressions")
    if suppressions is None:
        return False
    statuses: list[Any] = [item.maybe("status") for item in suppressions.items()]
    words = ("accepted", "underReview", "rejected")
    told = ["accepted" if item is None else item.word(*words) for item in statuses]
    return bool(told) and all(word == "accepted" for word in told)
