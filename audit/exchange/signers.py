"""Whose signature counts on evidence of others: keys of a trust file that hold a role now.

Here a roster becomes the `Verify` that `ingest` takes. How a signature is checked is the kernel's
business.
"""

from __future__ import annotations

from audit.errors import Invalid
from audit.exchange.ingested import Verify
from evidence import roster
from evidence.dsse import SIGNATURES_MAX, Envelope
from evidence.roster import Roster


def verifier(trusted: Roster, role: str, utc: str) -> Verify:
    """Return what says who signed: people of `trusted` whose keys hold `role` at the instant `utc`.

    A scheme that is not checked here, and a signature without a key id (PEP 740, Sigstore), is
    neither good nor refused.
    """

    def verify(envelope: Envelope) -> str:
        if len(envelope.signatures) > SIGNATURES_MAX:
            raise Invalid(f"it has more than {SIGNATURES_MAX} signatures")
        if not any(signature.keyid for signature in envelope.signatures):
            return ""
        signed = roster.signers(envelope, trusted)
        why = {key.person: roster.may(key, role, utc) for key in signed.keys}
        people = {person for person, problem in why.items() if not problem}
        wanted = trusted.people_for(role, 1)
        if len(people) >= wanted:
            return ", ".join(sorted(people))
        if signed.unchecked:
            return ""
        told = [*signed.refused, *(problem for problem in why.values() if problem)]
        short = f"{len(people)} of {wanted} people who hold the role {role} signed it"
        raise Invalid("; ".join([short, *told]))

    return verify
