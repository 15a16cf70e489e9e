"""Every threshold, once, each with its reason. Exported as `bulkhead_threshold{name=...}`."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers that rules and judgements compare with. A host's configuration may change each."""

    # Limits are to be sized so that use stands near 80 %: a limit is right when its peak is at this ratio.
    memory_target_ratio: float = 0.80
    # Limits are meant to be 80 % used, so 80 % is no alarm; the last tenth is.
    memory_warning_ratio: float = 0.90
    memory_critical_ratio: float = 0.97
    # Near its limit, a container that waits for memory a tenth of its time is slow; systemd-oomd kills at six tenths.
    memory_pressure_ratio: float = 0.10
    # Of a week's use: halfway from the target to the limit nothing is left for a busy day; at half the target, the
    # limit is twice what it has to be.
    memory_undersized_ratio: float = 0.90
    memory_oversized_ratio: float = 0.40
    # A copy-on-write file system slows down well before its quota is reached (openzfs#1668).
    quota_warning_ratio: float = 0.85
    quota_critical_ratio: float = 0.95
    # Growth foretells a full quota: a long weekend to mend it, or an hour or two awake. Below the ratio it foretells
    # nothing: somebody fills a new dataset.
    quota_filling_ratio: float = 0.60
    quota_filling_warning_seconds: float = 345_600
    quota_filling_critical_seconds: float = 14_400
    # Beyond 80 % a pool's free space is in pieces, and allocation slows down.
    pool_warning_ratio: float = 0.80
    pool_critical_ratio: float = 0.90
    # Of the ids for containers, so that there is time to enlarge the range.
    ids_warning_ratio: float = 0.80
    # A denial now and then is how SELinux works; one every six minutes is a wrong label, or an attempt.
    selinux_hourly_denials: float = 10
    # A source whose events have gaps is read in full each time: one is no trouble, three within an hour are.
    hourly_event_gaps: float = 3
    # Three automatic restarts in ten minutes is a loop for RestartSec=10s and a start of seconds.
    restart_loop_restarts: float = 3
    restart_loop_window_seconds: float = 600
    # A restart each quarter of an hour, for hours, is a loop too: one that is too slow for the two above.
    hourly_restarts: float = 4
    # A source whose answer is older than this is stale: twice the slowest default clock.
    collector_stale_seconds: float = 600
    # Two weeks: time to mend what was accepted, or to accept it again, before it fails.
    waiver_warning_seconds: float = 1_209_600

    def as_pairs(self) -> tuple[tuple[str, float], ...]:
        """Name and value of every threshold, in the order above."""
        return tuple((field.name, float(getattr(self, field.name))) for field in fields(self))
