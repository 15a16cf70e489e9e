"""Every metric that Bulkhead serves, in the order of the page. A new metric is a row in one of these tables."""

from __future__ import annotations

from exporter.present.metrics import (
    container,
    counts,
    hardening,
    host,
    isolation,
    itself,
    limits,
    memory,
    process,
    storage,
    volumes,
)
from exporter.present.metrics.family import Family

SECTIONS: tuple[tuple[str, tuple[Family, ...]], ...] = (
    ("Containers", container.FAMILIES),
    ("Memory", memory.FAMILIES),
    ("OOM kills, restarts and denials", counts.FAMILIES),
    ("Limits", limits.FAMILIES),
    ("ZFS", storage.FAMILIES),
    ("Volumes", volumes.FAMILIES),
    ("Hardening", hardening.FAMILIES),
    ("Ids and networks", isolation.FAMILIES),
    ("The host", host.FAMILIES),
    ("The agent", (*itself.FAMILIES, *process.FAMILIES)),
)
FAMILIES: tuple[Family, ...] = tuple(family for _, families in SECTIONS for family in families)
