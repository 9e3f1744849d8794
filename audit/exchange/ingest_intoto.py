"""Statements of others: in-toto links, DSSE envelopes, Sigstore bundles, SLSA, VSA, PEP 740.

A document here is worth as much as its signature, and signatures are checked elsewhere: what was
not verified is at most `unknown`, whatever it says of itself. Sources: in-toto attestation v1,
DSSE v1, in-toto specification v1 (links), SLSA provenance v1 and VSA v1, PEP 740, `test-result`
v0.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from audit.errors import AuditError
from audit.exchange.ingested import (
    NAME_CHARS_MAX,
    Check,
    Ingested,
    Instant,
    Kind,
    Signature,
    Subject,
    Verdict,
    Verify,
)
from audit.exchange.reading import Look, parse
from evidence import dsse
from evidence.dsse import PAYLOAD_TYPE, Envelope
from evidence.model import Outcome

STATEMENTS = (dsse.STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1")
DECISION, CHECKPOINT = "urn:arco-audit:decision:v1", "urn:arco-audit:checkpoint:v1"
"""Our own predicates, as `arco-audit attest` writes them."""
SIGSTORE = "application/vnd.dev.sigstore.bundle"
_DIGEST = re.compile(r"[0-9a-f]{32,128}")
_VERSION = re.compile(r"[/:]v[^/:]*\Z")
_HEX = re.compile(r"([0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class _Signed:
    """How a document came: its signatures, and what was made of them."""

    signature: Signature
    signer: str = ""
    problem: str = ""


def read(document: Look, verify: Verify | None) -> Iterator[Ingested]:
    """Yield what a signed or signable document says; nothing when it is none of these kinds.

    Raises:
        Invalid: one of these kinds, and of another shape or version than is read here.
    """
    if document.has("payloadType") or document.has("payload"):
        yield _envelope(document, verify)
    elif document.has("dsseEnvelope"):
        media = document.at("mediaType")
        if not media.text().startswith(SIGSTORE):
            raise media.wrong(f"no Sigstore bundle that is read here value=`{media.text():.80}`")
        yield _envelope(document.at("dsseEnvelope"), verify)
    elif document.has("signed"):
        yield _metablock(document)
    elif document.has("attestation_bundles"):
        yield from _publish_provenance(document, verify)
    elif document.has("verification_material"):
        yield _publish_attestation(document, verify)
    elif document.has("_type"):
        yield _payload(document, _Signed("missing", problem="it is not signed"))


# --- what is signed -------------------------------------------------------------------------------


def _envelope(envelope: Look, verify: Verify | None) -> Ingested:
    kind = envelope.at("payloadType")
    if kind.text() != PAYLOAD_TYPE:
        raise kind.wrong(f"a payload that is not read here type=`{kind.text():.80}`")
    payload = envelope.at("payload")
    data = payload.base64()
    signatures = []
    for signature in envelope.at("signatures").items():
        name = signature.maybe("keyid")
        keyid = name.text() if name is not None else ""
        signatures.append(dsse.Signature(keyid, signature.at("sig").base64()))
    signed = _checked(Envelope(kind.text(), data, tuple(signatures)), verify)
    return _payload(parse(data, payload.place), signed)


def _checked(envelope: Envelope, verify: Verify | None) -> _Signed:
    if not envelope.signatures:
        return _Signed("missing", problem="it is not signed")
    try:
        signer = verify(envelope) if verify is not None else ""
    except AuditError as error:
        return _Signed("refused", problem=f"signature refused: {error.problem}")
    if not signer:
        return _Signed("not checked", problem="signature not checked")
    return _Signed("verified", signer)


def _metablock(block: Look) -> Ingested:
    """A link as in-toto 1 signs it. Its signatures are over another form than an envelope's."""
    signatures = block.at("signatures")
    count = 0
    for signature in signatures.items():
        signature.at("keyid").text()
        sig = signature.at("sig")
        if not _HEX.fullmatch(sig.text()):
            raise sig.wrong("is no signature in hex")
        count += 1
    unchecked = "signature not checked: only those of an envelope are (in-toto-run --use-dsse)"
    problem = unchecked if count else "it is not signed"
    return _payload(block.at("signed"), _Signed("not checked" if count else "missing", "", problem))


def _publish_provenance(document: Look, verify: Verify | None) -> Iterator[Ingested]:
    """The provenance object of an index (PEP 740).

    The publisher named beside the attestations is the word of whoever handed the file on: no
    signature covers it, so that it makes nobody a producer.
    """
    _version_one(document)
    for bundle in document.at("attestation_bundles").items():
        bundle.at("publisher").at("kind").text()
        for attestation in bundle.at("attestations").items():
            yield _publish_attestation(attestation, verify)


