from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.facts.container import (
    READ_ONLY_PATHS,
    Container,
    ContainerNetwork,
    DeclaredLimits,
    DeclaredMount,
    IdRange,
)
from exporter.facts.network import AddressPool
from exporter.facts.reading import SourceError, Unreadable
from exporter.sources.podman.declared import container, declare, parse_id_map, parse_size
from exporter.sources.podman.names import cut
from exporter.sources.podman.replies import (
    Inspect,
    Listing,
    OciConfig,
    parse_event,
    parse_inspect,
    parse_list,
    parse_networks,
    parse_oci_config,
)
from tests.effort import examples
from tests.sources.podman_service import EVENTS, HOST, RECORDED

LISTINGS = {one.names[0]: one for one in parse_list((RECORDED / "list.json").read_bytes())[0] if one.names}
NETWORKS = parse_networks((RECORDED / "networks.json").read_bytes())
ID = "0" * 64


def inspected(name: str) -> Inspect:
    return parse_inspect((RECORDED / f"inspect/{name}.json").read_bytes())


def config_of(name: str) -> OciConfig | None:
    path = inspected(name).oci_config_path
    return parse_oci_config((HOST / path.lstrip("/")).read_bytes()) if path else None


def recorded(name: str, *, with_config: bool = True) -> Container:
    declared = declare(inspected(name), config_of(name) if with_config else None)
    return container(LISTINGS[name], declared, NETWORKS, "")


def made_up(**inspect: Any) -> Container:
    return container(Listing(id=ID), declare(parse_inspect(json.dumps(inspect).encode()), None), {}, "")


def test_the_good_container_is_told_field_by_field() -> None:
    one = recorded("objects02")
    assert (one.name, one.user, one.state, one.health, one.unit) == (
        "objects02",
        "",
        "running",
        "",
        "objects02.service",
    )
    assert (one.pid, one.started_at_seconds) == (757, 1795483039.0)
    assert (one.exit_code, one.exited_at_seconds) == (None, None)
    assert one.image.startswith("localhost/lab@sha256:")
    assert (one.network_mode, one.restart_policy, one.restarts, one.inspected) == ("bridge", "no", 0, True)
    assert one.cgroup_path.startswith("/services.slice/services-objects02.slice/objects02.service/libpod-payload-")
    assert one.storage_path == f"/var/lib/containers/storage/overlay-containers/{one.id}/userdata"
    mac_address, pools = one.networks[0].mac_address, (AddressPool("10.99.0.0/24", "10.99.0.1"),)
    assert one.networks == (ContainerNetwork("lan", "macvlan", "lan0", ("10.99.0.10",), mac_address, pools),)
    assert one.mounts == (
        DeclaredMount("/data/containers/objects02", "/data", "bind", writable=True, flags=("rw", "Z")),
    )
    assert one.limits == DeclaredLimits(128_000_000, None, 256_000_000, 1.0, 128)
    walls = one.security
    assert (walls.read_only_rootfs, walls.auto_remove, walls.privileged) == (True, True, False)
    assert walls.bounding_capabilities == ()
    assert (walls.no_new_privileges, walls.seccomp, walls.apparmor_profile) == (True, "default", "")
    assert walls.selinux_process_label is not None
    assert walls.selinux_process_label.startswith("system_u:system_r:container_t:s0:c")
    assert (walls.userns_mode, walls.userns_auto) == ("private", True)
    assert walls.uid_map == walls.gid_map == (IdRange(0, walls.uid_map[0].outside, 1024),)
    assert (walls.pid_mode, walls.ipc_mode, walls.uts_mode, walls.cgroup_mode) == (
        "private",
        "shareable",
        "private",
        "private",
    )
    assert walls.masked_paths is not None
    assert "/proc/kcore" in walls.masked_paths
    assert walls.read_only_paths == READ_ONLY_PATHS
    assert walls.devices == ()


