"""Generates `verify.py`, the verifier that travels in every bundle, from the kernel's own sources.

The committed `verify.py` beside this file is that output; a test compares them. It is data here: it
is copied into bundles and never imported.
"""

from __future__ import annotations

import importlib.resources

from evidence import layout

KERNEL = (
    "codec",
    "layout",
    "globs",
    "instant",
    "model",
    "chain",
    "journal",
    "seal",
    "subject",
    "words",
    "brought",
    "judge",
    "carry",
    "contents",
    "verify",
    "ed25519",
    "dsse",
    "roster",
    "signoff",
    "slices",
    "weigh",
    "normalise",
    "fingerprint",
    "trusted",
    "account",
    "folder",
)
"""The kernel's modules in the order of their imports."""

_QUOTES = "'" * 3

_HEAD = '''\
#!/usr/bin/env python3
"""Verifies the audit bundle that this file lies in. Needs Python 3.11 or later and nothing else.

    python3 -I verify.py [BUNDLE] [--expect-root HEX] [--trust FILE [--sign-off DIR]] [--json]

Exit codes: 0 verified, 2 usage, 3 not verified. Offline: no network, no other file is imported.
Generated: what follows are the modules of the package `evidence`, each as it stands in its source,
loaded in order; the last lines run them. To be sure of this file itself, compare it with the one
in the source distribution of the version that plan.json names, or use that distribution.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("verify.py: needs Python 3.11 or later, this is " + sys.version.split()[0])

import types

_PACKAGE = types.ModuleType("evidence")
_PACKAGE.__path__ = []
sys.modules["evidence"] = _PACKAGE


def _load(name, source):
    module = types.ModuleType("evidence." + name)
    sys.modules[module.__name__] = module
    exec(compile(source, "evidence/" + name + ".py", "exec"), module.__dict__)
    setattr(_PACKAGE, name, module)

'''

_TAIL = """
from evidence import account, codec, folder, roster, trusted, verify  # noqa: E402


def main(words):
    import argparse
    import gc
    import os

    gc.disable()  # records make no cycles, and looking for some costs a fifth of the time
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an audit bundle.")
    parser.add_argument("bundle", nargs="?", default=here, help="its folder; default: this one")
    parser.add_argument("--expect-root", metavar="HEX", help="plan root or final root")
    parser.add_argument("--trust", metavar="FILE", help="your trust file: who may sign as what")
    parser.add_argument("--sign-off", metavar="DIR", help="the run's sign-off; default: beside it")
    parser.add_argument("--expect-log", metavar="FILE", help="a log.checkpoint that you kept")
    parser.add_argument("--as-of", metavar="UTC", help="the instant to weigh at; default: now")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(words)
    if not os.path.isdir(options.bundle):
        parser.error("no such folder: " + options.bundle)
    root = options.expect_root
    if root is not None and (len(root) != 64 or set(root.lower()) - set("0123456789abcdef")):
        parser.error("a root has 64 hex digits: --expect-root " + ascii(root[:80]))
    if options.expect_log is not None and options.trust is None:
        parser.error("--expect-log is looked at with --trust")
    source = folder.Folder(options.bundle)
    if options.sign_off is None:
        layer = folder.sign_off_of(options.bundle)
    else:
        layer = folder.Folder(options.sign_off) if os.path.isdir(options.sign_off) else None
    report = verify.verify(
        source,
        expect_root=root or "",
        each=folder.in_workers,
        withheld=trusted.withheld_files(layer) if layer else (),
    )
    trust = None
    if options.trust is not None:
        try:
            trust = sign_off(options, source, layer, report)
        except (OSError, ValueError) as error:
            parser.error("the sign-off cannot be weighed: " + ascii(str(error)[:300]))
    if options.json:
        text = codec.encode(account.value(report, trust))
    else:
        text = ("\\n".join(account.lines(report, trust)) + "\\n").encode("utf-8", "replace")
    sys.stdout.buffer.write(text)
    weighed = options.trust is None or trust is not None
    return 0 if weighed and account.holds(report, trust) else 3


def sign_off(options, source, layer, report):
    import datetime

    with open(options.trust, "rb") as stream:
        book = roster.read(stream.read(), options.trust)
    if layer is None:
        raise ValueError("its sign-off folder is not there; name it with --sign-off")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    as_of = options.as_of or now
    kept = b""
    if options.expect_log is not None:
        with open(options.expect_log, "rb") as stream:
            kept = stream.read() or b"-"
    try:
        return trusted.verify_trust(source, layer, book, as_of, withheld=report.withheld, kept=kept)
    except codec.Malformed as error:
        if report.ok:  # nothing in the report says why, and it would say VERIFIED
            said = "verify.py: the sign-off cannot be weighed: " + ascii(str(error)[:300])
            print(said, file=sys.stderr)
            sys.exit(3)
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def source() -> str:
    """Return the text of `verify.py`, generated from the kernel's sources.

    Raises:
        ValueError: a kernel module holds the quotes that it would be embedded in.
    """
    parts = [_HEAD]
    for name in KERNEL:
        text = (importlib.resources.files("evidence") / f"{name}.py").read_text("utf-8")
        if _QUOTES in text:
            raise ValueError(f"evidence/{name}.py cannot stand between triple quotes")
        parts.append(f"\n_load(\n    {name!r},\n    r{_QUOTES}\n{text}{_QUOTES},\n)\n")
    return "".join(parts) + _TAIL


def committed() -> bytes:
    """Return the bytes of the committed `verify.py`, which every bundle gets."""
    return (importlib.resources.files("evidence.standalone") / layout.VERIFIER).read_bytes()