def _publish_attestation(document: Look, verify: Verify | None) -> Ingested:
    _version_one(document)
    envelope = document.at("envelope")
    statement = envelope.at("statement")
    data = statement.base64()
    signatures = (dsse.Signature("", envelope.at("signature").base64()),)
    signed = _checked(Envelope(PAYLOAD_TYPE, data, signatures), verify)
    return replace(_payload(parse(data, statement.place), signed), kind="pep740")


def _version_one(document: Look) -> None:
    version = document.at("version")
    if version.whole() != 1:
        raise version.wrong(
            f"a version that is not read here version=`{version.whole()}` known=`1`"
        )


# --- what is said ---------------------------------------------------------------------------------


def _payload(payload: Look, signed: _Signed) -> Ingested:
    kind = payload.at("_type")
    if kind.text() == "link":
        return _link(payload, payload, signed)
    if kind.text() not in STATEMENTS:
        known = ", ".join(("link", *STATEMENTS))
        raise kind.wrong(f"a type that is not read here type=`{kind.text():.80}` known=`{known}`")
    return _statement(payload, signed)


def _statement(statement: Look, signed: _Signed) -> Ingested:
    subjects = tuple(_subjects(statement.at("subject")))
    if not subjects:
        raise statement.at("subject").wrong("it speaks of nothing")
    kind = statement.at("predicateType")
    reader = _predicate_reader(kind)
    predicate = statement.maybe("predicate") or Look({}, f"{statement.place}.predicate")
    told = reader(predicate, statement, signed)
    return replace(told, subjects=(*subjects, *told.subjects))


Reader = Callable[[Look, Look, _Signed], Ingested]


def _predicate_reader(kind: Look) -> Reader:
    """The reader of a predicate type. A known one in a version that is not read is refused."""
    text = kind.text()
    if text in _PREDICATES:
        return _PREDICATES[text]
    family = _VERSION.sub("", text)
    known = [name for name in _PREDICATES if _VERSION.sub("", name) == family]
    if known:
        raise kind.wrong(
            f"a version that is not read here type=`{text:.80}` known=`{', '.join(known)}`"
        )
    return _other


