"""The containers of the lab: one that follows every practice of the seed, and each way to depart from it.

A departure is written as a difference from the good quadlet, so that a `bad-*` container breaks exactly the check
that it names and nothing else: what is common cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.lab.packages import RELEASE

IMAGE = "localhost/lab"
LIMIT_BYTES = 128_000_000
"""The seed's 512000000 scaled to a guest of 4 GiB; large enough for podman itself, which starts in the same service."""


@dataclass(frozen=True, slots=True)
class Container:
    """One quadlet, as its difference from the good one."""

    name: str
    breaks: str = ""
    """Id of the one check that fails for it, empty if none should."""
    without: tuple[str, ...] = ()
    """Lines of the good quadlet that begin with any of these are left out."""
    container: tuple[str, ...] = ()
    """Lines added to [Container]."""
    service: tuple[str, ...] = ()
    """Lines added to [Service]."""
    command: str = "/bin/hold 8"
    slice_name: str | None = None
    """None: a slice of its own."""
    at_boot: bool = True
    own_dataset: bool = True
    quota: bool = True
    unit: tuple[str, ...] = field(default=())
    """Lines added to [Unit]."""


LIMITS_IN_UNIT = ("MemoryMax=", "MemoryHigh=")
LIMITS_IN_PODMAN = ("PodmanArgs=--memory",)
NETWORK = ("Network=", "IP=")
VOLUME = ("Volume=",)

CORE = (
    # 96 MiB of 128000000 bytes: 78.6 %, the seed's "roughly 80 %".
    Container("objects02", command="/bin/hold 96"),
    Container("good01", command="/bin/hold 32"),
    Container("noslice", breaks="own_slice", slice_name="system.slice"),
    Container(
        "privileged1",
        breaks="not_privileged",
        without=("DropCapability=", "NoNewPrivileges=", "UserNS=", "ReadOnly="),
        container=("PodmanArgs=--privileged",),
    ),
    Container(
        "oomloop",
        without=("PodmanArgs=--memory", "RestartSec="),
        container=("PodmanArgs=--memory=32000000b",),
        service=("RestartSec=5s",),
        unit=("StartLimitIntervalSec=0",),
        command="/bin/tail /dev/zero",
        at_boot=False,
    ),
    Container(
        "exitloop",
        without=("RestartSec=",),
        service=("RestartSec=5s",),
        unit=("StartLimitIntervalSec=0",),
        command="/bin/sh -c 'sleep 1; exit 1'",
        at_boot=False,
    ),
    Container(
        "workeroom",
        without=LIMITS_IN_PODMAN,
        container=("PodmanArgs=--memory=32000000b",),
        command="/bin/sh -c 'trap \"exit 0\" TERM; while :; do tail /dev/zero; sleep 5 & wait $!; done'",
        at_boot=False,
    ),
    Container(
        "service-binds",
        without=LIMITS_IN_UNIT,
        service=("MemoryHigh=96000000", "MemoryMax=96000000"),
        command="/bin/hold 48",
    ),
    # Its slice unit, in guest/, says MemoryMax=96000000.
    Container("slice-binds", slice_name="services-slice_binds.slice", command="/bin/hold 48"),
    Container("shared-a", container=("Volume=/data/shared:/shared:rw,z,idmap",)),
    Container("shared-b", container=("Volume=/data/shared:/shared:ro,z,idmap",)),
    # podman 5.4 lets it ask for ids of its own and silently gives it its pod's; 5.8 does not start it then.
    Container("inpod1", without=NETWORK + (("UserNS=",) if RELEASE != "trixie" else ()), container=("Pod=stack.pod",)),
    Container(
        "missing1",
        without=("Restart=", "RestartSec="),
        service=("ExecStartPre=/bin/false", "Restart=no"),
    ),
)

