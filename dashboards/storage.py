# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the storage dashboard: what fills, what runs out, and what two containers share."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import course, number, ranking
from dashboards.tables import Column, listing
from dashboards.terms import (
    ANY,
    DATASET,
    GREEN,
    HOST,
    ONE,
    ORANGE,
    QUOTA_STEPS,
    RED,
    SOME,
    TO_CONTAINER,
    TO_HOST,
    threshold_lines,
)

_DATASET = "by (job, instance, dataset)"
_POOL = "by (job, instance, pool)"
_VOLUME = "by (job, instance, container, destination)"
_HOUR_SECONDS, _DAY_SECONDS = 3_600, 86_400
# No more than four in five: a pool of copy-on-write slows down, and ranges of ids have to be found in one piece.
_ROOM = ((0.8, ORANGE), (0.9, RED))


def _glance() -> list[model.Panel]:
    used = f'bulkhead_userns_ids{{{HOST},kind="uid",state="used"}}'
    total = f'bulkhead_userns_ids{{{HOST},kind="uid",state="total"}}'
    panels = [
        number(
            "Fullest quota",
            f"max(bulkhead_zfs_dataset_quota_ratio{{{HOST}}})",
            about="Of all datasets.",
            unit="percentunit",
            steps=QUOTA_STEPS,
            alert="BulkheadQuotaNearlyFull",
        ),
        number(
            "Pools not online",
            f'count(bulkhead_zfs_pool_state{{{HOST},state="online"}} == 0) or vector(0)',
            about="Degraded, faulted, suspended or away.",
            steps=ANY,
        ),
        number(
            "User ids taken",
            f"max({used} / ignoring (state) {total})",
            about="Of the range that --userns auto takes from, on the host where it is fullest.",
            unit="percentunit",
            steps=_ROOM,
        ),
        number(
            "Overlapping ids",
            f"sum(bulkhead_userns_overlaps{{{HOST}}})",
            about="Ranges of two containers, or of a container and an account of the host, that overlap.",
            steps=ANY,
        ),
        number(
            "Labels not as they should be",
            f'count(bulkhead_container_volume_label{{{ONE},kind=~"foreign|unlabelled"}}) or vector(0)',
            about="Volumes with a label that is not the container's, or none.",
            steps=SOME,
        ),
        number(
            "Duplicate addresses",
            f"sum(bulkhead_network_duplicate_addresses{{{HOST}}})",
            about="Addresses that two containers of one network have.",
            steps=ANY,
        ),
    ]
    return [panel.build() for panel in panels]


def _datasets() -> list[model.Panel]:
    ratio = f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}"

    def size(name: str) -> str:
        return f"max {_DATASET} (bulkhead_zfs_dataset_{name}_bytes{{{HOST}}})"

    columns = [
        Column("Dataset", label="dataset", width=280),
        Column("Host", label="instance", link=TO_HOST, width=180),
        Column(
            "Quota used",
            f"max {_DATASET} ({ratio})",
            unit="percentunit",
            decimals=1,
            steps=QUOTA_STEPS,
            gauge=True,
            width=160,
        ),
        Column(
            "Full in",
            f"(1 - max {_DATASET} ({ratio})) / (max {_DATASET} (deriv({ratio}[$__range])) > 0)",
            unit="s",
            base=RED,
            steps=((4 * _HOUR_SECONDS, ORANGE), (4 * _DAY_SECONDS, GREEN)),
        ),
        Column("Used", size("used"), unit="bytes", decimals=1),
        Column("Available", size("available"), unit="bytes", decimals=1),
        Column("By snapshots", size("used_by_snapshots"), unit="bytes", decimals=1),
        Column("Quota", size("quota"), unit="bytes", decimals=1),
        Column("Refquota", size("refquota"), unit="bytes", decimals=1),
        Column(
            "Containers",
            f"count {_DATASET} (max by (job, instance, container, dataset)"
            f" (bulkhead_container_dataset_info{{{HOST}}}))",
        ),
    ]
    table = listing(
        "Datasets",
        columns,
        about="Fullest first; full in: if it goes on to grow as it did in the time shown. Containers: that mount it.",
        worst_first="Quota used",
        height=12,
        alert="BulkheadQuotaNearlyFull",
    )
    bars = ranking(
        "Quota used",
        ratio,
        DATASET,
        warning="quota_warning_ratio",
        critical="quota_critical_ratio",
        about="The fuller of used over quota and referenced over refquota. Colours by the host's own thresholds.",
        alert="BulkheadQuotaNearlyFull",
    )
    course_of_quota = course(
        "Quota used over time",
        [(ratio, DATASET), threshold_lines("quota_(warning|critical)_ratio")],
        about="The dashed lines are the host's own warning and critical ratio.",
        unit="percentunit",
        width=16,
        most=1,
    )
    return [table.build(), bars.build(), course_of_quota.build()]