def test_a_privileged_container_has_every_capability_and_no_filter() -> None:
    walls = recorded("privileged1").security
    assert walls.privileged
    assert len(walls.bounding_capabilities or ()) > 35
    assert (walls.seccomp, walls.no_new_privileges, walls.masked_paths) == ("unconfined", False, ())
    assert walls.read_only_paths == ()
    assert (walls.selinux_process_label, walls.userns_mode, walls.userns_auto, walls.uid_map) == ("", "", False, ())


def test_flags_of_a_started_bind_mount_are_found_although_inspect_lost_them() -> None:
    assert {mount.destination: mount.flags for mount in recorded("shared-a").mounts} == {
        "/data": ("rw", "Z"),
        "/shared": ("rw", "z", "idmap"),
    }


def test_idmap_is_found_in_config_json_where_no_command_line_was_kept() -> None:
    said = json.loads((RECORDED / "inspect/shared-a.json").read_bytes())
    said["Config"]["CreateCommand"] = None
    declared = declare(parse_inspect(json.dumps(said).encode()), config_of("shared-a"))
    assert {mount.destination: mount.flags for mount in declared.mounts} == {"/data": (), "/shared": ("idmap",)}


def test_a_named_volume_keeps_its_flags_in_inspect() -> None:
    mount = {"Type": "volume", "Source": "/s", "Destination": "/d", "Mode": "Z", "Options": ["idmap"], "RW": False}
    assert made_up(Mounts=[mount]).mounts == (
        DeclaredMount("/s", "/d", "volume", writable=False, flags=("Z", "idmap")),
    )


def test_seccomp_asked_for_by_name_is_told_by_name() -> None:
    assert recorded("bad-seccomp-unconfined").security.seccomp == "unconfined"
    said = made_up(HostConfig={"SecurityOpt": ["no-new-privileges", "seccomp=/etc/tight.json"]}).security
    assert (said.seccomp, said.no_new_privileges) == ("/etc/tight.json", True)


def test_members_of_a_pod_name_it() -> None:
    assert (recorded("inpod1").pod, recorded("inpod1").is_infra) == ("stack", False)
    infra = recorded("stack-infra")
    assert (infra.pod, infra.is_infra, infra.security.userns_auto) == ("stack", True, None)  # no command line is kept


def test_the_pools_of_a_network_are_its_subnets_with_their_lease_ranges() -> None:
    networks = parse_networks((RECORDED / "networks-ranges.json").read_bytes())

    def pools(name: str) -> tuple[AddressPool, ...]:
        asked = parse_inspect(json.dumps({"NetworkSettings": {"Networks": {name: {}}}}).encode())
        return container(Listing(id=ID), declare(asked, None), networks, "").networks[0].pools

    assert pools("zz-range") == (
        AddressPool("10.97.0.0/24", "10.97.0.1", "10.97.0.65", "10.97.0.71"),
        AddressPool("fd00:97::/64", "fd00:97::1"),
    )
    assert pools("zz-ipvlan") == (AddressPool("10.96.0.0/24", "10.96.0.1"),)
    assert pools("zz-noipam") == ()


def test_podmans_own_restart_policy_is_told() -> None:
    one = recorded("podrestart")
    assert (one.restart_policy, one.unit, one.security.userns_auto) == ("always", "", False)
    assert one.networks == (ContainerNetwork("none", ""),)


def test_a_container_that_ended_says_how_and_when() -> None:
    one = recorded("zz-exit")
    assert (one.state, one.exit_code, one.exited_at_seconds, one.pid) == ("exited", 3, 1795484616.0, None)


def test_a_container_that_never_started_has_no_times_and_no_config() -> None:
    one = recorded("zz-created")
    assert (one.state, one.exit_code, one.exited_at_seconds, one.started_at_seconds) == ("created", None, None, None)
    assert (one.security.seccomp, one.security.masked_paths, one.security.read_only_paths) == (None, None, None)
    assert (one.limits.memory_bytes, one.mounts[0].flags[:2]) == (67108864, ("ro", "Z"))
    assert len(one.security.bounding_capabilities or ()) == 11