BAD = (
    Container("bad-writable-rootfs", breaks="read_only_rootfs", without=("ReadOnly=",)),
    Container("bad-kept", breaks="auto_remove", container=("PodmanArgs=--rm=false",)),
    Container(
        "bad-capability",
        breaks="all_capabilities_dropped",
        container=("AddCapability=CAP_NET_BIND_SERVICE",),
    ),
    Container("bad-new-privileges", breaks="no_new_privileges", without=("NoNewPrivileges=",)),
    Container("bad-no-userns", breaks="private_user_namespace", without=("UserNS=",)),
    Container("bad-label-disable", breaks="selinux_confined", container=("SecurityLabelDisable=true",)),
    Container(
        "bad-unlabelled-volume",
        breaks="volumes_labelled_private",
        without=VOLUME,
        container=("Volume=/data/containers/bad-unlabelled-volume:/data:rw",),
    ),
    Container(
        "bad-shared-no-idmap",
        breaks="shared_volumes_idmapped",
        container=("Volume=/data/shared-no-idmap:/shared:rw,z",),
    ),
    Container(
        "bad-shared-no-idmap-peer",
        breaks="shared_volumes_idmapped",
        container=("Volume=/data/shared-no-idmap:/shared:ro,z",),
    ),
    Container(
        "bad-seccomp-unconfined",
        breaks="seccomp_filtered",
        container=("SeccompProfile=unconfined",),
    ),
    Container("bad-shared-slice", breaks="own_slice", slice_name="services-together.slice"),
    Container("bad-shared-slice-peer", breaks="own_slice", slice_name="services-together.slice"),
    Container("bad-no-memory-limit", breaks="memory_limited", without=LIMITS_IN_UNIT + LIMITS_IN_PODMAN),
    Container("bad-no-cpu-limit", breaks="cpu_limited", without=("CPUQuota=", "PodmanArgs=--cpus")),
    Container(
        "bad-no-pids-limit",
        breaks="pids_limited",
        without=("PidsLimit=", "TasksMax="),
        container=("PidsLimit=-1",),
        service=("TasksMax=infinity",),
    ),
    Container("bad-limit-once", breaks="limits_redundant", without=("MemoryMax=",)),
    Container(
        "bad-no-dataset",
        breaks="own_dataset",
        own_dataset=False,
        without=VOLUME,
        container=("Volume=/srv/bad-no-dataset:/data:rw,Z",),
    ),
    Container("bad-no-quota", breaks="dataset_quota", quota=False),
    Container("bad-bridge", breaks="macvlan_network", without=NETWORK, container=("Network=plain.network",)),
    Container(
        "bad-restart-always-fast",
        breaks="restart_paced",
        without=("Restart=", "RestartSec="),
        service=("Restart=always", "RestartSec=100ms"),
    ),
    Container("bad-host-pid", breaks="no_host_namespaces", container=("PodmanArgs=--pid=host",)),
    Container(
        "bad-host-path",
        breaks="no_host_path_of_the_system",
        container=("Volume=/etc:/host/etc:ro",),
    ),
)

ALL = CORE + BAD


def slice_of(c: Container) -> str:
    """systemd nests slices at each dash, so a name's own dashes become underscores."""
    return c.slice_name or f"services-{c.name.replace('-', '_')}.slice"


def quadlet(c: Container, number: int, image: str, after: str | None) -> str:
    """The quadlet of `c`; `number` sets its static address, `after` keeps slow starts from racing each other."""

    def kept(*lines: str) -> list[str]:
        return [line for line in lines if not line.startswith(c.without or ("\0",))]

    unit = [f"Description=Lab container {c.name}", *([f"After={after}"] if after else []), *c.unit]
    container = kept(
        f"ContainerName={c.name}",
        f"Image={image}",
        f"Exec={c.command}",
        "ReadOnly=true",
        "DropCapability=all",
        "NoNewPrivileges=true",
        "UserNS=auto",
        "Network=lan.network",
        f"IP=10.99.0.{number}",
        f"Volume=/data/containers/{c.name}:/data:rw,Z",
        "PidsLimit=128",
        "PodmanArgs=--cpus=1",
        f"PodmanArgs=--memory={LIMIT_BYTES}b",
    )
    service = kept(
        f"Slice={slice_of(c)}",
        "Restart=on-failure",
        "RestartSec=10s",
        "TimeoutStopSec=70",
        "TimeoutStartSec=300",
        "CPUAccounting=true",
        "CPUQuota=100%",
        "MemoryAccounting=true",
        f"MemoryHigh={LIMIT_BYTES}",
        f"MemoryMax={LIMIT_BYTES}",
        "TasksMax=128",
    )
    sections: list[tuple[str, list[str]]] = [
        ("Unit", unit),
        ("Container", container + list(c.container)),
        ("Service", service + list(c.service)),
    ]
    if c.at_boot:
        sections.append(("Install", ["WantedBy=multi-user.target"]))
    return "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections)


def files(image: str, *, lanes: int = 2) -> dict[str, str]:
    """Every generated file of the guest by its path: the quadlets, and the list of datasets to make.

    Starts at boot are chained in `lanes` lanes: thirty podmans at once on two emulated cores run into time limits.
    """
    result: dict[str, str] = {}
    last: list[str | None] = [None] * lanes
    for index, c in enumerate(ALL):
        lane = index % lanes
        after = last[lane] if c.at_boot else None
        result[f"etc/containers/systemd/{c.name}.container"] = quadlet(c, index + 10, image, after)
        if c.at_boot:
            last[lane] = f"{c.name}.service"
    rows = [f"{c.name} {'64M' if c.quota else 'none'}" for c in ALL if c.own_dataset]
    result["etc/lab/datasets"] = "\n".join(rows) + "\n"
    return result
