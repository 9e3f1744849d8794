"""Attestations on the disk: a sealed run is verified, attested, and what was written is checked.

Here lives everything that touches files for attestations; what they say is `intoto`, how they are
put together and checked is `attest`. They lie in the sign-off folder, and the run stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from audit import runs
from audit.errors import Conflict, Corrupt
from audit.runner.files import AGAIN, sync_folder, unwritable
from audit.trust import attest, book, intoto
from audit.trust.attest import Line
from audit.trust.book import Book
from audit.trust.intoto import CHECKPOINT, SealedRun
from audit.trust.keys import KEY_TYPES, Signer, check_any, pem_of
from evidence import archive, chain, dsse, layout, roster, trusted
from evidence.codec import Malformed
from evidence.dsse import Envelope, Signature
from evidence.roster import Roster
from evidence.verify import Finding

T = TypeVar("T")

LAYOUT_NAME = "root.layout"
"""What the documentation of in-toto calls a layout."""


@dataclass(frozen=True, slots=True)
class Attested:
    """What was written: the files, and how many statements they hold."""

    files: tuple[Path, ...]
    statements: int


def verified(run: Path, folder: Path | None = None) -> tuple[Book, SealedRun]:
    """Return a sealed run with its sign-off folder, after verifying its bundle.

    Raises:
        Corrupt: it does not verify; names the first finding.
        Invalid: it was not finished, or its sign-off folder has to be named.
        Conflict: a run of another label lies where its sign-off belongs.
    """
    opened, _ = book.verified(run, folder)
    if runs.is_run(opened.folder):
        raise Conflict(
            "a run lies where the sign-off of this one belongs, and runs are never written to",
            place=str(opened.folder),
            next_step="name another folder with --sign-off DIR",
        )
    sealed = opened.sealed
    point = chain.checkpoint_of(sealed.checkpoint)
    return opened, SealedRun(sealed.plan, sealed.run, sealed.facts, sealed.decision, point)


def attest_run(opened: Book, sealed: SealedRun, signer: Signer) -> Attested:
    """Sign every statement about a run and its checkpoint; add to what others signed before.

    The same key again leaves the same bytes. Three fsyncs. The checkpoint is written last.

    Raises:
        Conflict: another process writes there, or attestations of something else lie there.
        Corrupt: what lies there cannot be read.
        Unavailable: the disk says no.
    """
    payloads = [dsse.write_statement(item) for item in intoto.statements(sealed).values()]

    def write() -> Attested:
        envelopes = _merged(opened, payloads, attest.sign(payloads, signer))
        note = _note(opened, sealed, signer)
        _put(opened, layout.ATTESTATIONS, attest.write(envelopes))
        _put(opened, layout.CHECKPOINT, note)
        sync_folder(opened.folder)
        names = (layout.ATTESTATIONS, layout.CHECKPOINT)
        return Attested(tuple(opened.folder / name for name in names), len(envelopes))

    return _locked(opened, write)


def attest_checkpoint(opened: Book, sealed: SealedRun, signer: Signer, key: roster.Key) -> Attested:
    """Sign one statement over the digest of the checkpoint, which covers everything.

    For signers that cannot sign notes, or where each signature costs a touch or a call. A signature
    that does not verify under the key of the trust file is not written.

    Raises:
        Conflict, Corrupt, Unavailable: as `attest_run`.
    """
    statements = intoto.statements(sealed)
    payloads = [dsse.write_statement(item) for item in statements.values()]
    payload = dsse.write_statement(statements[CHECKPOINT, ""])
    message = dsse.pae(dsse.PAYLOAD_TYPE, payload)

    def write() -> Attested:
        there = _merged(opened, payloads, [])
        if not _has_signed(there, payload, key):
            signature = signer.sign(message)
            if not check_any(key, message, signature):
                raise Corrupt(
                    f"the signer has another key than the trust file says key=`{key.id:.16}`",
                    next_step="name the key that it signs with by --keyid",
                )
            ours = Envelope(dsse.PAYLOAD_TYPE, payload, (Signature(key.id, signature),))
            there = attest.in_order(attest.together(there, [ours]), payloads)
        _put(opened, layout.ATTESTATIONS, attest.write(there))
        sync_folder(opened.folder)
        return Attested((opened.folder / layout.ATTESTATIONS,), len(there))

    return _locked(opened, write)


def _has_signed(envelopes: list[Envelope], payload: bytes, key: roster.Key) -> bool:
    """Whether a key's good signature is there: some schemes would sign otherwise each time."""
    return any(
        signature.keyid == key.id
        and check_any(key, dsse.pae(envelope.payload_type, payload), signature.sig)
        for envelope in envelopes
        if envelope.payload == payload
        for signature in envelope.signatures
    )


