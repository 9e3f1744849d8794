"""Statements of others: read in every wrapping, worth nothing before their signature is checked."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from audit.errors import Invalid
from audit.exchange import signers
from audit.exchange.ingest import as_metrics, ingest
from audit.exchange.ingested import Expected, Ingested, Verify
from audit.trust import intoto
from evidence import dsse
from tests.audit.exchange.exchange_kit import envelope, statement
from tests.evidence.sign_kit import ADA, BOB, EVE, TRUST

COMMIT = "cd" * 20
WHEEL = "aa" * 32
PROVENANCE = "https://slsa.dev/provenance/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
TESTS = "https://in-toto.io/attestation/test-result/v0.1"
LINK = "https://in-toto.io/attestation/link/v0.3"
PUBLISH = "https://docs.pypi.org/attestations/publish/v1"
NOW = "2026-12-01T10:00:00Z"


def read(value: Any, *, verify: Verify | None = None, **expected: Any) -> list[Ingested]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return list(ingest(data, "x.json", Expected(**expected), verify))


def one(value: Any, **more: Any) -> Ingested:
    (found,) = read(value, **more)
    return found


def refusal(value: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read(value)
    assert caught.value.place.startswith("x.json")
    return caught.value


def provenance(**changes: Any) -> dict[str, Any]:
    dependency = {"uri": "git+https://example.com/x", "digest": {"gitCommit": COMMIT}}
    predicate = {
        "buildDefinition": {
            "buildType": "https://example.com/build/v1",
            "externalParameters": {},
            "resolvedDependencies": [dependency],
        },
        "runDetails": {
            "builder": {"id": "https://example.com/builder"},
            "metadata": {"startedOn": NOW, "finishedOn": "2026-12-01T11:00:00+01:00"},
        },
    }
    return statement(PROVENANCE, {**predicate, **changes})


def summary(result: str = "PASSED", **changes: Any) -> dict[str, Any]:
    predicate = {
        "verifier": {"id": "https://example.com/verifier"},
        "timeVerified": NOW,
        "resourceUri": "pkg:pypi/a@1",
        "policy": {"uri": "https://example.com/policy"},
        "verificationResult": result,
        "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
    }
    return statement(SUMMARY, {**predicate, **changes})


def outcome_of_tests(result: str = "PASSED", **changes: Any) -> dict[str, Any]:
    return statement(TESTS, {"result": result, "configuration": [], **changes})


def link(**changes: Any) -> dict[str, Any]:
    plain = {
        "_type": "link",
        "name": "build",
        "materials": {"a.c": {"sha256": "bb" * 32}},
        "products": {"a.o": {"sha256": WHEEL}},
        "byproducts": {"return-value": 0},
        "environment": {},
        "command": ["cc"],
    }
    return {**plain, **changes}


def signed_by_ada(_: dsse.Envelope) -> str:
    return "Ada"


# --- what is said ---------------------------------------------------------------------------------

SAID: list[tuple[dict[str, Any], str, str, str]] = [
    (provenance(), "slsa provenance", "https://example.com/builder", "passed"),
    (summary(), "vsa", "https://example.com/verifier", "passed"),
    (summary("FAILED"), "vsa", "https://example.com/verifier", "failed"),
    (outcome_of_tests(), "test result", "", "passed"),
    (outcome_of_tests("WARNED", warnedTests=["w"]), "test result", "", "passed"),
    (outcome_of_tests("FAILED"), "test result", "", "failed"),
    (outcome_of_tests(failedTests=["f"]), "test result", "", "failed"),
    (link(), "in-toto link", "build", "passed"),
    (link(byproducts={"return-value": 3}), "in-toto link", "build", "failed"),
    (link(byproducts={}), "in-toto link", "build", "unknown"),
    (
        statement(LINK, {"name": "build", "byproducts": {"return-value": 0}}),
        "in-toto link",
        "build",
        "passed",
    ),
    (statement(PUBLISH, None), "pep740", "", "passed"),
    (statement("https://example.com/own/v1", {}), "in-toto statement", "", "unknown"),
]


@pytest.mark.parametrize(("value", "kind", "producer", "says"), SAID)
def test_what_is_said_is_believed_only_when_it_is_signed(
    value: dict[str, Any], kind: str, producer: str, says: str
) -> None:
    wrapped = envelope(value, "k")
    bare, unchecked = one(value), one(wrapped)
    checked = one(wrapped, verify=signed_by_ada)
    for found in (bare, unchecked, checked):
        assert (found.kind, found.producer, found.says) == (kind, producer, says)
    assert checked.outcome == says
    assert (checked.signature, checked.signer) == ("verified", "Ada")
    held_back = "unknown" if says == "passed" else says
    assert (unchecked.outcome, unchecked.signature) == (held_back, "not checked")
    assert (bare.outcome, bare.signature) == (held_back, "missing")


def test_a_level_that_a_verifier_denies_says_why() -> None:
    assert {(test.outcome, test.message) for test in one(summary("FAILED")).tests} == {
        ("failed", "FAILED")
    }


def test_a_refused_signature_fails_whatever_is_said() -> None:
    def refuse(_: dsse.Envelope) -> str:
        raise Invalid("nobody who is trusted")

    found = one(envelope(summary(), "k"), verify=refuse)
    assert (found.outcome, found.signature) == ("failed", "refused")
    assert found.problems == ("signature refused: nobody who is trusted",)


def test_an_envelope_without_signatures_is_not_signed() -> None:
    found = one(envelope(summary()), verify=signed_by_ada)
    assert (found.outcome, found.signature) == ("unknown", "missing")


def test_the_verifier_sees_the_exact_payload() -> None:
    payload = json.dumps(summary(), indent=3).encode()
    seen: list[dsse.Envelope] = []

    def look(signed: dsse.Envelope) -> str:
        seen.append(signed)
        return "x"

    one(envelope(payload, "k"), verify=look)
    assert (seen[0].payload, seen[0].signatures[0].keyid) == (payload, "k")


# --- keys -----------------------------------------------------------------------------------------


def really_signed(value: Any, *people: Any) -> bytes:
    payload = json.dumps(value).encode()
    signatures = tuple(one for person in people for one in person.envelope(payload))
    return dsse.write(dsse.Envelope(dsse.PAYLOAD_TYPE, payload, signatures))


def trusting(role: str, utc: str = NOW) -> Verify:
    return signers.verifier(TRUST, role, utc)


def test_a_key_that_holds_the_role_counts() -> None:
    found = one(really_signed(summary(), ADA), verify=trusting("SRE"))
    assert (found.outcome, found.signature, found.signer) == ("passed", "verified", "Ada")


@pytest.mark.parametrize(
    ("person", "role", "utc", "why"),
    [
        (EVE, "SRE", NOW, "not in the trust file"),
        (ADA, "Manager", NOW, "does not hold the role"),
        (ADA, "SRE", "2025-01-01T00:00:00Z", "valid only from"),
    ],
)
def test_any_other_key_is_refused(person: Any, role: str, utc: str, why: str) -> None:
    found = one(really_signed(summary(), person), verify=trusting(role, utc))
    assert (found.outcome, found.signature) == ("failed", "refused")
    assert why in found.problems[0]


def test_a_changed_payload_is_refused() -> None:
    value = json.loads(really_signed(summary("FAILED"), ADA))
    value["payload"] = base64.b64encode(json.dumps(summary()).encode()).decode()
    found = one(value, verify=trusting("SRE"))
    assert (found.says, found.outcome, found.signature) == ("passed", "failed", "refused")


def test_a_signature_without_a_key_id_stays_unchecked() -> None:
    found = one(envelope(summary(), ""), verify=trusting("SRE"))
    assert (found.outcome, found.signature) == ("unknown", "not checked")


def test_one_who_is_trusted_is_enough_beside_one_who_is_not() -> None:
    found = one(really_signed(summary(), EVE, BOB), verify=trusting("SRE"))
    assert (found.signature, found.signer) == ("verified", "Bob")


def test_too_many_signatures_are_refused_before_any_is_checked() -> None:
    found = one(envelope(summary(), *["k"] * (dsse.SIGNATURES_MAX + 1)), verify=trusting("SRE"))
    assert found.signature == "refused"


# --- wrappings ------------------------------------------------------------------------------------


def metablock(value: dict[str, Any], *sigs: str) -> dict[str, Any]:
    return {"signed": value, "signatures": [{"keyid": "k", "sig": sig} for sig in sigs]}


def publish(**changes: Any) -> dict[str, Any]:
    body = json.dumps(statement(PUBLISH, None)).encode()
    signed = {"statement": base64.b64encode(body).decode(), "signature": "AAAA"}
    return {
        "version": 1,
        "verification_material": {"certificate": "x"},
        "envelope": signed,
    } | changes


def test_a_metablock_is_a_link_with_signatures_that_are_not_checked() -> None:
    found = one(metablock(link(), "ab"), verify=signed_by_ada)
    assert (found.kind, found.says, found.outcome) == ("in-toto link", "passed", "unknown")
    assert "only those of an envelope are" in found.problems[0]
    assert one(metablock(link())).signature == "missing"


def test_lines_are_documents() -> None:
    data = b"\n".join([envelope(provenance(), "k"), b"", envelope(summary(), "k")]) + b"\n"
    found = read(data)
    assert [(item.kind, item.place) for item in found] == [
        ("slsa provenance", "x.json:1"),
        ("vsa", "x.json:2"),
    ]
    assert one(envelope(summary(), "k") + b"\n").place == "x.json"


def test_a_line_that_was_cut_off_is_no_shorter_file() -> None:
    data = b"\n".join([envelope(provenance(), "k"), envelope(summary(), "k")])
    refusal(data[:-20])


def test_a_sigstore_bundle_holds_an_envelope() -> None:
    media = "application/vnd.dev.sigstore.bundle.v0.3+json"
    inner = json.loads(envelope(provenance(), ""))
    assert one({"mediaType": media, "dsseEnvelope": inner}).kind == "slsa provenance"
    refusal({"mediaType": "text/plain", "dsseEnvelope": inner})
    refusal({"dsseEnvelope": inner})


def test_attestations_of_an_index() -> None:
    assert (one(publish()).kind, one(publish()).outcome) == ("pep740", "unknown")
    publisher = {"kind": "GitHub", "repository": "x/y"}
    bundle = {"publisher": publisher, "attestations": [publish(), publish()]}
    found = read({"version": 1, "attestation_bundles": [bundle]})
    assert [item.kind for item in found] == ["pep740", "pep740"]
    # No signature covers who is named beside the attestations.
    told = read({"version": 1, "attestation_bundles": [bundle]}, producer="GitHub x/y")
    assert not any(item.flags["producer_matches"] for item in told)
    refusal({"version": 1, "attestation_bundles": [{**bundle, "publisher": {}}]})


@pytest.mark.parametrize(
    "value",
    [
        publish(version=2),
        publish(version="1"),
        publish(envelope={}),
        publish(envelope={"statement": "!!", "signature": "AAAA"}),
        {"version": 1, "attestation_bundles": []},
        {"version": 1, "attestation_bundles": {}},
        metablock(link(), "not hex"),
        metablock({"_type": "layout"}, "ab"),
        {"_type": "https://in-toto.io/Statement/v2"},
        {"_type": 7},
        {**statement(PROVENANCE, {}), "subject": []},
        {**summary(), "subject": [{"digest": {"sha256": "zz"}}]},
        statement("https://slsa.dev/provenance/v0.2", {}),
        statement("https://slsa.dev/verification_summary/v0.2", {}),
        statement("https://in-toto.io/attestation/link/v9", {}),
        statement(TESTS, {"result": "PASSED"}),
        outcome_of_tests("passed"),
        provenance(runDetails={}),
        provenance(buildDefinition=[]),
        summary("MAYBE"),
        summary(timeVerified=None),
        summary(timeVerified="yesterday"),
        summary(timeVerified="2026-13-01T00:00:00Z"),
        summary(policy={}),
        summary(verifier={}),
        summary(verifiedLevels=None),
        link(name=None),
        link(byproducts={"return-value": "0"}),
        link(byproducts={"return-value": True}),
        link(products={"a": {"sha256": ["aa"]}}),
        envelope(b"", "k"),
        envelope(b"[]", "k"),
        envelope(b"{", "k"),
        envelope(b'{"a": 1, "a": 2}', "k"),
        envelope(summary(), "k", kind="text/plain"),
        {"payloadType": dsse.PAYLOAD_TYPE, "payload": "e30", "signatures": {}},
        {"payloadType": dsse.PAYLOAD_TYPE, "signatures": []},
        {"payloadType": dsse.PAYLOAD_TYPE, "payload": "*", "signatures": []},
    ],
)
def test_another_shape_or_version_is_refused(value: Any) -> None:
    refusal(value)


def test_unknown_fields_are_ignored() -> None:
    value = {**provenance(extension={"deep": [{}]}), "x": 1}
    assert one(value).kind == "slsa provenance"


# --- what it is about -----------------------------------------------------------------------------


def test_the_commit_is_the_subject_or_what_it_was_made_from() -> None:
    direct = {**summary(), "subject": [{"name": "x", "digest": {"gitCommit": COMMIT}}]}
    for value in (provenance(), direct):
        found = one(envelope(value, "k"), verify=signed_by_ada, commit=COMMIT)
        assert (found.flags["subject_matches"], found.outcome) == (True, "passed")
    other = one(envelope(direct, "k"), verify=signed_by_ada, commit="00" * 20)
    assert (other.flags["subject_matches"], other.outcome) == (False, "failed")


def test_a_digest_of_another_algorithm_is_no_commit() -> None:
    value = {**summary(), "subject": [{"name": "x", "digest": {"sha512": COMMIT}}]}
    assert not one(value, commit=COMMIT).flags["subject_matches"]


def test_every_file_has_to_be_among_the_subjects() -> None:
    assert one(summary(), digests=(WHEEL,)).flags["subject_matches"]
    assert not one(summary(), digests=(WHEEL, "00" * 32)).flags["subject_matches"]
    # A file that something was made from is not what it speaks of.
    assert not one(link(), digests=("bb" * 32,)).flags["subject_matches"]


def test_another_builder_fails() -> None:
    wrapped = envelope(provenance(), "k")
    right = one(wrapped, verify=signed_by_ada, producer="https://example.com/builder")
    assert (right.flags["builder_matches"], right.outcome) == (True, "passed")
    wrong = one(wrapped, verify=signed_by_ada, producer="https://example.com/builde")
    assert (wrong.flags["builder_matches"], wrong.outcome) == (False, "failed")


def test_digests_are_compared_in_lowercase() -> None:
    value = {**summary(), "subject": [{"name": "x", "digest": {"sha256": WHEEL.upper()}}]}
    assert one(value, digests=(WHEEL,)).flags["subject_matches"]


# --- our own --------------------------------------------------------------------------------------


def decided(verdict: str = "GO", status: str = "GO", kind: str = intoto.DECISION) -> dict[str, Any]:
    gates = [{"id": 0, "name": "Base", "status": status, "closed": 1, "open": 0}]
    tool = {"name": "arco-audit", "version": "1.0"}
    return statement(kind, {"tool": tool, "verdict": verdict, "gates": gates})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (decided(), "passed"),
        (decided("NO-GO"), "failed"),
        (decided("GO", "PARTIAL"), "failed"),
    ],
)
def test_a_decision_of_ours_says_its_verdict(value: dict[str, Any], says: str) -> None:
    found = one(envelope(value, "k"), verify=signed_by_ada)
    assert (found.kind, found.producer, found.says) == ("audit decision", "arco-audit", says)
    assert found.outcome == says
    assert found.subjects
    assert [test.name for test in found.tests] == ["gate 0: Base"]
    assert one(value).outcome == ("unknown" if says == "passed" else says)
    assert as_metrics([found])


def test_a_checkpoint_of_ours_says_nothing_of_readiness() -> None:
    value = statement(intoto.CHECKPOINT, {"of": {"final_root": "ab" * 32}, "size": 3})
    found = one(envelope(value, "k"), verify=signed_by_ada)
    assert (found.kind, found.says, found.problems) == ("audit checkpoint", "unknown", ())


def test_a_decision_of_another_shape_or_version_is_refused() -> None:
    assert "a version that is not read here" in refusal(decided(kind=f"{intoto.DECISION}9")).problem
    assert "verdict" in refusal(decided("PERHAPS")).place
    assert "status" in refusal(decided("GO", "FINE")).place
    refusal(statement(intoto.DECISION, {}))
    refusal(statement(intoto.CHECKPOINT, {"of": []}))


@pytest.mark.parametrize("data", [b"# minutes\n", b"a = 1\n", b'{"a": 1}', b'"text"'])
def test_a_file_of_no_known_kind_is_told_the_kinds(data: bytes) -> None:
    caught = refusal(data)
    assert "of no kind that is read here" in caught.problem
    for kind in ("JUnit", "SARIF", "CTRF", "SLSA", "VSA", "PEP 740", "arco-audit"):
        assert kind in caught.next_step