def _made(
    kind: Kind, place: str, producer: str, says: Verdict, signed: _Signed, **more: object
) -> Ingested:
    """A document, with an outcome that its signature allows."""
    outcome = says
    if signed.signature == "refused":
        outcome = "failed"
    elif signed.signature != "verified" and says == "passed":
        outcome = "unknown"
    made = Ingested(
        kind,
        place,
        producer[:NAME_CHARS_MAX],
        says,
        outcome,
        signed.signature,
        signed.signer,
        problems=(signed.problem,) if signed.problem else (),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # the names are those of its fields


def _link(link: Look, place: Look, signed: _Signed) -> Ingested:
    """A link, of its own or as a predicate (`link/v0.3`): what a step used, ran and made."""
    products = tuple(_files(link.maybe("products")))
    byproducts = link.maybe("byproducts")
    value = byproducts.maybe("return-value") if byproducts is not None else None
    says: Verdict = "unknown"
    if value is not None:
        says = "failed" if value.whole() else "passed"
    name = link.at("name").text()
    outcome: Outcome = "passed" if says == "passed" else "failed"
    step = () if value is None else (Check(name[:NAME_CHARS_MAX], outcome),)
    return _made(
        "in-toto link",
        place.place,
        name,
        says,
        signed,
        subjects=products,
        sources=tuple(_files(link.maybe("materials"))),
        tests=step,
    )


def _link_predicate(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    materials = predicate.maybe("materials")
    told = _link(Look({**predicate.value, "materials": None}, predicate.place), statement, signed)
    return replace(told, sources=tuple(_subjects(materials) if materials is not None else ()))


def _test_result(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    word = predicate.at("result").word("PASSED", "WARNED", "FAILED")
    predicate.at("configuration").items()
    found: list[Check] = []
    lists: Mapping[str, Outcome] = {
        "passedTests": "passed",
        "warnedTests": "passed",
        "failedTests": "failed",
    }
    for key, outcome in lists.items():
        names = predicate.maybe(key)
        for name in names.items() if names is not None else ():
            found.append(Check(name.text()[:NAME_CHARS_MAX], outcome))
    failed = word == "FAILED" or any(test.outcome == "failed" for test in found)
    url = predicate.maybe("url")
    says: Verdict = "failed" if failed else "passed"
    producer = url.text() if url else ""
    made = _made("test result", statement.place, producer, says, signed, tests=tuple(found))
    return made if word != "WARNED" else replace(made, problems=(*made.problems, "it warns"))


def _provenance(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    definition, details = predicate.at("buildDefinition"), predicate.at("runDetails")
    definition.at("buildType").text()
    builder = details.at("builder").at("id").text()
    used = definition.maybe("resolvedDependencies")
    metadata = details.maybe("metadata")
    return _made(
        "slsa provenance",
        statement.place,
        builder,
        "passed",
        signed,
        sources=tuple(_subjects(used) if used is not None else ()),
        times=tuple(_times(metadata, {"startedOn": "started", "finishedOn": "finished"})),
    )


def _summary(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    verifier = predicate.at("verifier").at("id").text()
    predicate.at("resourceUri").text()
    policy = predicate.at("policy")
    if not (policy.has("uri") or policy.has("digest")):
        raise policy.wrong("it names no policy")
    word = predicate.at("verificationResult").word("PASSED", "FAILED")
    levels = predicate.at("verifiedLevels")
    says: Verdict = "passed" if word == "PASSED" else "failed"
    each: Outcome = "passed" if word == "PASSED" else "failed"
    why = "" if word == "PASSED" else word
    found = tuple(Check(level.text()[:NAME_CHARS_MAX], each, why) for level in levels.items())
    times = tuple(_times(predicate, {"timeVerified": "verified"}))
    if not times:
        raise predicate.wrong("timeVerified is missing")
    return _made("vsa", statement.place, verifier, says, signed, tests=found, times=times)


def _publish(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    return _made("pep740", statement.place, "", "passed", signed)


def _decision(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    """What a run of arco-audit decided. A gate that is not GO failed, whatever else is said."""
    word = predicate.at("verdict").word("GO", "NO-GO")
    found: list[Check] = []
    for gate in predicate.at("gates").items():
        status = gate.at("status").word("GO", "PARTIAL", "NO-GO")
        name = f"gate {gate.at('id').whole()}: {gate.at('name').text()}"
        outcome: Outcome = "passed" if status == "GO" else "failed"
        found.append(Check(name[:NAME_CHARS_MAX], outcome, "" if status == "GO" else status))
    failed = word != "GO" or any(test.outcome == "failed" for test in found)
    return _made(
        "audit decision",
        statement.place,
        predicate.at("tool").at("name").text(),
        "failed" if failed else "passed",
        signed,
        tests=tuple(found),
    )


def _checkpoint(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    """The roots of a run: they say what was sealed, and not whether it is ready."""
    predicate.at("of").at("final_root").text()
    return _made("audit checkpoint", statement.place, "", "unknown", signed)


def _other(predicate: Look, statement: Look, signed: _Signed) -> Ingested:
    kind = statement.at("predicateType").text()
    made = _made("in-toto statement", statement.place, "", "unknown", signed)
    problem = f"a predicate that is not known here type=`{kind:.200}`"
    return replace(made, problems=(*made.problems, problem))


_PREDICATES: Mapping[str, Reader] = {
    "https://in-toto.io/attestation/link/v0.3": _link_predicate,
    "https://in-toto.io/attestation/test-result/v0.1": _test_result,
    "https://slsa.dev/provenance/v1": _provenance,
    "https://slsa.dev/verification_summary/v1": _summary,
    "https://docs.pypi.org/attestations/publish/v1": _publish,
    DECISION: _decision,
    CHECKPOINT: _checkpoint,
}


def _times(place: Look | None, named: Mapping[str, str]) -> Iterator[Instant]:
    for key, what in named.items():
        time = place.maybe(key) if place is not None else None
        if time is not None:
            yield Instant(what, time.utc())


# --- digests --------------------------------------------------------------------------------------


def _subjects(resources: Look) -> Iterator[Subject]:
    """The resource descriptors of a statement, one per algorithm."""
    for resource in resources.items():
        named = resource.maybe("name") or resource.maybe("uri")
        name = named.text()[:NAME_CHARS_MAX] if named is not None else ""
        digest = resource.maybe("digest")
        yield from _digests(name, digest) if digest is not None else ()


def _files(artifacts: Look | None) -> Iterator[Subject]:
    """The materials or products of a link: paths with their digests."""
    for name, digest in artifacts.members() if artifacts is not None else ():
        yield from _digests(name[:NAME_CHARS_MAX], digest)


def _digests(name: str, digest: Look) -> Iterator[Subject]:
    for algorithm, value in digest.members():
        text = value.text()
        if not _DIGEST.fullmatch(text.lower()):
            raise value.wrong(f"is no digest in hex value=`{text:.80}`")
        yield Subject(name, f"{algorithm:.40}:{text.lower()}")
