"""Speaking with others: what a run is in formats that other tools read, and what they say in ours.

Pure functions over records and bytes: exports turn a run into files, `ingest` turns files of others
into one shape. Nothing here reads a disk, asks the network or decides a status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit.exchange import ctrf, cyclonedx, junit, oscal, sarif
from audit.exchange.source import Source

Export = Callable[[Source], dict[str, bytes]]

EXPORTS: Mapping[str, Export] = {
    "junit": junit.export,
    "sarif": sarif.export,
    "ctrf": ctrf.export,
    "oscal": oscal.export,
    "cyclonedx": cyclonedx.export,
}
"""Every format with what turns a run into its files, by their usual names."""

__all__ = ["EXPORTS", "Export", "Source"]
