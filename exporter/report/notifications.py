"""How delivery of alerts to Alertmanagers is doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """How many alerts went to one Alertmanager with one result."""

    alertmanager: str  # its address, without credentials
    result: str  # accepted, rejected, failed
    count: int


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """Times from event to acceptance. `counts` has one more entry than bounds: what took longer than the last."""

    bounds_seconds: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
    counts: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # of each bucket alone, not cumulative
    sum_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Notifications:
    """How delivery to Alertmanagers is doing. The default is the truth where none is configured."""

    deliveries: tuple[DeliveryCount, ...] = ()
    queued: int = 0
    latency: LatencyHistogram = LatencyHistogram()
    problem: str = ""  # why what waits is kept in memory alone; "" when it is on disk
