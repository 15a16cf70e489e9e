"""The libpod API's replies, as far as they are read: every other field is skipped unread, Env above all.

Go writes an empty list or map as `null` and leaves out what it does not know, so everything but an id may be missing.
From `GET /libpod/containers/json?all=true` (one element):

    {"Id": "25d1732c6fcf...", "Names": ["objects02"], "Image": "localhost/lab@sha256:a201...", "State": "running",
     "Status": "", "Pid": 766, "ExitCode": 0, "Exited": false, "ExitedAt": -62135596800, "StartedAt": 1795480448,
     "Labels": {"PODMAN_SYSTEMD_UNIT": "objects02.service"}, "PodName": "", "IsInfra": false, "Restarts": 0, ...}

From `GET /libpod/events` (one line):

    {"status": "died", "id": "f54e199f...", "Type": "container", "Action": "died", "Actor": {"ID": "f54e199f...",
     "Attributes": {"containerExitCode": "137", ...}}, "time": 1795480756, "timeNano": 1795480756452409540}
"""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType, field, json

from exporter.facts.evidence import ContainerEvent
from exporter.facts.reading import Unreadable
from exporter.sources.podman.names import NAME_WIDTH, container_name, cut

T = TypeVar("T")
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
WHY_WIDTH = 200
ID = re.compile(r"[0-9a-f]{64}")
EXIT_CODE = re.compile(r"-?[0-9]{1,5}")


class Labels(Struct):
    """The one label that is read."""

    unit: str = field(name="PODMAN_SYSTEMD_UNIT", default="")


class Listing(Struct, rename="pascal"):
    """One container of the list: what changes while it lives."""

    id: str
    names: list[str] | None = None
    image: str = ""
    image_id: str = field(name="ImageID", default="")
    state: str = ""
    status: str = ""
    pid: Int64 = 0
    exited: bool = False
    exit_code: Int64 = 0
    exited_at: Int64 = 0
    started_at: Int64 = 0
    labels: Labels | None = None
    pod_name: str = ""
    is_infra: bool = False
    restarts: Int64 | None = None


class InspectState(Struct, rename="pascal"):
    """State of an inspect."""

    cgroup_path: str = ""


class InspectMount(Struct, rename="pascal"):
    """One element of Mounts. Mode keeps Z and z for named volumes only; Options keeps idmap for those only."""

    type: str = ""
    source: str = ""
    destination: str = ""
    mode: str = ""
    options: list[str] | None = None
    rw: bool = field(name="RW", default=True)


class SecondaryAddress(Struct):
    """A further address of one network."""

    address: str = field(name="Addr", default="")


class InspectNetwork(Struct):
    """One value of NetworkSettings.Networks."""

    ipv4: str = field(name="IPAddress", default="")
    more_ipv4: list[SecondaryAddress] | None = field(name="SecondaryIPAddresses", default=None)
    ipv6: str = field(name="GlobalIPv6Address", default="")
    more_ipv6: list[SecondaryAddress] | None = field(name="SecondaryIPv6Addresses", default=None)
    mac: str = field(name="MacAddress", default="")


class NetworkSettings(Struct, rename="pascal"):
    """NetworkSettings of an inspect."""

    networks: dict[str, InspectNetwork | None] | None = None


class InspectConfig(Struct, rename="pascal"):
    """Config of an inspect. CreateCommand is null for what was made through the API."""

    annotations: dict[str, str] | None = None
    create_command: list[str] | None = None


class RestartPolicy(Struct, rename="pascal"):
    """HostConfig.RestartPolicy."""

    name: str = ""


class IdMappings(Struct, rename="pascal"):
    """HostConfig.IDMappings: `INSIDE:OUTSIDE:COUNT` each."""

    uid_map: list[str] | None = None
    gid_map: list[str] | None = None


class Device(Struct, rename="pascal"):
    """One element of HostConfig.Devices."""

    path_on_host: str = ""


class HostConfig(Struct, rename="pascal"):
    """HostConfig of an inspect. CapDrop is not read: podman computes it from the defaults of today."""

    network_mode: str = ""
    restart_policy: RestartPolicy | None = None
    auto_remove: bool | None = None
    ipc_mode: str = ""
    pid_mode: str = ""
    privileged: bool | None = None
    readonly_rootfs: bool | None = None
    security_opt: list[str] | None = None
    uts_mode: str = field(name="UTSMode", default="")
    userns_mode: str | None = None
    id_mappings: IdMappings | None = field(name="IDMappings", default=None)
    cgroup_mode: str = ""
    cgroup_conf: dict[str, str] | None = None
    memory: Int64 = 0
    memory_swap: Int64 = 0
    nano_cpus: Int64 = 0
    cpu_period: Int64 = 0
    cpu_quota: Int64 = 0
    pids_limit: Int64 = 0
    devices: list[Device] | None = None


class Inspect(Struct, rename="pascal"):
    """`GET /libpod/containers/ID/json`. BoundingCaps is null, not [], when every capability was dropped."""

    state: InspectState | None = None
    process_label: str | None = None
    app_armor_profile: str | None = None
    bounding_caps: list[str] | UnsetType | None = UNSET
    oci_config_path: str = field(name="OCIConfigPath", default="")
    static_dir: str = ""
    mounts: list[InspectMount] | None = None
    network_settings: NetworkSettings | None = None
    config: InspectConfig | None = None
    host_config: HostConfig | None = None


