"""The `podman run` that quadlet would make of a .container, as far as walls, limits and names go: with lines.

podman-systemd.unit(5): each key stands for a flag; PodmanArgs= comes last and so overrides. Read off ExecStart of

    podman run --name web --cidfile=%t/%N.cid --replace --rm --cgroups=split ... --cap-drop all IMAGE COMMAND
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Callable, Iterator, Mapping

from exporter.facts.quadlet_file import Origin
from exporter.sources.quadlet.unit import QuadletUnit, Words

Units = Mapping[str, QuadletUnit]

_SCALARS = {
    "PidsLimit": "--pids-limit",
    "Memory": "--memory",
    "IP": "--ip",
    "IP6": "--ip6",
    "UserNS": "--userns",
    "SubUIDMap": "--subuidname",
    "SubGIDMap": "--subgidname",
}
_SECURITY_SCALARS = {
    "SecurityLabelType": "label=type:",
    "SecurityLabelFileType": "label=filetype:",
    "SecurityLabelLevel": "label=level:",
    "AppArmor": "apparmor=",
}
_SECURITY_SWITCHES = {
    "NoNewPrivileges": "no-new-privileges",
    "SecurityLabelDisable": "label=disable",
    "SecurityLabelNested": "label=nested",
}
_SERVICE_CHOICES = {"KillMode": ("mixed", "control-group"), "Type": ("notify", "oneshot")}
_MOUNTS_OF_A_SOURCE = frozenset({"bind", "glob", "image", "volume"})


class Refused(Exception):
    """Quadlet makes no unit of the file: the message says why."""

    def __init__(self, message: str, origin: Origin) -> None:
        super().__init__(message)
        self.origin = origin


def run_words(unit: QuadletUnit, units: Units) -> Words:
    """The words between `podman run` and the image, each with the line that asks for it; Refused."""
    header = unit.header("Container")
    _refuse(unit, header)
    default_name = "systemd-%p_%i" if "@" in unit.name else "systemd-%N"
    return (
        ("--name", header),
        (unit.text("Container", "ContainerName") or default_name, header),
        ("--replace", header),
        ("--rm", header),
        *_cgroups(unit, header),
        *namespace_words(unit, "Container", units),
        *_security(unit),
        *_filesystems(unit, units),
        *_pod(unit, units),
        *unit.arguments("Container", "PodmanArgs"),
    )


def _refuse(unit: QuadletUnit, header: Origin) -> None:
    """Refused for what quadlet takes no container of."""
    image, rootfs = unit.text("Container", "Image"), unit.text("Container", "Rootfs")
    if not image and not rootfs:
        raise Refused("neither Image= nor Rootfs= is there.", header)
    if image and rootfs:
        raise Refused("Image= and Rootfs= are both there.", header)
    if unit.text("Container", "Group") and not unit.text("Container", "User"):
        raise Refused("Group= needs User=.", header)
    for key, known in _SERVICE_CHOICES.items():
        found = unit.last("Service", key)
        if found and found[0] not in known:
            raise Refused(f"{key}={found[0]} is not what quadlet takes: {' or '.join(known)}.", found[1])


def namespace_words(unit: QuadletUnit, section: str, units: Units) -> Words:
    """Networks, limits and ids: the keys that [Container] and [Pod] have in common."""
    return tuple(_namespaces(unit, section, units))


def image_of(unit: QuadletUnit, units: Units) -> str:
    """The image's name, through the .image or .build file that Image= may name."""
    image = unit.text("Container", "Image") or unit.text("Container", "Rootfs")
    if image.endswith((".image", ".build")):
        named = _unit_named(image, unit, units, _origin_of(unit, "Image"))
        if named.own == "Build":
            tags = named.all("Build", "ImageTag")
            return tags[0][0] if tags else ""
        return named.text("Image", "ImageTag") or named.text("Image", "Image")
    return image


def _cgroups(unit: QuadletUnit, header: Origin) -> Iterator[tuple[str, Origin]]:
    mode = unit.last("Container", "CgroupsMode")
    if mode and mode[0]:
        yield from _flag("--cgroups", *mode)
    else:
        yield "--cgroups=split", header


def _namespaces(unit: QuadletUnit, section: str, units: Units) -> Iterator[tuple[str, Origin]]:
    for key, flag in _SCALARS.items():
        found = unit.last(section, key)
        if found and found[0]:
            yield from _flag(flag, *found)
    for key, flag in {"UIDMap": "--uidmap", "GIDMap": "--gidmap"}.items():
        for word, origin in unit.words(section, key):
            yield from _flag(flag, word, origin)
    yield from _remapped(unit, section)
    for network, origin in unit.all(section, "Network"):
        yield from _flag("--network", _network(network, unit, units, origin), origin)


def _remapped(unit: QuadletUnit, section: str) -> Iterator[tuple[str, Origin]]:
    """What RemapUsers=, the older way to say UserNS=, stands for."""
    found = unit.last(section, "RemapUsers")
    if found is None:
        return
    mode, origin = found
    uids, gids = unit.words(section, "RemapUid"), unit.words(section, "RemapGid")
    if mode == "manual":
        for flag, words in {"--uidmap": uids, "--gidmap": gids}.items():
            for word, at in words:
                yield from _flag(flag, word, at)
    elif mode in {"auto", "keep-id"}:
        yield from _flag("--userns", mode, origin)


