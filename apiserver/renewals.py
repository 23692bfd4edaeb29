"""What is remembered of Leases that are renewed: see ``verbs.renew``."""

from typing import Final, NamedTuple

RENEWALS_MAX: Final = 50_000
"""Leases of which the last renewal is remembered, 1 KB each; at the bound all are forgotten."""


class Renewal(NamedTuple):
    """How a Lease was renewed the last time: the same text with another revision and moment may
    come again, for the same value."""

    value: bytes
    header: bytes
    owned_at: int
    """Where in the value the owner's time is, and where renewTime."""
    moment_at: int
    agent: str
    before: bytes
    """The text of the request up to the digits of the revision, from there to those of the moment,
    and what follows."""
    between: bytes
    after: bytes
