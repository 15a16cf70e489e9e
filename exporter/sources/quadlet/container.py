"""What a command line of quadlet asks podman for, with podman 5.4's own defaults (containers.conf(5)).

The same facts as podman's inspect gives of a container that runs, but for what only a start decides: the pair of
categories of its label, the range of its ids, its addresses.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace

from exporter.facts.container import (
    MASKED_PATHS,
    READ_ONLY_PATHS,
    Container,
    ContainerNetwork,
    DeclaredLimits,
    DeclaredMount,
    DeclaredSecurity,
    IdRange,
    full_name,
)
from exporter.sources.podman.create_command import parse_create_command
from exporter.sources.quadlet.flags import Flags

DEFAULT_CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE"),
    *("CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"),
)
DEFAULT_PIDS = 2048
EVERY_CAPABILITY = ("ALL",)
_NETWORK_MODES = frozenset({"none", "host", "private", "pasta", "slirp4netns", "bridge"})
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([bkmgtp]?)(?:i?b)?", re.ASCII)
_POWERS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_NAMESPACES = {
    "--cgroupns": "cgroup",
    "--ipc": "ipc",
    "--network": "net",
    "--pid": "pid",
    "--userns": "user",
    "--uts": "uts",
}
_OF_A_POD = frozenset({"net", "user"})
_DEFAULT_CPU_PERIOD_MICROSECONDS = 100_000


def declared_container(
    *,
    name: str,
    user: str,
    service: str,
    image: str,
    flags: Flags,
    pod: Flags | None,
    drivers: Mapping[str, tuple[str, str]],
    storage: str = "",
) -> Container:
    """The container of one command line of `user`'s podman, in the pod whose flags are `pod`.

    `storage` is where podman keeps images, "" for where it does by itself. `drivers` are the driver and the parent
    interface of the networks that are known, by name.
    """
    host = flags if pod is None else pod  # a pod's members live in its network and its user namespace
    mode, networks = _networks(host, drivers, "pasta" if user else "bridge")
    return Container(
        id="",
        name=full_name(user, name),
        user=user,
        image=image,
        image_id="",
        state="created",
        unit=service,
        pod="" if pod is None else pod.last("--name"),
        network_mode=mode if pod is None else f"container:{pod.last('--name')}-infra",
        restart_policy=flags.last("--restart") or "no",
        storage_path=storage or (f"~{user}/.local/share/containers/storage" if user else "/var/lib/containers/storage"),
        networks=networks,
        mounts=_mounts(flags),
        limits=_limits(flags),
        security=_security(flags, host),
    )


def _security(flags: Flags, host: Flags) -> DeclaredSecurity:
    privileged = flags.on("--privileged")
    options = [option.partition("=") for option in flags.values("--security-opt")]
    userns = host.last("--userns")
    uid_map, gid_map = _id_map(host.values("--uidmap")), _id_map(host.values("--gidmap"))
    return DeclaredSecurity(
        read_only_rootfs=flags.on("--read-only"),
        auto_remove=flags.on("--rm"),
        privileged=privileged,
        bounding_capabilities=EVERY_CAPABILITY if privileged else _capabilities(flags),
        no_new_privileges=_no_new_privileges(options),
        seccomp=_seccomp(options, privileged=privileged),
        selinux_process_label=_label(flags, options, privileged=privileged),
        apparmor_profile=_apparmor(options, privileged=privileged),
        userns_mode=_userns_mode(userns, mapped=bool(uid_map or gid_map)),
        userns_auto=userns.partition(":")[0] == "auto",
        uid_map=uid_map or gid_map,
        gid_map=gid_map or uid_map,
        pid_mode=flags.last("--pid") or "private",
        ipc_mode=flags.last("--ipc") or "shareable",
        uts_mode=flags.last("--uts") or "private",
        cgroup_mode=flags.last("--cgroupns") or "private",
        masked_paths=_masked(options, privileged=privileged),
        read_only_paths=() if privileged else _still_closed(READ_ONLY_PATHS, options),
        devices=_devices(flags),
        of_others=_of_others(flags, host),
    )


def _devices(flags: Flags) -> tuple[str, ...]:
    more = [f"{flag.name}={flag.value}" for flag in flags.all if flag.name in {"--gpus", "--device-cgroup-rule"}]
    return (*(device.partition(":")[0] for device in flags.values("--device")), *more)


def _of_others(flags: Flags, host: Flags) -> frozenset[str]:
    """The walls that are another container's; of a pod, which shares all its namespaces, `host` are the flags."""
    found = {
        kind for flag, kind in _NAMESPACES.items() if _is_anothers((host if kind in _OF_A_POD else flags).last(flag))
    }
    if any(flags.last(flag) for flag in ("--pod", "--pod-id-file")) and host is flags:
        found |= {*_OF_A_POD, "ipc", "uts", "label"}
    if found & {"pid", "ipc"}:
        found.add("label")  # who may signal each other or share memory has one label
    return frozenset(found | ({"mounts"} if flags.last("--volumes-from") else set()))