def test_health_is_the_lists_status() -> None:
    assert recorded("zz-health").health == "healthy"


def test_without_config_json_inspect_is_believed() -> None:
    walls = recorded("objects02", with_config=False).security
    assert (walls.bounding_capabilities, walls.no_new_privileges, walls.seccomp) == ((), True, None)
    assert made_up().security.bounding_capabilities is None


@pytest.mark.parametrize(
    ("host_config", "limits"),
    [
        ({}, DeclaredLimits()),
        ({"Memory": 0, "MemorySwap": -1, "PidsLimit": -1, "CpuQuota": -1, "CpuPeriod": 0}, DeclaredLimits()),
        ({"CpuQuota": 50000, "CpuPeriod": 0}, DeclaredLimits(cpu_cores=0.5)),
        ({"CpuQuota": 30000, "CpuPeriod": 10000, "NanoCpus": 0}, DeclaredLimits(cpu_cores=3)),
        ({"NanoCpus": 1500000000}, DeclaredLimits(cpu_cores=1.5)),
        ({"CgroupConf": {"memory.high": "100M"}}, DeclaredLimits(memory_high_bytes=100 << 20)),
        ({"CgroupConf": {"memory.high": "max"}}, DeclaredLimits()),
    ],
)
def test_no_limit_is_none(host_config: dict[str, Any], limits: DeclaredLimits) -> None:
    assert made_up(HostConfig=host_config).limits == limits


@pytest.mark.parametrize(
    ("asked", "auto"),
    [
        ({}, None),
        ({"CreateCommand": ["podman", "run", "image"]}, False),
        ({"CreateCommand": ["podman", "run", "--userns=auto:size=65536", "image"]}, True),  # podman 4: no annotation
        ({"Annotations": {"io.podman.annotations.userns": "auto:size=65536"}}, True),
        ({"Annotations": {"io.podman.annotations.userns": "keep-id"}}, False),
    ],
)
def test_an_automatic_user_namespace_is_known_by_annotation_or_command(asked: dict[str, Any], auto: object) -> None:
    assert made_up(Config=asked).security.userns_auto is auto


def test_nulls_and_shapes_of_podman_4_are_taken() -> None:
    said = {
        "Config": {"Entrypoint": "/bin/sh -c", "StopSignal": 15, "Labels": None, "Annotations": None},
        "HostConfig": {"IDMappings": None, "Devices": None, "RestartPolicy": None, "SecurityOpt": None},
        "State": {"Health": {"Status": "", "FailingStreak": 0, "Log": None}, "CgroupPath": "/x"},
        "Mounts": None,
        "NetworkSettings": {"Networks": {"n": None, "m": {"IPAddress": "10.0.0.1", "GlobalIPv6Address": "fd00::1"}}},
    }
    one = made_up(**said)
    assert [(net.name, net.ip_addresses) for net in one.networks] == [("n", ()), ("m", ("10.0.0.1", "fd00::1"))]
    assert one.cgroup_path == "/x"
    listed = parse_list(b'[{"Id": "%b", "Labels": null, "Names": null, "Networks": null}]' % ID.encode())
    assert [container(entry, None, {}, "alice").name for entry in listed[0]] == [f"alice/{ID[:12]}"]


def test_secrets_and_command_lines_are_not_kept() -> None:
    said = json.loads((RECORDED / "inspect/objects02.json").read_bytes())
    said["Config"]["Env"].append("PASSWORD=hunter2")
    said["Config"]["CreateCommand"][2:2] = ["--env", "PASSWORD=hunter2"]
    assert "hunter2" not in repr(declare(parse_inspect(json.dumps(said).encode()), None))


def test_one_malformed_entry_of_the_list_takes_no_other_down() -> None:
    entries = json.loads((RECORDED / "list.json").read_bytes())
    broken = [{"Id": 7}, {"Id": "../../etc"}, {**entries[0], "Pid": "x"}, None, 3, {**entries[1], "Id": "f" * 64}]
    listings, malformed = parse_list(json.dumps([*entries, *broken, entries[0]]).encode())
    assert len(listings) == len(entries)
    assert malformed == len(broken) + 1  # the last two: a name and an id that come twice