class LeaseRange(Struct):
    """lease_range of a subnet: addresses are taken from this part alone."""

    start: str = field(name="start_ip", default="")
    end: str = field(name="end_ip", default="")


class Subnet(Struct):
    """One element of a network's subnets."""

    subnet: str = ""
    gateway: str = ""
    lease_range: LeaseRange | None = None


class IpamOptions(Struct):
    """ipam_options of a network. podman itself gives out addresses with the driver host-local alone."""

    driver: str = ""


class Network(Struct):
    """One element of `GET /libpod/networks/json`."""

    name: str
    driver: str = ""
    interface: str = field(name="network_interface", default="")
    subnets: list[Subnet] | None = None
    ipam_options: IpamOptions | None = None


class OciCapabilities(Struct):
    """process.capabilities of config.json."""

    bounding: list[str] | None = None


class OciProcess(Struct, rename="camel"):
    """The process of config.json: what is left out is false or none."""

    capabilities: OciCapabilities | None = None
    no_new_privileges: bool = False


class Present(Struct):
    """An object of which only its being there is of interest."""


class OciLinux(Struct, rename="camel"):
    """The linux part of config.json."""

    seccomp: Present | None = None
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None


class OciMount(Struct, rename="camel"):
    """One mount of config.json."""

    destination: str = ""
    uid_mappings: list[Present] | None = None


class OciConfig(Struct):
    """The OCI config.json that podman wrote for the runtime: the fullest word on what was asked."""

    process: OciProcess
    linux: OciLinux
    mounts: list[OciMount] | None = None


class Attributes(Struct):
    """What an event tells of its container: all its labels are in it, of which one is read."""

    name: str = ""
    exit_code: str = field(name="containerExitCode", default="")
    unit: str = field(name="PODMAN_SYSTEMD_UNIT", default="")


class Actor(Struct):
    """Whom an event is about."""

    id: str = field(name="ID", default="")
    attributes: Attributes | None = field(name="Attributes", default=None)


class Event(Struct):
    """One line of `GET /libpod/events`."""

    action: str = field(name="Action", default="")
    actor: Actor | None = field(name="Actor", default=None)
    time_nanoseconds: Int64 = field(name="timeNano", default=0)
    health: str = field(name="HealthStatus", default="")

    @property
    def id(self) -> str:
        """The container's id; empty for an event of podman itself."""
        return self.actor.id if self.actor else ""

    def told(self, user: str) -> ContainerEvent | None:
        """The event as the ledger takes it; None for one that is about no container."""
        attributes = self.actor.attributes if self.actor else None
        if attributes is None or not ID.fullmatch(self.id) or not attributes.name:
            return None
        # podman 4 sends the code 0 with every event: it counts with `died` alone.
        code = attributes.exit_code if self.action == "died" and EXIT_CODE.fullmatch(attributes.exit_code) else None
        return ContainerEvent(
            time_nanoseconds=self.time_nanoseconds,
            container_id=self.id,
            name=container_name(user, attributes.name),
            action=self.action,
            unit="" if user else cut(attributes.unit, NAME_WIDTH),
            exit_code=int(code) if code is not None else None,
            health=self.health,
        )


def decode(body: bytes, kind: type[T], what: str) -> T:
    """The JSON text `body` as a `kind`; Unreadable if it is none. Bytes that are not UTF-8 become U+FFFD."""
    try:
        try:
            return json.decode(body, type=kind)
        except UnicodeDecodeError:
            return json.decode(body.decode("utf-8", "replace").encode(), type=kind)
    except (MsgspecError, RecursionError) as error:
        why = str(error)[:WHY_WIDTH]
        raise Unreadable(f"podman's {what} is not what its API promises ({why}); is it podman that answers?") from error


def parse_list(body: bytes) -> tuple[tuple[Listing, ...], int]:
    """The containers of the list, and how many elements are no container; no id and no name comes twice."""
    listings: dict[str, Listing] = {}
    names: set[str] = set()
    malformed = 0
    for element in decode(body, list[Raw] | None, "container list") or ():  # type: ignore[arg-type]
        try:
            listing = decode(bytes(element), Listing, "container list")
        except Unreadable:
            malformed += 1
            continue
        name = listing.names[0] if listing.names else listing.id
        if not ID.fullmatch(listing.id) or listing.id in listings or name in names:
            malformed += 1
            continue
        names.add(name)
        listings[listing.id] = listing
    return tuple(listings.values()), malformed


def parse_inspect(body: bytes) -> Inspect:
    """What inspect says of one container."""
    return decode(body, Inspect, "inspect")


def parse_networks(body: bytes) -> dict[str, Network]:
    """Every network by its name."""
    networks = decode(body, list[Network] | None, "network list")  # type: ignore[arg-type]
    return {network.name: network for network in networks or ()}


def parse_oci_config(body: bytes) -> OciConfig:
    """The OCI config.json of one container."""
    return decode(body, OciConfig, "config.json")


def parse_event(line: bytes) -> Event:
    """One event of the stream."""
    return decode(line, Event, "event")
