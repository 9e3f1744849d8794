"""Makes a signed audit for `tests/golden/signed/`: attested, approved, waived, withheld.

`python tests/golden/make_signed.py NAME` is called once per release that changes what people sign;
what it made is never changed again. The keys are thrown away, so nobody can add a line to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the script beside this one

from tests.golden import make_bundle

GOLDEN = Path(__file__).parent
EARLY = "2020-01-01T00:00:00Z"
UNTIL = "2099-01-01T00:00:00Z"
PEOPLE = (("Ada", ("SRE", "runner")), ("Ben", ("Manager",)), ("Cid", ("SRE", "Manager")))


def sign(audit: Path, keys: Path, environ: dict[str, str]) -> None:
    """Leave an entry of every kind beside the run: those that count and those that do not."""
    run, trust = audit / "head" / "1", audit / "audit-trust.toml"

    def call(*words: object, code: int = 0) -> None:
        done = subprocess.run((*make_bundle.PROGRAM, *map(str, words)), env=environ, check=False)
        assert done.returncode == code, (words, done.returncode)

    def signed(command: str, *words: object, role: str, person: str, code: int = 0) -> None:
        own = ("--role", role, "--key", keys / f"{person}.pem", "--trust", trust)
        call(command, *words, *own, code=code)

    for person, roles in PEOPLE:
        named = [word for role in roles for word in ("--role", role)]
        own = ("--person", person, *named, "--valid-from", EARLY, "--trust", trust)
        call("keygen", *own, "--no-passphrase", "--out", keys / f"{person}.pem")
    trust.write_text(trust.read_text().replace("\n\n", '\nwaive = ["Manager"]\n\n', 1))
    call("attest", run, "--key", keys / "Ada.pem", "--trust", trust)
    drill = keys / "drill.md"
    drill.write_text("a drill\n")
    call("attach", "G4-002", drill, run, "--person", "Ben", "--review-by", UNTIL, "--trust", trust)
    why = ("--until", UNTIL, "--reason", "a known failure")
    signed("waive", "G4-001", run, *why, role="Manager", person="Ben")
    signed("sign", run, "--note", "looked at all of it", "--yes", role="SRE", person="Cid")
    drop = ("--reason", "too early")
    signed("withdraw", 3, run, *drop, role="SRE", person="Cid")
    found = ("command-logs/loud.log", "--match", "line 3500 of", "--reason", "to show how", "--yes")
    signed("withhold", run, *found, role="SRE", person="Ada")
    signed("sign", run, "--yes", role="SRE", person="Ada")


def main(words: list[str]) -> int:
    """Make the audit of that name and print the final root of its run."""
    target = GOLDEN / "signed" / words[0]
    if target.exists():
        print(f"golden evidence is never made again: {target.relative_to(GOLDEN)}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "toy"
        keys = Path(folder) / "keys"
        root.mkdir()
        keys.mkdir()
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(GOLDEN.parents[1]),
            "HOME": folder,
            "ONCE": f"{folder}/once",
            "GOLDEN_TOKEN": "a-golden-secret-of-this-run",
        }
        audit = make_bundle.make(root, environ).parents[1]
        sign(audit, keys, environ)
        shutil.copytree(audit, target / audit.name)
    print((target / audit.name / "head/1/checkpoint").read_text().splitlines()[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
