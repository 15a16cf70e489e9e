"""What can be set: the tables, their keys, their defaults, and which values have to ascend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from exporter.config.alertmanagers import Alertmanager, read_alertmanagers
from exporter.config.statements import KeyPath
from exporter.config.values import (
    ABSOLUTE_PATH,
    ADDRESSES,
    COUNT,
    DATASET_PATTERNS,
    DAYS,
    HOSTS,
    INSTANCE,
    LABEL_VALUE,
    LABELS,
    LOG_FORMAT,
    LOG_LEVEL,
    LONG_SECONDS,
    OPTIONAL_FILE,
    PODMAN_SOCKETS,
    RATIO,
    RESEND_SECONDS,
    RESTARTS,
    SECONDS,
    Kind,
)
from exporter.config.waivers import CheckIds, read_waivers
from exporter.facts.podman import PodmanSocket
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver


@dataclass(frozen=True, slots=True)
class Series:
    """The guard on the number of series: what is beyond is dropped, counted and told."""

    max_containers: int = 1000
    max_series: int = 100_000


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of what is gone the ledger remembers."""

    forget_days: float = 7
    max_containers: int = 2000


@dataclass(frozen=True, slots=True)
class Zfs:
    """Which datasets are of no interest while no container mounts them."""

    leave_out: tuple[str, ...] = ()  # patterns of names; * matches a slash too


@dataclass(frozen=True, slots=True)
class Log:
    """The log on stderr."""

    level: str = "info"  # debug, info, warning, error
    format: str = "logfmt"  # or json


@dataclass(frozen=True, slots=True)
class Web:
    """How the pages are served."""

    hosts: tuple[str, ...] = ()  # names in the Host of requests, beside this host's own; * is every name
    config_file: Path | None = None  # TLS, users and headers, in the format that Prometheus' exporters share


@dataclass(frozen=True, slots=True)
class Alerts:
    """The labels of the agent's own alerts, as the Prometheus that scrapes it sets them."""

    instance: str = ""  # "": this host's name and the port of the first `listen`
    job: str = "bulkhead"
    external_labels: tuple[tuple[str, str], ...] = ()
    resend_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of the agent."""

    listen: tuple[str, ...] = ("127.0.0.1:9946", "[::1]:9946")  # this host alone; another address has to be asked for
    state_dir: Path = Path("/var/lib/bulkhead")
    podman_sockets: tuple[PodmanSocket, ...] = (PodmanSocket("unix:///run/podman/podman.sock"),)
    clocks: Mapping[str, float] = field(default_factory=dict)  # by the collector's clock, where set: seconds
    thresholds: Thresholds = field(default_factory=Thresholds)
    series: Series = field(default_factory=Series)
    ledger: Memory = field(default_factory=Memory)
    zfs: Zfs = field(default_factory=Zfs)
    log: Log = field(default_factory=Log)
    web: Web = field(default_factory=Web)
    alerts: Alerts = field(default_factory=Alerts)
    alertmanagers: tuple[Alertmanager, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    read_from: Path | None = None  # the file that was read; None: there is none


ReadArray: TypeAlias = Callable[[object], tuple[Any, list[tuple[KeyPath, str]]]]
"""The items of an array of tables, and what is wrong: the key at fault and the words."""

TABLES: dict[str, type] = {
    "thresholds": Thresholds,
    "series": Series,
    "ledger": Memory,
    "zfs": Zfs,
    "log": Log,
    "web": Web,
    "alerts": Alerts,
}
# The unit is in the name, so the name tells what is allowed.
_KIND_OF_LAST_WORD = {
    "seconds": SECONDS,
    "ratio": RATIO,
    "restarts": RESTARTS,
    "days": DAYS,
    "containers": COUNT,
    "denials": COUNT,
    "gaps": COUNT,
    "series": COUNT,
    "out": DATASET_PATTERNS,
    "level": LOG_LEVEL,
    "format": LOG_FORMAT,
    "instance": INSTANCE,
    "job": LABEL_VALUE,
    "file": OPTIONAL_FILE,
    "hosts": HOSTS,
    "labels": LABELS,
}
KINDS: dict[KeyPath, Kind] = {
    ("listen",): ADDRESSES,
    ("state_dir",): ABSOLUTE_PATH,
    ("podman_sockets",): PODMAN_SOCKETS,
} | {
    (table, key.name): _KIND_OF_LAST_WORD[key.name.rpartition("_")[2]]
    for table, shape in TABLES.items()
    for key in fields(shape)
}
KINDS |= {
    ("thresholds", name): LONG_SECONDS
    for name in ("waiver_warning_seconds", "quota_filling_warning_seconds", "quota_filling_critical_seconds")
}
KINDS["alerts", "resend_seconds"] = RESEND_SECONDS
# The first has to be less than the second: otherwise the second can never say anything.
ASCENDING: tuple[tuple[KeyPath, KeyPath], ...] = (
    (("thresholds", "memory_warning_ratio"), ("thresholds", "memory_critical_ratio")),
    (("thresholds", "memory_target_ratio"), ("thresholds", "memory_critical_ratio")),
    (("thresholds", "memory_oversized_ratio"), ("thresholds", "memory_target_ratio")),
    (("thresholds", "memory_target_ratio"), ("thresholds", "memory_undersized_ratio")),
    (("thresholds", "quota_warning_ratio"), ("thresholds", "quota_critical_ratio")),
    (("thresholds", "quota_filling_critical_seconds"), ("thresholds", "quota_filling_warning_seconds")),
    (("thresholds", "pool_warning_ratio"), ("thresholds", "pool_critical_ratio")),
    (("series", "max_containers"), ("series", "max_series")),
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the collector brings to its configuration: this package knows no source and no check."""

    clocks: Mapping[str, float]  # by name: how often each source is asked unless the file says otherwise, in seconds
    checks: CheckIds


@dataclass(frozen=True, slots=True)
class Schema:
    """What a configuration may say."""

    tables: tuple[str, ...]
    kinds: Mapping[KeyPath, Kind]
    arrays: Mapping[KeyPath, ReadArray]  # of tables, each with problems of its own
    ascending: tuple[tuple[KeyPath, KeyPath], ...]
    defaults: Mapping[KeyPath, Any]  # of the keys in tables
    passed_over: frozenset[str] = frozenset()  # top keys that another process judges


def schema(vocabulary: Vocabulary | None) -> Schema:
    """The schema, with a key in [clocks] for each clock, and waivers of these checks; None: others judge both."""
    if vocabulary is None:
        return replace(schema(Vocabulary({}, CheckIds((), ()))), passed_over=frozenset({"clocks", "waivers"}))
    keys: dict[KeyPath, float] = {("clocks", f"{name}_seconds"): seconds for name, seconds in vocabulary.clocks.items()}
    return Schema(
        tables=("clocks", *TABLES),
        kinds=KINDS | dict.fromkeys(keys, SECONDS),
        arrays={("alertmanagers",): read_alertmanagers, ("waivers",): partial(read_waivers, ids=vocabulary.checks)},
        ascending=(*ASCENDING, *((key, ("thresholds", "collector_stale_seconds")) for key in keys)),
        defaults=keys
        | {(table, key.name): getattr(shape(), key.name) for table, shape in TABLES.items() for key in fields(shape)},
    )
