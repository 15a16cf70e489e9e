"""Names that dashboards ask for and no page has yet: their sources are being built. A test says when to delete one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.promql import unknown_names

METRICS = {
    "bulkhead_container_volume_size_bytes": {"container", "destination", "fstype"},
    "bulkhead_container_volume_used_bytes": {"container", "destination", "fstype"},
    "bulkhead_container_volume_available_bytes": {"container", "destination", "fstype"},
    "bulkhead_container_volume_label": {"container", "destination", "kind"},
    "bulkhead_container_network_receive_bytes_total": {"container", "interface"},
    "bulkhead_container_network_transmit_bytes_total": {"container", "interface"},
    "bulkhead_container_network_info": {"container", "network", "driver", "parent", "ip", "mac"},
    "bulkhead_network_duplicate_addresses": {"network"},
    "bulkhead_container_selinux_info": {"container", "type", "level"},
    "bulkhead_container_avc_denials_total": {"container"},
    "bulkhead_userns_ids": {"kind", "state"},
    "bulkhead_userns_overlaps": {"kind"},
    "bulkhead_userns_containers_left": {"kind"},
    "bulkhead_zfs_pool_data_errors": {"pool"},
    "bulkhead_zfs_pool_device_errors_total": {"pool", "kind"},
    "bulkhead_zfs_pool_last_scrub_timestamp_seconds": {"pool"},
}
THRESHOLDS = {"pool_warning_ratio", "pool_critical_ratio", "ids_warning_ratio"}


def unknown_and_not_promised(expr: str) -> Iterator[str]:
    """Every metric and label in the expression that no page has or will have, in words."""
    labels = set().union(*METRICS.values())
    for unknown in unknown_names(expr):
        found = re.fullmatch(r"metric (\w+)|label (\w+) of (\w+)|label (\w+)", unknown)
        metric, label, of, listed = found.groups() if found else (None,) * 4
        if metric not in METRICS and label not in METRICS.get(of or "", ()) and listed not in labels:
            yield unknown
