"""Signing and checking 5,000 envelopes beside the raw operations of the cryptographic library.

(g) Promised: signing within 2 times and checking within 1.4 times the library's own sign and verify
over the same messages, in the same process and in turns. Signing includes the envelope as a line;
checking includes reading it, base64 and finding the key. Apart: making the statements out of the
records, comparing them with the bundle, and what the disk takes to keep the file.

`python tests/bench/bench_trust.py [ROUNDS] [ENVELOPES]`; `BENCH_DIR` says on which disk.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from audit.trust import attest, intoto
from audit.trust.intoto import SealedRun
from audit.trust.keys import check_any
from evidence import archive, dsse, roster
from tests.audit.trust import attest_kit as kit
from tests.bench.figures import seconds

SIGN_RATIO_MAX = 2.0
CHECK_RATIO_MAX = 1.4


def calls(sealed: SealedRun) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name; everything that is prepared is not part of it."""
    private, signer = kit.private(1), kit.signer(1)
    trusted = kit.trusting(kit.entry(signer))
    statements = list(intoto.statements(sealed).values())
    payloads = [dsse.write_statement(statement) for statement in statements]
    messages = [dsse.pae(dsse.PAYLOAD_TYPE, payload) for payload in payloads]
    signatures = [private.sign(message) for message in messages]
    public = private.public_key()
    data = attest.write(attest.sign(payloads, signer))
    lines, _ = attest.read(data)

    def check_signatures() -> None:
        for line in attest.read(data)[0]:
            assert roster.signers(line.envelope, trusted, check_any).keys

    def check_raw() -> None:
        for message, signature in zip(messages, signatures, strict=True):
            public.verify(signature, message)

    def check_all() -> None:
        records = (sealed.plan, sealed.run, sealed.decision, sealed.point)
        assert not attest.check(lines, trusted, *records, facts=sealed.facts)

    return {
        "raw sign": lambda: [private.sign(message) for message in messages],
        "sign and write": lambda: attest.write(attest.sign(payloads, signer)),
        "raw verify": check_raw,
        "read and verify": check_signatures,
        "make statements": lambda: [
            dsse.write_statement(item) for item in intoto.statements(sealed).values()
        ],
        "check against bundle": check_all,
        "keep on disk": lambda: _kept(data),
    }


def _kept(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        archive.put(Path(folder), "file", data)


def main() -> None:
    """Print medians, and the ratios that were promised."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 7
    count = int(sys.argv[2]) if sys.argv[2:] else 5_000
    sealed = kit.sealed_run(cells=tuple(f"cell-{number}" for number in range(count - 2)))
    work = calls(sealed)
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            taken[name].append(seconds(call))
    middle = {name: statistics.median(times) for name, times in taken.items()}
    print(f"(g) {count:,} envelopes, median of {rounds}")
    for name, value in middle.items():
        print(f"    {name:<22}{value:.3f} s")
    for ours, raw, limit in (
        ("sign and write", "raw sign", SIGN_RATIO_MAX),
        ("read and verify", "raw verify", CHECK_RATIO_MAX),
    ):
        print(f"    {ours} / {raw}: {middle[ours] / middle[raw]:.2f} (promised at most {limit})")


if __name__ == "__main__":
    main()
