from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.inventory import KnownContainer
from exporter.assess.isolation.networks import networks, own_networks, traffic_by_container
from exporter.facts.container import ContainerNetwork
from exporter.facts.host import Host
from exporter.facts.network import AddressPool, Interface, NamespaceTraffic
from exporter.report.host import NetworkReport, PoolUse
from tests.assess.secure import CONTAINER, HOST

UP = replace(HOST, links=(("lan0", "up"), ("dummy0", "unknown"), ("lan1", "down"), ("lan0.7", "lowerlayerdown")))
POOL = AddressPool("10.99.0.0/24", "10.99.0.1")
ETH0 = Interface("eth0", 1, 2, 3, 4, 5, 6, 7, 8)


def on(name: str, *addresses: str, mac: str = "", driver: str = "macvlan", parent: str = "lan0") -> ContainerNetwork:
    return ContainerNetwork(name, driver, parent, addresses, mac, (POOL,))


def container(name: str, *connected: ContainerNetwork, user: str = "", mode: str = "bridge") -> KnownContainer:
    facts = replace(CONTAINER, id=name, name=name, user=user, networks=connected, network_mode=mode)
    return KnownContainer(f"{user}/{name}" if user else name, user, name, "running", facts, None, None, None)


def told(*containers: KnownContainer, host: Host | None = UP) -> dict[str, NetworkReport]:
    return {one.name: one for one in networks(containers, host)}


def test_two_addresses_of_one_network_are_two() -> None:
    containers = (
        container("a", on("lan", "10.99.0.2", mac="02::1")),
        container("b", on("lan", "10.99.0.3", mac="02::2")),
    )
    assert told(*containers)["lan"].duplicates == 0


def test_one_address_or_mac_address_in_two_containers_is_a_duplicate() -> None:
    a = container("a", on("lan", "10.99.0.2", mac="02:00:00:00:00:0A"))
    assert told(a, container("b", on("lan", "10.99.0.2", mac="02:00:00:00:00:0b")))["lan"].duplicates == 1
    assert told(a, container("b", on("lan", "10.99.0.3", mac="02:00:00:00:00:0a")))["lan"].duplicates == 1
    assert told(a, container("b", on("lan", "10.99.0.2", mac="02:00:00:00:00:0a")))["lan"].duplicates == 2


def test_two_networks_on_one_parent_are_one_segment() -> None:
    found = told(container("a", on("lan", "10.99.0.2")), container("b", on("twin", "10.99.0.2")))
    assert (found["lan"].duplicates, found["twin"].duplicates) == (1, 1)
    apart = told(container("a", on("lan", "10.99.0.2")), container("b", on("twin", "10.99.0.2", parent="lan1")))
    assert (apart["lan"].duplicates, apart["twin"].duplicates) == (0, 0)


def test_bridges_are_segments_of_their_own_and_so_are_the_networks_of_two_users() -> None:
    bridge = on("plain", "10.88.0.2", driver="bridge", parent="podman1")
    other = on("other", "10.88.0.2", driver="bridge", parent="podman2")
    assert told(container("a", bridge), container("b", other))["plain"].duplicates == 0
    users = container("a", bridge, user="alice"), container("b", bridge, user="bob"), container("c", bridge)
    assert {name: one.duplicates for name, one in told(*users).items()} == {
        "alice/plain": 0,
        "bob/plain": 0,
        "plain": 0,
    }


def test_a_user_with_any_number_of_networks_takes_no_room_from_roots() -> None:
    many = tuple(on(f"n{number}", f"10.0.0.{number}") for number in range(300))
    found = told(container("a", *many, user="alice"), container("z", on("lan", "10.99.0.2")))
    assert len(found) == 256
    assert next(iter(found)) == "lan"


def test_the_mac_address_that_all_of_an_ipvlan_have_is_no_duplicate() -> None:
    containers = [
        container(name, on("ip", f"10.96.0.{at}", mac="02::1", driver="ipvlan")) for at, name in enumerate("ab")
    ]
    assert told(*containers)["ip"].duplicates == 0


def test_the_networks_of_a_pod_are_its_infra_containers_alone() -> None:
    infra = container("infra", on("lan", "10.99.0.9", mac="02::1"))
    member = container("member", on("lan", "10.99.0.9", mac="02::1"), mode="container:infra")
    assert told(infra, member)["lan"].duplicates == 0
    assert own_networks(member, None) == ()


@pytest.mark.parametrize("mode", ["none", "host"])
def test_no_network_and_the_hosts_are_none_of_podmans(mode: str) -> None:
    assert told(container("a", ContainerNetwork(mode, ""), mode=mode)) == {}