def _pools() -> list[model.Panel]:
    fill = f"bulkhead_zfs_pool_allocated_bytes{{{HOST}}} / bulkhead_zfs_pool_size_bytes{{{HOST}}}"
    table = listing(
        "Pools",
        [
            Column("Pool", label="pool"),
            Column("Host", label="instance", link=TO_HOST),
            Column(
                "State",
                f"max by (job, instance, pool, state) (bulkhead_zfs_pool_state{{{HOST}}} == 1)",
                label="state",
                texts={
                    "online": ("online", GREEN),
                    "degraded": ("degraded", ORANGE),
                    **{bad: (bad, RED) for bad in ("faulted", "offline", "removed", "unavail", "suspended")},
                },
            ),
            Column("Filled", f"max {_POOL} ({fill})", unit="percentunit", decimals=1, steps=_ROOM, gauge=True),
            Column("Free", f"max {_POOL} (bulkhead_zfs_pool_free_bytes{{{HOST}}})", unit="bytes", decimals=1),
            Column(
                "Fragmentation",
                f"max {_POOL} (bulkhead_zfs_pool_fragmentation_ratio{{{HOST}}})",
                unit="percentunit",
            ),
            Column("Data errors", f"max {_POOL} (bulkhead_zfs_pool_data_errors{{{HOST}}})", steps=ANY),
            Column("Device errors", f"sum {_POOL} (bulkhead_zfs_pool_device_errors_total{{{HOST}}})", steps=SOME),
            Column(
                "Last scrub",
                f"time() - max {_POOL} (bulkhead_zfs_pool_last_scrub_timestamp_seconds{{{HOST}}})",
                unit="s",
                base=GREEN,
                steps=((45 * _DAY_SECONDS, ORANGE),),
            ),
        ],
        about="Fragmentation is that of the free space. Errors: device errors were repaired, data errors were not.",
        worst_first="Filled",
        width=12,
    )
    over_time = course(
        "Pools filled over time",
        [(fill, "{{pool}} · {{instance}}"), threshold_lines("pool_(warning|critical)_ratio")],
        about="Allocated over size. Dashed lines are the hosts' own thresholds, where they have some.",
        unit="percentunit",
        most=1,
    )
    return [table.build(), over_time.build()]


def _volumes() -> list[model.Panel]:
    def size(name: str) -> str:
        return f"max {_VOLUME} (bulkhead_container_volume_{name}_bytes{{{ONE}}})"

    table = listing(
        "Volumes",
        [
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column("Destination", label="destination"),
            Column(
                "Used of size",
                f"{size('used')} / {size('size')}",
                unit="percentunit",
                decimals=1,
                steps=QUOTA_STEPS,
                gauge=True,
                width=160,
            ),
            Column("Size", size("size"), unit="bytes", decimals=1),
            Column("Available", size("available"), unit="bytes", decimals=1),
            Column(
                "File system",
                "max by (job, instance, container, destination, fstype)"
                f" (bulkhead_container_volume_size_bytes{{{ONE}}})",
                label="fstype",
            ),
            Column(
                "Label",
                f"max by (job, instance, container, destination, kind) (bulkhead_container_volume_label{{{ONE}}})",
                label="kind",
                texts={
                    "private": ("private (Z)", GREEN),
                    "shared": ("shared (z)", GREEN),
                    "foreign": ("foreign", RED),
                    "unlabelled": ("unlabelled", RED),
                },
            ),
        ],
        about="Each bind and volume of the chosen containers, on any file system, with its SELinux label.",
        worst_first="Used of size",
        height=12,
    )
    return [table.build()]