def _is_anothers(mode: str) -> bool:
    return mode.startswith(("container:", "ns:"))


def _listed(flags: Flags, name: str) -> list[str]:
    return [word for value in flags.values(name) for word in value.split(",") if word]


def _capability(word: str) -> str:
    upper = word.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"


def _capabilities(flags: Flags) -> tuple[str, ...]:
    added = [_capability(word) for word in _listed(flags, "--cap-add")]
    dropped = {_capability(word) for word in _listed(flags, "--cap-drop")}
    if "ALL" in added:
        return EVERY_CAPABILITY  # less what is dropped: never none
    if "ALL" in dropped:
        return tuple(dict.fromkeys(added))
    return tuple(one for one in dict.fromkeys([*DEFAULT_CAPABILITIES, *added]) if one not in dropped)


def _no_new_privileges(options: list[tuple[str, str, str]]) -> bool:
    held = False
    for key, _, setting in options:
        name, colon, word = key.partition(":")
        if name == "no-new-privileges":
            held = (word if colon else setting or "true").lower() not in {"false", "0"}
    return held


def _seccomp(options: list[tuple[str, str, str]], *, privileged: bool) -> str:
    asked = [setting for key, _, setting in options if key == "seccomp"]
    return (asked[-1] if asked else "") or ("unconfined" if privileged else "default")


def _apparmor(options: list[tuple[str, str, str]], *, privileged: bool) -> str:
    """The profile; podman's own where none is asked for, as it would be on a host with AppArmor."""
    asked = [setting for key, _, setting in options if key == "apparmor"]
    return (asked[-1] if asked else "") or ("unconfined" if privileged else "containers-default")


def _label(flags: Flags, options: list[tuple[str, str, str]], *, privileged: bool) -> str:
    """The label, its pair of categories open; "" where podman asks for none."""
    asked = [setting for key, _, setting in options if key == "label"]
    if privileged or "disable" in asked or "host" in (flags.last("--pid"), flags.last("--ipc")):
        return ""
    parts = {"user": "system_u", "role": "system_r", "type": "container_t", "level": "s0:c?,c?"}
    parts |= {part: setting for part, colon, setting in (one.partition(":") for one in asked) if colon}
    return ":".join(parts[part] for part in ("user", "role", "type", "level"))


def _userns_mode(userns: str, *, mapped: bool) -> str:
    if userns.partition(":")[0] in {"auto", "keep-id", "nomap", "private"} or (mapped and not userns):
        return "private"
    return userns


def _masked(options: list[tuple[str, str, str]], *, privileged: bool) -> tuple[str, ...]:
    asked = [path for key, _, setting in options if key == "mask" for path in setting.split(":")]
    return tuple(dict.fromkeys((*(() if privileged else _still_closed(MASKED_PATHS, options)), *asked)))


def _still_closed(paths: tuple[str, ...], options: list[tuple[str, str, str]]) -> tuple[str, ...]:
    """Those that no unmask= opens; podman looks at its own paths, and masks what it is asked to mask in any case."""
    patterns = [pattern for key, _, setting in options if key == "unmask" for pattern in setting.split(":")]
    everything = "all" in (pattern.lower() for pattern in patterns)
    return () if everything else tuple(path for path in paths if not _covered(path, patterns))


def _covered(path: str, patterns: list[str]) -> bool:
    return any(path == pattern or posixpath.dirname(path) + "/*" == pattern for pattern in patterns)