def test_hostile_text_is_cut_and_two_stay_two() -> None:
    entry = {"Id": ID, "Names": ["x" * 100_000 + "a"], "Image": '\x00\n"é' * 99_999, "State": "RUNNING" * 99}
    other = {**entry, "Id": "1" * 64, "Names": ["x" * 100_000 + "b"]}
    listings, _ = parse_list(json.dumps([entry, other]).encode())
    one, two = (container(listing, None, {}, "") for listing in listings)
    assert one.name != two.name
    assert max(len(text) for text in (one.name, one.image, one.state)) <= 512
    assert cut("y" * 253, 255) == "y" * 253


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    listings, malformed = parse_list(b'[{"Id": "%b", "Names": ["caf\xe9"]}]' % ID.encode())
    assert malformed == 0
    assert listings[0].names == ["caf�"]


def test_every_recorded_event_is_read() -> None:
    events = [parse_event(line) for line in EVENTS]
    assert {event.action for event in events} >= {"create", "start", "died", "remove", "health_status", "update"}
    assert all(len(event.id) == 64 and event.time_nanoseconds > 10**18 for event in events)
    assert {event.health for event in events if event.action == "health_status"} == {"healthy"}


PARSERS = (parse_list, parse_inspect, parse_networks, parse_oci_config, parse_event)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize("parse", PARSERS)
@settings(max_examples=examples(50))
@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_a_parser(parse: Any, body: bytes) -> None:
    with suppress(SourceError):
        parse(body)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "body",
    [b'{"a":' + b"[" * 100_000, b'"\\ud800"', b'{"Id":1e999}', b'[{"Id":"%b","Pid":%b}]' % (b"0" * 64, b"9" * 400)],
)
def test_no_trick_of_json_breaks_a_parser(parse: Any, body: bytes) -> None:
    with suppress(Unreadable):
        parse(body)


def _fields(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    names = list(json.loads((RECORDED / f"inspect/{kind}.json").read_bytes())["HostConfig"])
    return st.dictionaries(st.sampled_from(names), JSON, max_size=4)


@settings(max_examples=examples(50))
@given(_fields("objects02"))
def test_an_odd_host_config_is_read_or_refused(host_config: dict[str, Any]) -> None:
    try:
        one = made_up(HostConfig=host_config)
    except SourceError:
        return
    assert dataclasses.asdict(one)


@given(st.integers(0, 2**40))
def test_sizes_come_back(size: int) -> None:
    assert parse_size(str(size)) == size
    assert parse_size(f"{size}K\n") == size << 10


@given(st.text())
def test_no_text_breaks_a_size_or_a_map(text: str) -> None:
    assert (parse_size(text) or 0) >= 0
    parse_id_map([text])


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 3), max_size=20))
def test_id_maps_come_back(ranges: list[tuple[int, int, int]]) -> None:
    lines = [f"{inside}:{outside}:{count}" for inside, outside, count in ranges]
    assert parse_id_map(["", "1:2", "a:b:c", *lines]) == tuple(IdRange(*one) for one in ranges)


@given(st.text(min_size=1, max_size=20) | st.just("x" * 254) | st.just("x" * 255) | st.just("x" * 100_000))
def test_a_container_has_the_same_name_in_the_list_and_in_its_events(name: str) -> None:
    (listing,), _ = parse_list(json.dumps([{"Id": ID, "Names": [name]}]).encode())
    actor = {"ID": ID, "Attributes": {"name": name}}
    event = parse_event(json.dumps({"Type": "container", "Action": "start", "Actor": actor, "timeNano": 1}).encode())
    told = event.told("alice")
    assert told is not None
    assert told.name == container(listing, None, {}, "alice").name
    assert told.name.startswith("alice/")
    assert len(told.name) <= len("alice/") + 255