@pytest.mark.parametrize(
    ("parent", "is_up"), [("lan0", True), ("dummy0", True), ("lan1", False), ("lan0.7", False), ("gone0", False)]
)
def test_a_parent_is_up_as_the_kernel_says_and_one_that_is_missing_is_not(parent: str, is_up: bool) -> None:  # noqa: FBT001
    assert told(container("a", on("lan", parent=parent)))["lan"].parent_is_up is is_up


def test_a_network_without_a_parent_stands_on_the_interface_of_the_default_route() -> None:
    host = replace(UP, default_link="lan0")
    members = (container("a", on("lan", "10.99.0.2", parent="")), container("b", on("named", "10.99.0.2")))
    found = told(*members, host=host)
    assert {name: (one.parent, one.parent_is_up, one.duplicates) for name, one in found.items()} == {
        "lan": ("lan0", True, 1),
        "named": ("lan0", True, 1),
    }
    assert own_networks(container("a", on("plain", driver="bridge", parent="")), host)[0].parent == ""
    assert own_networks(container("a", on("lan", parent=""), user="alice"), host)[0].parent == ""


def test_a_parent_that_is_one_of_a_veth_pair_is_not_known() -> None:
    assert told(container("a", on("lan", parent="veth-lan")))["lan"].parent_is_up is None


def test_a_parent_is_not_known_without_the_host_and_a_bridge_has_none() -> None:
    assert told(container("a", on("lan")), host=None)["lan"].parent_is_up is None
    assert told(container("a", on("lan")), host=HOST)["lan"].parent_is_up is None
    assert told(container("a", on("plain", driver="bridge")))["plain"].parent_is_up is None
    assert told(container("a", on("lan"), user="alice"))["alice/lan"].parent_is_up is None


def pool_use(pool: AddressPool, *addresses: str) -> tuple[PoolUse, ...]:
    return told(container("a", replace(on("lan", *addresses), pools=(pool,))))["lan"].pools


def test_a_pool_is_the_subnet_without_its_ends_and_the_gateway() -> None:
    assert pool_use(POOL, "10.99.0.2", "10.99.0.254", "10.1.1.1") == (PoolUse("10.99.0.0/24", 253, 2),)
    assert pool_use(AddressPool("10.99.0.0/24")) == (PoolUse("10.99.0.0/24", 254, 0),)


def test_a_lease_range_is_the_pool_and_addresses_beside_it_are_free_of_it() -> None:
    pool = AddressPool("10.97.0.0/24", "10.97.0.1", "10.97.0.65", "10.97.0.70")
    assert pool_use(pool, "10.97.0.65", "10.97.0.9") == (PoolUse("10.97.0.0/24", 6, 1),)
    assert pool_use(replace(pool, lease_end="10.97.0.255")) == (PoolUse("10.97.0.0/24", 190, 0),)
    assert pool_use(replace(pool, lease_start="10.97.0.0", lease_end="10.97.0.4")) == (PoolUse("10.97.0.0/24", 3, 0),)


def test_a_pool_of_ipv6_has_its_last_address_too() -> None:
    assert pool_use(AddressPool("fd00::/64", "fd00::1"), "fd00::2", "10.0.0.1") == (PoolUse("fd00::/64", 2**64 - 2, 1),)


@pytest.mark.parametrize("subnet", ["", "nonsense", "10.99.0.0/99"])
def test_a_subnet_that_is_none_has_no_pool(subnet: str) -> None:
    assert pool_use(AddressPool(subnet)) == ()


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_words_at_all_break_the_pools(subnet: str, gateway: str, start: str, end: str) -> None:
    for use in pool_use(AddressPool(subnet, gateway, start, end), "10.99.0.2"):
        assert use.total >= 0


def test_traffic_is_shown_once_with_the_owner_of_the_namespace() -> None:
    infra = replace(container("zz-infra"), container=replace(CONTAINER, id="zz-infra", is_infra=True))
    members = container("a", mode="container:zz-infra"), container("b", mode="container:zz-infra")
    shared = NamespaceTraffic(("a", "b", "zz-infra"), (ETH0,))
    own = NamespaceTraffic(("c",), (ETH0,))
    containers = (*members, container("c"), infra)
    assert traffic_by_container(containers, (shared, own)) == {"zz-infra": (ETH0,), "c": (ETH0,)}


def test_traffic_of_an_owner_that_is_gone_is_shown_with_the_first_by_name() -> None:
    members = container("a", mode="container:gone"), container("b", mode="container:gone")
    assert traffic_by_container(members, (NamespaceTraffic(("b", "a"), (ETH0,)),)) == {"a": (ETH0,)}


def test_traffic_of_nobody_that_is_known_is_not_shown() -> None:
    assert traffic_by_container((), (NamespaceTraffic(("x",), (ETH0,)),)) == {}