def _ids() -> list[model.Panel]:
    each = "by (job, instance, kind)"

    def ids(state: str) -> str:
        return f'max {each} (bulkhead_userns_ids{{{HOST},state="{state}"}})'

    table = listing(
        "User and group ids",
        [
            Column("Host", label="instance", link=TO_HOST),
            Column("Kind", label="kind"),
            Column(
                "Taken",
                f"{ids('used')} / {ids('total')}",
                unit="percentunit",
                decimals=1,
                steps=_ROOM,
                gauge=True,
            ),
            Column("Ids", ids("total")),
            Column("Largest free block", ids("largest_free_block")),
            Column("Containers left", f"max {each} (bulkhead_userns_containers_left{{{HOST}}})"),
            Column("Overlaps", f"max {each} (bulkhead_userns_overlaps{{{HOST}}})", steps=ANY),
        ],
        about="Of the range that --userns auto takes from: a container needs its ids in one block.",
        worst_first="Taken",
        width=12,
    )
    over_time = course(
        "User ids taken over time",
        [
            (f"{ids('used')} / {ids('total')}", "{{kind}} · {{instance}}"),
            threshold_lines("ids_warning_ratio"),
        ],
        about="Dashed lines are the hosts' own thresholds, where they have some.",
        unit="percentunit",
        most=1,
    )
    return [table.build(), over_time.build()]


def _networks() -> list[model.Panel]:
    addresses = "max by (job, instance, container, network, driver, parent, ip, mac)"
    table = listing(
        "Networks",
        [
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column("Network", f"{addresses} (bulkhead_container_network_info{{{ONE}}})", label="network"),
            Column("Driver", label="driver"),
            Column("Parent", label="parent"),
            Column("IP", label="ip"),
            Column("MAC", label="mac"),
        ],
        about="What each container is attached to, with its addresses.",
        worst_first="IP",
        width=16,
    )
    duplicates = listing(
        "Duplicate addresses by network",
        [
            Column("Host", label="instance", link=TO_HOST),
            Column("Network", label="network"),
            Column(
                "Duplicates",
                f"max by (job, instance, network) (bulkhead_network_duplicate_addresses{{{HOST}}})",
                steps=ANY,
            ),
        ],
        about="Addresses that two containers of the network have: both are hard to reach.",
        worst_first="Duplicates",
        width=8,
    )
    return [table.build(), duplicates.build()]


def _labels() -> list[model.Panel]:
    mode = listing(
        "SELinux",
        [
            Column("Host", label="instance", link=TO_HOST),
            Column(
                "Mode",
                f"max by (job, instance, mode) (bulkhead_selinux_mode{{{HOST}}} == 1)",
                label="mode",
                texts={
                    "enforcing": ("enforcing", GREEN),
                    "permissive": ("permissive", RED),
                    "disabled": ("disabled", RED),
                },
            ),
        ],
        about="Where it is not enforcing, labels keep nobody out.",
        worst_first="Mode",
        empty="No kernel here has SELinux.",
        width=6,
    )
    labels = listing(
        "Labels of containers",
        [
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column(
                "Type",
                f"max by (job, instance, container, type, level) (bulkhead_container_selinux_info{{{ONE}}})",
                label="type",
            ),
            Column("Level", label="level"),
        ],
        about="The label in force of its processes. Two containers with one level are not kept apart by it.",
        worst_first="Level",
        width=10,
    )
    denials = course(
        "SELinux denials",
        [
            (
                f"increase(bulkhead_container_avc_denials_total{{{ONE}}}[$__rate_interval]) > 0",
                "{{container}} · {{instance}}",
            )
        ],
        about="What SELinux refused to a container, or would have if it were enforcing.",
        unit="short",
        bars=True,
        width=8,
    )
    return [mode.build(), labels.build(), denials.build()]


ROWS = (
    ("At a glance", _glance),
    ("Datasets and quotas", _datasets),
    ("Pools", _pools),
    ("Volumes", _volumes),
    ("User ids", _ids),
    ("Networks", _networks),
    ("SELinux", _labels),
)
