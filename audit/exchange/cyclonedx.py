"""CycloneDX 1.6 attestations: the audit as a standard, its signals as claims, with their evidence.

A requirement per gate and per signal; a claim per GO signal, a counter-claim per open one; the
evidence of each condition with the instant at which it gets too old. Conformance is 1 or 0: nothing
here is half true, and there is no confidence, which would be a number without a meaning.
Source: CycloneDX 1.6 (ECMA-424), `declarations` and `definitions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.exchange import source as sources
from audit.exchange.source import Observation, Source, line
from evidence.model import Gate, Signal, SignalDecision

ASSESSOR, SUBJECT, STANDARD = "assessor", "subject", "standard"


def export(source: Source) -> dict[str, bytes]:
    """Return the CycloneDX document of a run, by name."""
    plan = source.plan
    tool = {"type": "application", "name": sources.TOOL, "version": line(plan.tool.version)}
    value = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{source.id('cyclonedx')}",
        "version": 1,
        "metadata": {
            "timestamp": source.run.end_utc,
            "tools": {"components": [tool]},
            "component": _subject(source),
            "properties": _properties(
                {
                    "verdict": source.decision.verdict,
                    **source.told_signed_off("verdict-with-sign-off"),
                    "run": plan.label,
                    "plan-root": source.run.plan_root,
                    "final-root": source.final_root,
                }
            ),
        },
        "declarations": _declarations(source),
        "definitions": {"standards": [_standard(source)]},
    }
    return {"attestations.cdx.json": sources.as_json(value)}


def _properties(told: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": f"arco-audit:{key}", "value": line(text)} for key, text in told.items()]


def _subject(source: Source) -> dict[str, Any]:
    subject = source.plan.subject
    told = {"tree": subject.tree, "digest": subject.digest, "dirty": str(len(subject.dirty))}
    return {
        "bom-ref": SUBJECT,
        "type": "application",
        "name": line(source.plan.audit.title) or "subject",
        "version": subject.commit,
        "properties": _properties(told),
    }


def _standard(source: Source) -> dict[str, Any]:
    audit = source.plan.audit
    requirements: list[dict[str, Any]] = [
        {"bom-ref": f"gate/{gate.id}", "identifier": f"gate-{gate.id}", "title": line(gate.name)}
        for gate in source.plan.gates
    ]
    requirements += [
        {
            "bom-ref": _requirement(signal),
            "identifier": line(signal.id),
            "title": line(signal.title),
            "text": line(signal.exit_test),
            "parent": f"gate/{signal.gate}",
            "properties": _properties({"owner": signal.owner}),
        }
        for signal in source.plan.signals
    ]
    return {
        "bom-ref": STANDARD,
        "name": line(audit.title),
        "version": line(audit.id),
        "description": line(audit.scope),
        "requirements": requirements,
    }


def _declarations(source: Source) -> dict[str, Any]:
    seen: dict[str, list[Observation]] = {}
    for item in sources.observations(source):
        seen.setdefault(item.signal, []).append(item)
    by_id = {signal.id: (signal, decided) for signal, decided in source.signals}
    return {
        "assessors": [
            {"bom-ref": ASSESSOR, "thirdParty": False, "organization": {"name": sources.TOOL}}
        ],
        "attestations": [_attestation(source, gate, by_id) for gate in source.plan.gates],
        "claims": [_claim(*pair, seen.get(pair[0].id, ())) for pair in source.signals],
        "evidence": [_evidence(item) for items in seen.values() for item in items],
        "targets": {"components": [_subject(source) | {"bom-ref": f"{SUBJECT}/target"}]},
    }


def _attestation(
    source: Source, gate: Gate, by_id: dict[str, tuple[Signal, SignalDecision]]
) -> dict[str, Any]:
    decided = next(item for item in source.decision.gates if item.id == gate.id)
    whole = {
        "requirement": f"gate/{gate.id}",
        "conformance": _score(decided.status, decided.reason),
    }
    known = [by_id[name] for name in gate.signals if name in by_id]
    return {
        "summary": line(f"gate {gate.id} {gate.name}: {decided.status}, {decided.reason}"),
        "assessor": ASSESSOR,
        "map": [whole, *(_mapped(source, *pair) for pair in known)],
    }


def _mapped(source: Source, signal: Signal, decided: SignalDecision) -> dict[str, Any]:
    rationale = decided.reason
    waiver = source.waiver(signal.id)
    if waiver and decided.status != "GO":
        rationale += f"; waived by {waiver.person} until {waiver.until_utc}: {waiver.reason}"
    side = "claims" if decided.status == "GO" else "counterClaims"
    return {
        "requirement": _requirement(signal),
        side: [_claim_ref(signal)],
        "conformance": _score(decided.status, rationale),
    }


def _score(status: str, rationale: str) -> dict[str, Any]:
    return {"score": 1 if status == "GO" else 0, "rationale": line(f"{status}: {rationale}")}


def _claim(signal: Signal, decided: SignalDecision, seen: Iterable[Observation]) -> dict[str, Any]:
    shown = decided.status == "GO"
    met = [_evidence_ref(item) for item in seen if item.decided.answer == "met"]
    unmet = [_evidence_ref(item) for item in seen if item.decided.answer != "met"]
    value: dict[str, Any] = {
        "bom-ref": _claim_ref(signal),
        "target": f"{SUBJECT}/target",
        "predicate": line(signal.exit_test if shown else f"not shown: {signal.exit_test}"),
        "reasoning": line(decided.reason),
    }
    # What speaks for an open signal speaks against the counter-claim that it is open.
    for_it, against = (met, unmet) if shown else (unmet, met)
    value |= {"evidence": for_it} if for_it else {}
    return value | ({"counterEvidence": against} if against else {})


def _evidence(seen: Observation) -> dict[str, Any]:
    value: dict[str, Any] = {
        "bom-ref": _evidence_ref(seen),
        "propertyName": f"arco-audit:{seen.decided.answer}",
        "description": line(f"{seen.asked}: {seen.decided.reason}"),
        "created": seen.collected_utc,
    }
    if seen.logs:
        value["data"] = [
            {"name": line(log), "contents": {"url": sources.uri(log)}} for log in seen.logs
        ]
    return value | ({"expires": seen.expires_utc} if seen.expires_utc else {})


def _requirement(signal: Signal) -> str:
    return f"signal/{line(signal.id)}"


def _claim_ref(signal: Signal) -> str:
    return f"claim/{line(signal.id)}"


def _evidence_ref(seen: Observation) -> str:
    return f"evidence/{line(seen.signal)}/{seen.number}"
