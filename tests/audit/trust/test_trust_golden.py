"""Attestations that a past version made hold for ever, with the extra and without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit.trust import attest, attested, book, intoto
from evidence import chain, dsse, layout, roster, trusted
from evidence.folder import Folder
from evidence.roster import Threshold

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(path.name for path in (GOLDEN / "sign-off").iterdir())


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest) -> Path:
    """The sign-off folder of a bundle that some version attested."""
    return GOLDEN / "sign-off" / str(request.param)


def test_they_are_the_attestations_of_their_bundle(folder: Path) -> None:
    opened, sealed = attested.verified(GOLDEN / "bundles" / folder.name, folder)
    trust = book.roster_of(folder / "audit-trust.toml")
    both = replace(trust, threshold=(Threshold("runner", 2),))
    assert attested.check_run(opened, sealed, both) == ()
    three = replace(trust, threshold=(Threshold("runner", 3),))
    assert attested.check_run(opened, sealed, three)


def test_plain_python_says_the_same(folder: Path) -> None:
    bundle = Folder(str(GOLDEN / "bundles" / folder.name))
    trust = book.roster_of(folder / "audit-trust.toml")
    lines, findings = attest.read((folder / layout.ATTESTATIONS).read_bytes())
    assert findings == []
    for line in lines:
        signed = roster.signers(line.envelope, trust, roster.check_ed25519)
        assert {key.person for key in signed.keys} == {"Ada", "Ben"}
    keys, refused = trusted.note_signers(Folder(str(folder)), trusted.records(bundle), trust)
    assert (len(keys), refused) == (2, ())


def test_their_digests_are_those_of_the_files(folder: Path) -> None:
    bundle = GOLDEN / "bundles" / folder.name
    lines, _ = attest.read((folder / layout.ATTESTATIONS).read_bytes())
    seen = set()
    for line in lines:
        for subject in dsse.read_statement(line.envelope).subjects:
            digests = dict(subject.digests)
            if "sha256" in digests:
                assert digests["sha256"] == chain.sha256((bundle / subject.name).read_bytes())
                seen.add(subject.name)
            elif subject.name != intoto.SUBJECT:
                assert list(digests) == [intoto.LOG_ROOT]
    assert {layout.DECISION, layout.CHECKPOINT} <= seen
    links = [dsse.read_statement(line.envelope).predicate for line in lines]
    materials = [link["materials"][1] for link in links if "materials" in link]
    plan = chain.sha256((bundle / layout.PLAN).read_bytes())
    assert materials
    assert all(item == {"name": layout.PLAN, "digest": {"sha256": plan}} for item in materials)
