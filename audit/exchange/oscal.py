"""OSCAL: assessment results, and the plan of action and milestones of what is open.

Each condition is an observation, each signal a finding, each open signal a risk and an item of the
plan of action. A waiver makes its risk `deviation-approved`, with its end as the deadline, and
never makes a finding satisfied. Our words for statuses travel as properties under `NS`.
Source: NIST OSCAL 1.1.2, assessment-results and plan-of-action-and-milestones.
"""

from __future__ import annotations

import re
from typing import Any

from audit.exchange import source as sources
from audit.exchange.source import Observation, Source, phrase
from evidence import chain, codec, layout
from evidence.model import Signal, SignalDecision

VERSION = "1.1.2"
NS = "urn:arco-audit"
"""The namespace of our properties."""
RESULTS, POAM = "assessment-results.json", "poam.json"

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9._-]")


def export(source: Source) -> dict[str, bytes]:
    """Return the assessment results of a run and, where anything is open, its plan of action.

    OSCAL knows no plan of action without items, so that a ready release has none.
    """
    parts = _parts(source)
    files = {RESULTS: sources.as_json({"assessment-results": _results(source, parts)})}
    items = _items(source)
    if items:
        plan: dict[str, Any] = {
            "uuid": source.id("oscal", "poam"),
            "metadata": _metadata(source, "open items"),
        }
        plan |= {"system-id": {"id": phrase(source.plan.audit.id)}}
        plan |= {key: parts[key] for key in ("observations", "risks", "findings") if parts[key]}
        plan |= {"poam-items": items, "back-matter": _back_matter(source)}
        files[POAM] = sources.as_json({"plan-of-action-and-milestones": plan})
    return files


def _results(source: Source, parts: dict[str, list[Any]]) -> dict[str, Any]:
    decision = source.decision
    blockers = [_prop("blocker", text) for text in decision.blockers]
    result = {
        "uuid": source.id("oscal", "result"),
        "title": phrase(source.plan.audit.title),
        "description": phrase(source.plan.audit.scope),
        "start": source.run.start_utc,
        "end": source.run.end_utc,
        "props": [
            _prop("verdict", decision.verdict),
            *(_prop(*item) for item in source.told_signed_off("verdict-with-sign-off").items()),
            _prop("decided-as-of", decision.as_of),
            *blockers,
        ],
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
    }
    return {
        "uuid": source.id("oscal", "results"),
        "metadata": _metadata(source, "assessment results"),
        "import-ap": {"href": f"#{source.id('oscal', 'plan')}"},
        "results": [result | {key: value for key, value in parts.items() if value}],
        "back-matter": _back_matter(source),
    }


def _metadata(source: Source, what: str) -> dict[str, Any]:
    plan = source.plan
    told = {
        "run": plan.label,
        "commit": plan.subject.commit,
        "plan-root": source.run.plan_root,
        "final-root": source.final_root,
    }
    return {
        "title": phrase(f"{plan.audit.title}: {what}"),
        "last-modified": source.run.end_utc,
        "version": phrase(f"{plan.audit.id}/{plan.label}"),
        "oscal-version": VERSION,
        "props": [_prop(name, value) for name, value in told.items() if value],
    }


def _back_matter(source: Source) -> dict[str, Any]:
    """The plan of the run, which takes the part of OSCAL's assessment plan."""
    digest = chain.sha256(codec.write(source.plan))
    link = {"href": layout.PLAN, "media-type": "application/json"}
    hashes = [{"algorithm": "SHA-256", "value": digest}]
    title = "the plan of the run, in its bundle"
    resource = {"uuid": source.id("oscal", "plan"), "title": title}
    return {"resources": [resource | {"rlinks": [link | {"hashes": hashes}]}]}


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NS, "value": phrase(value)}


# --- observations, findings, risks ----------------------------------------------------------------


def _parts(source: Source) -> dict[str, list[Any]]:
    seen = list(sources.observations(source))
    open_ = [pair for pair in source.signals if pair[1].status != "GO"]
    return {
        "observations": [_observation(source, item) for item in seen],
        "risks": [_risk(source, *pair) for pair in open_],
        "findings": [_finding(source, *pair) for pair in source.signals],
    }


