"""Addresses that collide or run out, parents that are down, and which container a namespace's traffic belongs to.

podman takes an address from the lease range of a subnet, or from all of it but the first, the gateway and, with IPv4,
the last (libnetwork/netavark/ipam.go). It gives out no address twice within one network, but cares neither for MAC
addresses nor for another network on the same parent: that is one segment of Ethernet, and is looked at as one here.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from exporter.assess.inventory import KnownContainer
from exporter.facts.container import ContainerNetwork, full_name
from exporter.facts.host import PAIRED_LINKS, Host
from exporter.facts.network import AddressPool, Interface, NamespaceTraffic
from exporter.report.host import NetworkReport, PoolUse

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Segment: TypeAlias = tuple[str, str, str]  # user, and the network or the parent that it stands on

_NO_NETWORK = frozenset({"none", "host"})  # podman reports each as a network of that name
_NETWORKS_MAX = 256  # a user's own podman may report any number
_ON_PARENT = frozenset({"macvlan", "ipvlan"})
# The kernel's operstates.rst: an unknown state (a driver that does not report it) must be taken for up.
_UP = frozenset({"up", "unknown"})


def networks(containers: Sequence[KnownContainer], host: Host | None) -> tuple[NetworkReport, ...]:
    """Every network that a container is in, root's first, by name."""
    members: dict[str, list[tuple[KnownContainer, ContainerNetwork]]] = {}
    holders: dict[Segment, Counter[str]] = {}
    for known in containers:
        for network in own_networks(known, host):
            members.setdefault(full_name(known.user, network.name), []).append((known, network))
            holders.setdefault(_segment(known, network), Counter()).update(_addresses(network))
    links = dict(host.links) if host and host.links else None
    reports = []
    for name, connected in sorted(members.items(), key=lambda one: (one[1][0][0].user, one[0]))[:_NETWORKS_MAX]:
        known, network = connected[0]
        held = holders[_segment(known, network)]
        addresses = {address for _, one in connected for address in _addresses(one)}
        is_on_parent = not known.user and network.driver in _ON_PARENT and bool(network.parent)
        is_listed = is_on_parent and not network.parent.startswith(PAIRED_LINKS)
        reports.append(
            NetworkReport(
                name,
                parent=network.parent,
                parent_is_up=links.get(network.parent) in _UP if links is not None and is_listed else None,
                duplicates=sum(1 for address in addresses if held[address] > 1),
                pools=tuple(_pools(network.pools, addresses)),
            )
        )
    return tuple(reports)


def own_networks(known: KnownContainer, host: Host | None) -> tuple[ContainerNetwork, ...]:
    """The networks that the container itself is connected to.

    Of one that joins another's namespace, as those of a pod do, podman tells the other's once more. For a macvlan that
    was made without a parent, netavark takes the interface of the default route.
    """
    container = known.container
    if container is None or container.network_mode in _NO_NETWORK or container.network_mode.startswith("container:"):
        return ()
    default = host.default_link if host and not known.user else ""
    return tuple(
        replace(one, parent=default) if default and not one.parent and one.driver in _ON_PARENT else one
        for one in container.networks
    )


def traffic_by_container(
    containers: Sequence[KnownContainer], traffic: Iterable[NamespaceTraffic]
) -> Mapping[str, tuple[Interface, ...]]:
    """The interfaces of each network namespace, by the id of the container that owns the namespace.

    The owner is a pod's infra container, or the container that joins no other's namespace, or else the first by name.
    """
    order = {one.id: (_joins(one), position) for position, one in enumerate(containers) if one.id}
    owned = {}
    for namespace in traffic:
        here = [container_id for container_id in namespace.container_ids if container_id in order]
        if here:
            owned[min(here, key=lambda one: order[one])] = namespace.interfaces
    return owned


def _joins(known: KnownContainer) -> int:
    container = known.container
    if container is None:
        return 1
    return 0 if container.is_infra else 2 if container.network_mode.startswith("container:") else 1


def _segment(known: KnownContainer, network: ContainerNetwork) -> Segment:
    if network.driver in _ON_PARENT:
        return known.user, "on", network.parent
    return known.user, "network", network.name


def _addresses(network: ContainerNetwork) -> frozenset[str]:
    """IP addresses, and the MAC address but of ipvlan, where all have that of the parent."""
    mac = () if network.driver == "ipvlan" or not network.mac_address else (network.mac_address.lower(),)
    return frozenset((*network.ip_addresses, *mac))


def _pools(pools: Iterable[AddressPool], addresses: Iterable[str]) -> Iterable[PoolUse]:
    taken = [address for one in addresses if (address := _parsed(one)) is not None]
    for pool in pools:
        bounds = _bounds(pool)
        if bounds is None:
            continue
        first, last = bounds
        gateway = _parsed(pool.gateway)
        total = int(last) - int(first) + 1
        inside = [one for one in taken if one.version == first.version and int(first) <= int(one) <= int(last)]
        if gateway is not None and gateway.version == first.version and int(first) <= int(gateway) <= int(last):
            total -= 1
            inside = [one for one in inside if one != gateway]
        yield PoolUse(pool.subnet, max(0, total), len(inside))


def _bounds(pool: AddressPool) -> tuple[Address, Address] | None:
    """The first and the last address that podman gives out."""
    try:
        subnet = ipaddress.ip_network(pool.subnet, strict=False)
    except ValueError:
        return None
    first, last = _parsed(pool.lease_start), _parsed(pool.lease_end)
    lowest, highest = subnet.network_address, subnet.broadcast_address
    if first is None or first == lowest:
        first = lowest + 1
    last = highest if last is None else last
    if last.version == 4 and last == highest:  # noqa: PLR2004 - IP's version
        last -= 1
    return (first, last) if first.version == last.version == subnet.version else None


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
