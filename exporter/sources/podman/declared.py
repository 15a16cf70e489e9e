"""From podman's replies to facts: what was asked for, in the words of `facts.container`.

Everything here may come from a container's image or from a user's own podman: text is cut to a length.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from msgspec import UNSET

from exporter.facts.container import (
    Container,
    ContainerNetwork,
    DeclaredLimits,
    DeclaredMount,
    DeclaredSecurity,
    IdRange,
)
from exporter.facts.network import AddressPool
from exporter.sources.podman.create_command import CreateFlags, parse_create_command
from exporter.sources.podman.names import NAME_WIDTH, container_name, cut
from exporter.sources.podman.replies import (
    HostConfig,
    Inspect,
    InspectConfig,
    InspectMount,
    InspectNetwork,
    Listing,
    Network,
    OciConfig,
)

IMAGE_WIDTH = 512
PATH_WIDTH = 4096  # PATH_MAX
WORD_WIDTH = 128
LIST_LENGTH = 256
SUBNETS_LENGTH = 16
DEFAULT_CPU_PERIOD_MICROSECONDS = 100_000
USERNS_ANNOTATION = "io.podman.annotations.userns"  # podman 5; podman 4 writes none
SUFFIXES = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)I?B?", re.ASCII)
ID_RANGE = re.compile(r"([0-9]{1,10}):([0-9]{1,10}):([0-9]{1,10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Declared:
    """What inspect and config.json say of one container: it stays true until the container changes state."""

    network_mode: str
    restart_policy: str
    cgroup_path: str
    storage_path: str
    networks: tuple[ContainerNetwork, ...]  # the driver is not known here
    mounts: tuple[DeclaredMount, ...]
    limits: DeclaredLimits
    security: DeclaredSecurity


def container(listing: Listing, declared: Declared | None, networks: Mapping[str, Network], user: str) -> Container:
    """One container: its state from the list, the rest from `declared`; None where inspect had no answer."""
    listed = Container(
        id=listing.id,
        name=container_name(user, listing.names[0] if listing.names else listing.id[:12]),
        user=user,
        image=cut(listing.image, IMAGE_WIDTH),
        image_id=cut(listing.image_id, WORD_WIDTH),
        state=cut(listing.state, WORD_WIDTH).lower(),
        health=cut(listing.status, WORD_WIDTH).lower(),
        pid=listing.pid if listing.pid > 0 else None,
        exit_code=listing.exit_code if listing.exited else None,
        # Go's zero time, the year 1, is -62135596800: never.
        exited_at_seconds=float(listing.exited_at) if listing.exited_at > 0 else None,
        started_at_seconds=float(listing.started_at) if listing.started_at > 0 else None,
        unit=cut(listing.labels.unit, NAME_WIDTH) if listing.labels else "",
        pod=cut(listing.pod_name, NAME_WIDTH),
        is_infra=listing.is_infra,
        restarts=listing.restarts,
        inspected=False,
    )
    if declared is None:
        return listed
    return replace(
        listed,
        network_mode=declared.network_mode,
        restart_policy=declared.restart_policy,
        cgroup_path=declared.cgroup_path,
        storage_path=declared.storage_path,
        networks=tuple(_with_driver(network, networks.get(network.name)) for network in declared.networks),
        mounts=declared.mounts,
        limits=declared.limits,
        security=declared.security,
        inspected=True,
    )


def declare(reply: Inspect, config: OciConfig | None) -> Declared:
    """What `reply` and `config` say; None stands for a config.json that was not written yet or could not be read."""
    host = reply.host_config or HostConfig()
    asked = reply.config or InspectConfig()
    flags = None if asked.create_command is None else parse_create_command(asked.create_command)
    settings = reply.network_settings
    return Declared(
        network_mode=cut(host.network_mode, NAME_WIDTH),
        restart_policy=cut(host.restart_policy.name, WORD_WIDTH) if host.restart_policy else "",
        cgroup_path=cut(reply.state.cgroup_path, PATH_WIDTH) if reply.state else "",
        storage_path=cut(reply.static_dir, PATH_WIDTH),
        networks=_networks((settings.networks if settings else None) or {}),
        mounts=_mounts(reply.mounts or (), flags or CreateFlags(), config),
        limits=_limits(host),
        security=replace(_security(reply, host, config), userns_auto=_userns_auto(asked, flags)),
    )


def _networks(networks: Mapping[str, InspectNetwork | None]) -> tuple[ContainerNetwork, ...]:
    found = []
    for name, said in list(networks.items())[:LIST_LENGTH]:
        network = said or InspectNetwork()
        more = [*(network.more_ipv4 or ()), *(network.more_ipv6 or ())]
        addresses = [network.ipv4, network.ipv6, *(one.address for one in more)]
        found.append(
            ContainerNetwork(
                name=cut(name, NAME_WIDTH),
                driver="",
                ip_addresses=_words(address for address in addresses if address),
                mac_address=cut(network.mac, WORD_WIDTH),
            )
        )
    return tuple(found)


def _with_driver(network: ContainerNetwork, known: Network | None) -> ContainerNetwork:
    if known is None:
        return network
    return replace(
        network,
        driver=cut(known.driver, WORD_WIDTH),
        parent=cut(known.interface, WORD_WIDTH),
        pools=_pools(known),
    )


def _pools(network: Network) -> tuple[AddressPool, ...]:
    # A network of the time before podman 4.5 has no ipam_options, and podman gives out its addresses.
    if network.ipam_options is not None and network.ipam_options.driver not in {"", "host-local"}:
        return ()
    return tuple(
        AddressPool(
            cut(one.subnet, WORD_WIDTH),
            cut(one.gateway, WORD_WIDTH),
            cut(one.lease_range.start, WORD_WIDTH) if one.lease_range else "",
            cut(one.lease_range.end, WORD_WIDTH) if one.lease_range else "",
        )
        for one in (network.subnets or ())[:SUBNETS_LENGTH]
    )


def _mounts(mounts: Iterable[InspectMount], flags: CreateFlags, config: OciConfig | None) -> tuple[DeclaredMount, ...]:
    idmapped = {mount.destination for mount in (config.mounts if config else None) or () if mount.uid_mappings}
    return tuple(
        DeclaredMount(
            source=cut(mount.source, PATH_WIDTH),
            destination=cut(mount.destination, PATH_WIDTH),
            kind=cut(mount.type, WORD_WIDTH),
            writable=mount.rw,
            flags=_mount_flags(mount, flags, idmapped=mount.destination in idmapped),
        )
        for mount in list(mounts)[:LIST_LENGTH]
    )


def _mount_flags(mount: InspectMount, flags: CreateFlags, *, idmapped: bool) -> tuple[str, ...]:
    """What was typed; what podman kept in Mode (Z, z of named volumes); and idmap, of which config.json tells."""
    typed = flags.volumes.get(posixpath.normpath(mount.destination), ())
    idmap = ["idmap"] if idmapped or "idmap" in (mount.options or ()) else []
    return _words(dict.fromkeys([*typed, *filter(None, mount.mode.split(",")), *idmap]))


def _limits(host: HostConfig) -> DeclaredLimits:
    cpu_cores = host.nano_cpus / 1e9 if host.nano_cpus > 0 else None
    if host.cpu_quota > 0:
        period = host.cpu_period if host.cpu_period > 0 else DEFAULT_CPU_PERIOD_MICROSECONDS
        cpu_cores = host.cpu_quota / period
    return DeclaredLimits(
        memory_bytes=host.memory if host.memory > 0 else None,
        memory_high_bytes=parse_size((host.cgroup_conf or {}).get("memory.high", "")),
        memory_swap_bytes=host.memory_swap if host.memory_swap > 0 else None,
        cpu_cores=cpu_cores,
        pids=host.pids_limit if host.pids_limit > 0 else None,
    )


def _security(reply: Inspect, host: HostConfig, config: OciConfig | None) -> DeclaredSecurity:
    options = host.security_opt or ()
    maps = host.id_mappings
    return DeclaredSecurity(
        read_only_rootfs=host.readonly_rootfs,
        auto_remove=host.auto_remove,
        privileged=host.privileged,
        bounding_capabilities=_bounding_capabilities(reply, config),
        no_new_privileges=config.process.no_new_privileges if config else "no-new-privileges" in options,
        seccomp=_seccomp(options, config),
        selinux_process_label=_label(reply.process_label),
        apparmor_profile=_label(reply.app_armor_profile),
        userns_mode=_label(host.userns_mode),
        uid_map=parse_id_map((maps.uid_map if maps else None) or ()),
        gid_map=parse_id_map((maps.gid_map if maps else None) or ()),
        pid_mode=cut(host.pid_mode, NAME_WIDTH),
        ipc_mode=cut(host.ipc_mode, NAME_WIDTH),
        uts_mode=cut(host.uts_mode, NAME_WIDTH),
        cgroup_mode=cut(host.cgroup_mode, NAME_WIDTH),
        masked_paths=_words(config.linux.masked_paths or ()) if config else None,
        read_only_paths=_words(config.linux.readonly_paths or ()) if config else None,
        devices=_words(device.path_on_host for device in host.devices or ()),
    )


def _bounding_capabilities(reply: Inspect, config: OciConfig | None) -> tuple[str, ...] | None:
    if config is not None:
        return _words((config.process.capabilities.bounding if config.process.capabilities else None) or ())
    return None if reply.bounding_caps is UNSET else _words(reply.bounding_caps or ())


def _seccomp(options: Iterable[str], config: OciConfig | None) -> str | None:
    """SecurityOpt names a profile only if one was asked for; that a filter exists at all stands in config.json."""
    for option in options:
        if option.startswith("seccomp="):
            return cut(option.removeprefix("seccomp="), PATH_WIDTH)
    if config is None:
        return None
    return "default" if config.linux.seccomp is not None else "unconfined"


def _userns_auto(asked: InspectConfig, flags: CreateFlags | None) -> bool | None:
    mode = (asked.annotations or {}).get(USERNS_ANNOTATION)
    if mode is None:
        if flags is None:
            return None
        mode = flags.userns
    return mode.partition(":")[0] == "auto"


def _label(text: str | None) -> str | None:
    return None if text is None else cut(text, PATH_WIDTH)


def _words(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(cut(word, PATH_WIDTH) for word in words)[:LIST_LENGTH]


def parse_size(text: str) -> int | None:
    """Bytes of a cgroup's figure such as `100M`; None for `max`, for nothing and for what is no figure."""
    found = SIZE.fullmatch(text.strip().upper())
    return int(found[1]) << SUFFIXES[found[2]] if found else None


def parse_id_map(lines: Iterable[str]) -> tuple[IdRange, ...]:
    """The ranges of lines such as `0:2147484671:1024`; a line that is none is left out."""
    found = (ID_RANGE.fullmatch(line) for line in lines)
    return tuple(IdRange(int(one[1]), int(one[2]), int(one[3])) for one in found if one)[:LIST_LENGTH]
