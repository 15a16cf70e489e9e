"""Questions that are well asked and may have no answer: what they ask for, and why. Others have one."""

from __future__ import annotations

ON_THE_EXAMPLE_HOST = {
    "ALERTS": "only while an alert fires, where Prometheus evaluates the rules",
    "bulkhead_unattributed_oom_kills_total": "only after a kill that no container can be blamed for",
    "bulkhead_zfs_dataset_refquota_bytes": "the example host has quotas and no refquotas",
    "bulkhead_container_avc_denials_total": "the example host was recorded without SELinux denials",
    "bulkhead_zfs_pool_last_scrub_timestamp_seconds": "the pool of the example host was never scrubbed",
}

IN_THE_LAB = ON_THE_EXAMPLE_HOST | {
    "increase(bulkhead_container_oom_kills_total": "shows kills alone, and a host that is well has none",
    "increase(bulkhead_container_oom_kills_by_limit_total": "shows kills alone, and a host that is well has none",
    "increase(bulkhead_container_restarts_total": "shows restarts alone, and a host that is well has none",
    "increase(bulkhead_container_exits_total": "shows ends alone, and on a host that is well none ends",
    "bulkhead_container_last_oom_kill_timestamp_seconds": "only after a kill",
    "bulkhead_container_last_exit_code": "only after an end",
    'name="memory_critical_ratio"': "shows what is over a threshold alone",
    'name="quota_critical_ratio"': "shows what is over a threshold alone",
    'kind=~"not_applied|mismatch"': "only where a limit is not as asked",
    "deriv(bulkhead_zfs_dataset_quota_ratio": "only where a dataset grows",
    "waiver_expiry_timestamp_seconds": "only where something is waived until a day",
}