def _security(unit: QuadletUnit) -> Iterator[tuple[str, Origin]]:
    for key, option in _SECURITY_SWITCHES.items():
        switch = unit.truth("Container", key)
        if switch and switch[0]:
            yield from _flag("--security-opt", option, switch[1])
    for key, option in _SECURITY_SCALARS.items():
        found = unit.last("Container", key)
        if found and found[0]:
            yield from _flag("--security-opt", option + found[0], found[1])
    if found := unit.last("Container", "SeccompProfile"):
        yield from _flag("--security-opt", f"seccomp={found[0]}", found[1])
    for key, option in {"Mask": "mask=", "Unmask": "unmask="}.items():
        for word, origin in unit.arguments("Container", key):
            yield from _flag("--security-opt", option + word, origin)
    folded: Callable[[str], str] = str.lower
    for key, flag, change in (
        ("AddDevice", "--device", lambda word: word.removeprefix("-")),
        ("DropCapability", "--cap-drop", folded),
        ("AddCapability", "--cap-add", folded),
    ):
        for word, origin in unit.words("Container", key):
            yield from _flag(flag, change(word), origin)


def _filesystems(unit: QuadletUnit, units: Units) -> Iterator[tuple[str, Origin]]:
    read_only = unit.truth("Container", "ReadOnly")
    if read_only:
        yield "--read-only" if read_only[0] else "--read-only=false", read_only[1]
    for value, origin in unit.all("Container", "Tmpfs"):
        yield from _flag("--tmpfs", value, origin)
    for value, origin in unit.all("Container", "Volume"):
        source, colon, rest = value.partition(":")
        if not colon:
            source, rest = "", value
        source = _source(source, unit, units, origin)
        yield from _flag("-v", f"{source}:{rest}" if source else rest.partition(":")[0], origin)
    for value, origin in unit.arguments("Container", "Mount"):
        yield from _flag("--mount", _mount(value, unit, units, origin), origin)


def _pod(unit: QuadletUnit, units: Units) -> Iterator[tuple[str, Origin]]:
    found = unit.last("Container", "Pod")
    if found and found[0]:
        name, origin = found
        if not name.endswith(".pod"):
            raise Refused(f"Pod={name} names no .pod file.", origin)
        yield from _flag("--pod-id-file", f"%t/{_unit_named(name, unit, units, origin).service}.pod-id", origin)


def _network(network: str, unit: QuadletUnit, units: Units, origin: Origin) -> str:
    name, colon, options = network.partition(":")
    if name.endswith(".network"):
        return resource_name(_unit_named(name, unit, units, origin)) + colon + options
    if name.endswith(".container"):
        return f"container:{resource_name(_unit_named(name, unit, units, origin))}"
    return network


def _source(source: str, unit: QuadletUnit, units: Units, origin: Origin) -> str:
    """A volume's source: a path beside the file, or what a .volume or .image file is called in podman."""
    if source.startswith("."):
        return posixpath.normpath(posixpath.join(posixpath.dirname(unit.path), source))
    if source.endswith((".volume", ".image")) and not source.startswith("/"):
        return resource_name(_unit_named(source, unit, units, origin))
    return source


def _mount(value: str, unit: QuadletUnit, units: Units, origin: Origin) -> str:
    """A mount with its source resolved, its type first."""
    rows = list(csv.reader([value]))
    options = [option.partition("=") for option in (rows[0] if rows else [])]
    kind = next((setting for key, _, setting in options if key == "type"), "")
    if not kind:
        raise Refused(f"Mount={value} has no type=, and podman before 5.5 takes none for granted.", origin)
    if kind not in _MOUNTS_OF_A_SOURCE:
        return value
    resolved = [f"type={kind}"]
    for key, equals, setting in options:
        if key in {"source", "src"}:
            resolved.append(f"source={_source(setting, unit, units, origin)}")
        elif key != "type":
            resolved.append(key + equals + setting)
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(resolved)
    return line.getvalue()


def resource_name(unit: QuadletUnit) -> str:
    """What podman will call the network, volume, pod or container of a file."""
    if unit.own == "Container":
        name = unit.text("Container", "ContainerName") or "systemd-%N"
        return name.replace("%N", unit.service)
    return unit.text(unit.own, f"{unit.own}Name") or "systemd-" + unit.name.rpartition(".")[0]


def _unit_named(name: str, unit: QuadletUnit, units: Units, origin: Origin) -> QuadletUnit:
    found = units.get(name)
    if found is None:
        raise Refused(f"{name} is not among the quadlets beside {unit.name}, which names it.", origin)
    return found


def _origin_of(unit: QuadletUnit, key: str) -> Origin:
    found = unit.last("Container", key)
    return found[1] if found else unit.header("Container")


def _flag(flag: str, value: str, origin: Origin) -> Iterator[tuple[str, Origin]]:
    yield flag, origin
    yield value, origin
