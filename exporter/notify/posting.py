"""An alert as it is sent: finished, so that whoever sends it needs to know nothing of the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Posting:
    """One alert as it is to be posted to one peer now."""

    key: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_seconds: float
    ends_seconds: float
    fires: bool
    latest_seconds: float = 0.0
