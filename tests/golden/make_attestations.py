"""Attests a bundle of `tests/golden/bundles/`, by two keys that everybody knows.

`python tests/golden/make_attestations.py NAME` is called once per release that changes what is
attested; what it leaves in `tests/golden/sign-off/NAME/` is committed and never made again.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from audit.trust import attested, keys
from evidence.roster import Key
from tests.audit.trust import attest_kit as kit

GOLDEN = Path(__file__).parent
FROM = "2020-01-01T00:00:00Z"


def main(name: str) -> None:
    """Write attestations, the signed checkpoint, and the trust file that goes with them."""
    folder = GOLDEN / "sign-off" / name
    folder.mkdir(parents=True)
    opened, sealed = attested.verified(GOLDEN / "bundles" / name, folder)
    for seed, person in ((1, "Ada"), (2, "Ben")):
        private = kit.private(seed)
        signer = keys.Signer(keys.public_of(private.public_key()), private.sign)
        attested.attest_run(opened, sealed, signer)
        key = Key("", person, ("runner",), "", "", FROM)
        trust = folder / "audit-trust.toml"
        keys.add(trust, keys.check_entry(keys.entry_of(signer.key, key), trust))


if __name__ == "__main__":
    main(sys.argv[1])