def _locked(opened: Book, write: Callable[[], T]) -> T:
    try:
        opened.folder.mkdir(parents=True, exist_ok=True)
        with archive.hold(opened.folder):
            return write()
    except archive.Busy as error:
        raise Conflict(
            "another process writes to the sign-off of this run",
            place=str(opened.folder),
            next_step="wait for it, then try again",
        ) from error
    except OSError as error:
        raise unwritable(Path(error.filename or opened.folder), error, next_step=AGAIN) from error


def _put(opened: Book, name: str, data: bytes) -> None:
    """Write a file unless it holds these bytes already."""
    path = opened.folder / name
    if not path.is_file() or path.read_bytes() != data:
        archive.put(opened.folder, name, data)


def _merged(opened: Book, payloads: list[bytes], ours: list[Envelope]) -> list[Envelope]:
    path = opened.folder / layout.ATTESTATIONS
    lines, findings = _lines(opened) if os.path.lexists(path) else ([], [])
    if findings:
        raise Corrupt(
            findings[0].problem,
            place=findings[0].place,
            next_step=f"move {path} away, attest again",
        )
    known = set(payloads)
    foreign = [line.place for line in lines if line.envelope.payload not in known]
    if foreign:
        raise Conflict(
            "attests something else than this bundle says, and is not written over",
            place=foreign[0],
            next_step=f"look where it comes from; move {path} away to attest this run",
        )
    merged = attest.together((line.envelope for line in lines), ours)
    return attest.in_order(merged, payloads)


def _lines(opened: Book) -> tuple[list[Line], list[Finding]]:
    """The attestations that lie there; a link, a pipe or an endless file is not read."""
    try:
        return attest.read(opened.layer.read(layout.ATTESTATIONS))
    except Malformed as error:
        return [], [Finding(layout.ATTESTATIONS, error.problem)]


def _note(opened: Book, sealed: SealedRun, signer: Signer) -> bytes:
    path = opened.folder / layout.CHECKPOINT
    try:
        old = opened.layer.read(layout.CHECKPOINT) if os.path.lexists(path) else b""
        return attest.write_note(sealed.point, [signer], old)
    except Malformed as error:
        raise Conflict(
            f"another checkpoint lies there: {error.problem}",
            place=str(path),
            next_step="look where it comes from; move it away to attest this run",
        ) from error


# --- checking -------------------------------------------------------------------------------------


def check_run(opened: Book, sealed: SealedRun, book_of_keys: Roster) -> tuple[Finding, ...]:
    """Return all that is wrong with the attestations and the signed checkpoint of a run."""
    lines, findings = _lines(opened)
    found = attest.check(
        lines,
        book_of_keys,
        sealed.plan,
        sealed.run,
        sealed.decision,
        sealed.point,
        facts=sealed.facts,
    )
    keys, refused = trusted.note_signers(opened.layer, opened.sealed, book_of_keys, check_any)
    noted = [Finding(layout.CHECKPOINT, why) for why in refused]
    if not keys:
        noted.append(Finding(layout.CHECKPOINT, "no trusted runner signed it"))
    return (*findings, *found, *noted)


# --- for the in-toto programs ---------------------------------------------------------------------


def export_layout(sealed: SealedRun, signer: Signer, into: Path, expires: str) -> tuple[Path, ...]:
    """Write a signed layout, a signed link per cell and the public key, for `in-toto-verify`.

    Raises:
        Unavailable: the disk says no.
    """
    made = {LAYOUT_NAME: _envelope(intoto.layout_of(sealed, _as_intoto(signer), expires), signer)}
    for cell, payload in intoto.links(sealed).items():
        made[intoto.link_name(cell, signer.keyid)] = _envelope(payload, signer)
    made[f"{signer.keyid[:8]}.pub"] = pem_of(signer.key).encode()
    try:
        into.mkdir(parents=True, exist_ok=True)
        archive.put_all(into, made)
        sync_folder(into)
    except OSError as error:
        raise unwritable(into, error, next_step=AGAIN) from error
    return tuple(into / name for name in made)


def _envelope(payload: bytes, signer: Signer) -> bytes:
    return dsse.write(attest.sign([payload], signer)[0])


def _as_intoto(signer: Signer) -> Mapping[str, object]:
    key = signer.key
    return {
        "keyid": key.id,
        "keytype": KEY_TYPES[key.scheme],
        "scheme": key.scheme,
        "keyval": {"public": key.public},
    }