def _limits(flags: Flags) -> DeclaredLimits:
    if flags.last("--cgroups") == "disabled":
        return DeclaredLimits()  # without a cgroup of its own it has only the unit's limits
    conf = dict(one.partition("=")[::2] for one in flags.values("--cgroup-conf"))
    memory = parse_size(flags.last("--memory"))
    # Where nothing is said of swap, podman allows as much of it as of memory.
    twice = 2 * memory if memory and flags.last("--memory-swap") in {"", "0"} else None
    return DeclaredLimits(
        memory_bytes=memory,
        memory_high_bytes=parse_size(conf.get("memory.high", "")),
        memory_swap_bytes=parse_size(flags.last("--memory-swap")) or twice,
        cpu_cores=_cpu_cores(flags),
        pids=_pids(flags.last("--pids-limit")),
    )


def parse_size(text: str) -> int | None:
    """Bytes of a size as podman takes it: 512m, 1.5g, 128000000b; None for none, for 0 and for what is no size."""
    found = _SIZE.fullmatch(text.strip().lower())
    return int(float(found[1]) * (1 << _POWERS[found[2]])) or None if found else None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 < number < 1e9 else 0.0  # noqa: PLR2004 - neither nan nor infinity nor nonsense


def _cpu_cores(flags: Flags) -> float | None:
    quota = _number(flags.last("--cpu-quota"))
    period = _number(flags.last("--cpu-period")) or _DEFAULT_CPU_PERIOD_MICROSECONDS
    return _number(flags.last("--cpus")) or (quota / period or None)


def _pids(text: str) -> int | None:
    if not text:
        return DEFAULT_PIDS
    return int(_number(text)) or None


def _id_map(values: tuple[str, ...]) -> tuple[IdRange, ...]:
    found = (re.fullmatch(r"\+?[ug]*([0-9]{1,10}):(@?[0-9]{1,10})(?::([0-9]{1,10}))?", value) for value in values)
    return tuple(IdRange(int(one[1]), int(one[2].removeprefix("@")), int(one[3] or 1)) for one in found if one)


def _networks(
    flags: Flags, drivers: Mapping[str, tuple[str, str]], default: str
) -> tuple[str, tuple[ContainerNetwork, ...]]:
    """The mode and the networks; podman takes the default when nothing is asked."""
    asked = flags.values("--network") or (default,)
    mode = asked[-1].partition(":")[0]
    if mode in _NETWORK_MODES - {"bridge", "private"}:
        return mode, ()
    if mode in {"container", "ns"}:
        return asked[-1], ()
    addresses = tuple(filter(None, (flags.last("--ip"), flags.last("--ip6"))))
    found = []
    for one in asked:
        name = one.partition(":")[0]
        known = {**drivers, "bridge": ("bridge", ""), "private": ("bridge", ""), "podman": ("bridge", "")}
        driver, parent = known.get(name, ("", ""))
        found.append(ContainerNetwork("podman" if name in {"bridge", "private"} else name, driver, parent, addresses))
    return "bridge", tuple(found)


def _mounts(flags: Flags) -> tuple[DeclaredMount, ...]:
    found: dict[str, DeclaredMount] = {}
    for flag in flags.all:
        mount = _mount(flag.name, flag.value)
        if mount is not None and mount.destination:
            found.setdefault(mount.destination, mount)
    return tuple(found.values())


def _mount(name: str, value: str) -> DeclaredMount | None:
    match name:
        case "--tmpfs":
            return DeclaredMount("", posixpath.normpath(value.partition(":")[0]), "tmpfs", writable=True)
        case "--volume":
            source = value.partition(":")[0] if ":" in value else ""
            kind = "bind" if source.startswith(("/", "%")) else "volume"
        case "--mount":
            settings = dict(option.partition("=")[::2] for option in value.split(","))
            source = settings.get("source", settings.get("src", ""))
            kind = settings.get("type", "volume")
        case _:
            return None
    typed = parse_create_command(["run", name, value]).volumes
    destination, options = next(iter(typed.items()), ("", ()))
    mount = DeclaredMount(source, destination, kind, writable=True, flags=options)
    return replace(mount, writable="ro" not in options and "readonly" not in options)