def _observation(source: Source, seen: Observation) -> dict[str, Any]:
    value: dict[str, Any] = {
        "uuid": _observation_id(source, seen.signal, seen.number),
        "title": phrase(seen.asked),
        "description": phrase(seen.decided.reason),
        "props": [_prop("answer", seen.decided.answer)],
        "methods": ["TEST" if seen.tested else "EXAMINE"],
    }
    if seen.logs:
        value["relevant-evidence"] = [
            {"href": sources.uri(log), "description": "what the command printed"}
            for log in seen.logs
        ]
    value["collected"] = seen.collected_utc
    return value | ({"expires": seen.expires_utc} if seen.expires_utc else {})


def _observation_id(source: Source, signal: str, number: int) -> str:
    return source.id("oscal", "observation", signal, str(number))


def _related(source: Source, signal: Signal) -> dict[str, Any]:
    ids = [_observation_id(source, signal.id, n) for n in range(len(signal.conditions))]
    related = [{"observation-uuid": name} for name in ids]
    return {"related-observations": related} if related else {}


def _finding(source: Source, signal: Signal, decided: SignalDecision) -> dict[str, Any]:
    satisfied = decided.status == "GO"
    status = {"state": "satisfied" if satisfied else "not-satisfied"}
    value: dict[str, Any] = {
        "uuid": source.id("oscal", "finding", signal.id),
        "title": phrase(f"{signal.id} {signal.title}"),
        "description": phrase(decided.reason),
        "props": [
            _prop("signal", signal.id),
            _prop("status", decided.status),
            _prop("gate", str(signal.gate)),
            _prop("owner", signal.owner),
        ],
        "target": {
            "type": "objective-id",
            "target-id": _token(signal.id),
            "description": phrase(signal.exit_test),
            "status": status | {"reason": "pass" if satisfied else "fail"},
        },
    } | _related(source, signal)
    if not satisfied:
        value["related-risks"] = [{"risk-uuid": source.id("oscal", "risk", signal.id)}]
    return value


def _risk(source: Source, signal: Signal, decided: SignalDecision) -> dict[str, Any]:
    waiver = source.waiver(signal.id)
    value: dict[str, Any] = {
        "uuid": source.id("oscal", "risk", signal.id),
        "title": phrase(f"{signal.id} is open"),
        "description": phrase(decided.reason),
        "statement": phrase(f"not shown: {signal.exit_test}"),
        "props": [_prop("signal", signal.id), _prop("status", decided.status)],
        "status": "deviation-approved" if waiver else "open",
    }
    if waiver:
        value["props"] += [_prop("waived-by", waiver.person), _prop("waiver-reason", waiver.reason)]
        value["deadline"] = waiver.until_utc
    return value | _related(source, signal)


def _token(text: str) -> str:
    """A signal's id as an OSCAL token, which begins with a letter or an underscore."""
    token = _NOT_TOKEN.sub("_", text)
    return token if token[:1].isalpha() else f"_{token}"


# --- the plan of action ---------------------------------------------------------------------------


def _items(source: Source) -> list[dict[str, Any]]:
    items = [_item(source, *pair) for pair in source.signals if pair[1].status != "GO"]
    for number, text in enumerate(sources.not_of_gates(source.decision)):
        title = "the release is blocked beside its signals"
        item = {"uuid": source.id("oscal", "blocker", str(number)), "title": title}
        items.append(item | {"description": phrase(text)})
    if not items and source.decision.verdict != "GO":
        item = {"uuid": source.id("oscal", "blocker"), "title": "the release is not ready"}
        items.append(item | {"description": phrase("; ".join(source.decision.blockers))})
    return items


def _item(source: Source, signal: Signal, decided: SignalDecision) -> dict[str, Any]:
    return {
        "uuid": source.id("oscal", "item", signal.id),
        "title": phrase(f"{signal.id} {signal.title}"),
        "description": phrase(decided.next_step or decided.reason),
        "props": [_prop("signal", signal.id), _prop("owner", signal.owner)],
        "related-findings": [{"finding-uuid": source.id("oscal", "finding", signal.id)}],
        "related-risks": [{"risk-uuid": source.id("oscal", "risk", signal.id)}],
    }
