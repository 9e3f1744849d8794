"""`arco-audit keygen`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from audit.cli import options, output, passphrase, screen, signing
from audit.cli.failure import READY
from audit.errors import Invalid
from evidence import codec
from evidence.roster import Key


@click.command("keygen")
@click.option(
    "--person", required=True, metavar="NAME", help='Whose key it is: "Ada <ada@example.org>".'
)
@click.option(
    "--role", "roles", required=True, multiple=True, metavar="ROLE", help="A role; may be repeated."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Where the private key is written (default: in your configuration folder).",
)
@passphrase.option
@click.option("--no-passphrase", is_flag=True, help="Leave the key unprotected, as for a CI job.")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Append the public part to this trust file.",
)
@click.option(
    "--public",
    default="",
    metavar="FILE|URI",
    help="Make no key; describe this public one, whose private part is elsewhere: a PEM file, "
    "gnupg:ID, hsm:KEY, sigstore:?identity=…&issuer=….",
)
@click.option("--valid-from", default="", metavar="TIME", help="RFC 3339 time (default: now).")
@click.option("--valid-until", default="", metavar="TIME", help="RFC 3339 time (default: open).")
@options.json
def command(
    person: str,
    roles: tuple[str, ...],
    out: Path | None,
    passphrase_file: Path | None,
    no_passphrase: bool,
    trust: Path | None,
    public: str,
    valid_from: str,
    valid_until: str,
    as_json: bool,
) -> int:
    """Make an Ed25519 key, and say what a trust file has to say of it.

    The private key is written where only you can read it, and never over another file. Its public
    part is printed as a table for the trust file, or appended to one with --trust. Needs the extra
    `trust`.

    \b
    Examples:
      arco-audit keygen --person "Ada <ada@example.org>" --role SRE
      arco-audit keygen --person "CI" --role runner --no-passphrase --out ci.pem \\
          --trust audit-trust.toml
      arco-audit keygen --person "Ben" --role runner --public 'hsm:2?label=TOKEN'
    """
    from audit.runner import SystemClock
    from audit.trust import elsewhere, keys

    if public and (out or no_passphrase):
        raise Invalid(
            "with --public no key is made", next_step="leave out --out and --no-passphrase"
        )
    key = Key(
        id="0" * 64,
        person=_word("person", person),
        roles=tuple(_word("role", role) for role in roles),
        scheme=keys.ED25519,
        public="58" + "66" * 31,  # the base point, until there is a key
        valid_from=signing.instant(valid_from, "valid-from") if valid_from else SystemClock().utc(),
        valid_until=signing.instant(valid_until, "valid-until") if valid_until else None,
    )
    keys.check_entry(key, trust)
    if public:
        found = elsewhere.public_at(public, passphrase.secret_from(passphrase_file))
        key = keys.entry_of(found, key)
        _trusted(key, trust)
        _tell(None, key, trust, as_json)
        return READY
    path = out or _own_folder() / f"{_slug(person)}.pem"
    with keys.made(path, passphrase.new(passphrase_file, none=no_passphrase)) as signer:
        key = keys.entry_of(signer.key, key)
        _trusted(key, trust)
    _tell(path, key, trust, as_json)
    return READY


def _trusted(key: Key, trust: Path | None) -> None:
    from audit.trust import keys

    added = keys.check_entry(key, trust)
    if trust is not None:
        keys.add(trust, added)


def _tell(path: Path | None, key: Key, trust: Path | None, as_json: bool) -> None:
    from audit.trust import keys

    if as_json:
        trusted = str(trust) if trust else None
        where = str(path) if path else None
        screen.as_json({"key": where, "entry": codec.to_value(key), "trust": trusted})
    else:
        if path:
            screen.say(f"private key: {path}")
        screen.say(f"key id: {key.id}")
        screen.say(f"trusted in: {trust}" if trust else "for the trust file:")
        if not trust:
            output.say("\n" + keys.entry_text(key).rstrip("\n"), lines=True)
    inside = options.root_of(path.parent) if path else None
    if inside and (inside / ".git").exists():
        screen.say(
            f"warning: the private key lies in a repository, see that it is never committed"
            f" repository=`{inside}`",
            error=True,
        )


def _word(name: str, text: str) -> str:
    """A name for people, on one line. Raises `Invalid`."""
    if not text.strip() or not text.isprintable():
        raise Invalid(f"is no name on one line {name}=`{text:.80}`", next_step="write it plainly")
    return text.strip()


def _slug(person: str) -> str:
    """A file name out of a name."""
    name = person.partition("<")[0].strip() or person
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "key"


def _own_folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "arco-audit"
