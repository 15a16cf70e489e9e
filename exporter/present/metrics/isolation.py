"""What containers take from common stock, and where two of them may meet: ids, addresses, interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.facts.network import Interface
from exporter.present.metrics.family import Family, Kind, Sample, labelled_containers
from exporter.report.container import ContainerReport
from exporter.report.host import IdUse, Report

_ADDRESSES_SHOWN = 8
_BY_INTERFACE = ("container", "interface")
_EACH_INTERFACE = "1 an interface of a container, 16 at most"
_ONCE = " Without lo; of a shared namespace once, with its owner (a pod's infra container); of the host's own never."


def _ids(report: Report) -> Iterator[Sample]:
    for one in report.id_use:
        for state, figure in (
            ("total", one.total),
            ("used", one.used),
            ("largest_free_block", one.largest_free_block),
        ):
            if figure is not None:
                yield Sample((one.kind, state), figure)


def _by_kind(value: Callable[[IdUse], int | None]) -> Callable[[Report], Iterator[Sample]]:
    def samples(report: Report) -> Iterator[Sample]:
        for one in report.id_use:
            figure = value(one)
            if figure is not None:
                yield Sample((one.kind,), figure)

    return samples


def _networks_of(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    for network in one.networks:
        addresses = ",".join(network.ip_addresses[:_ADDRESSES_SHOWN])
        yield (network.name, network.driver, network.parent, addresses, network.mac_address), 1


def _parents(report: Report) -> Iterator[Sample]:
    for one in report.networks:
        if one.parent_is_up is not None:
            yield Sample((one.name, one.parent), float(one.parent_is_up))


def _pools(report: Report) -> Iterator[Sample]:
    for one in report.networks:
        for pool in one.pools:
            yield Sample((one.name, pool.subnet, "total"), pool.total)
            yield Sample((one.name, pool.subnet, "used"), pool.used)


def _traffic(name: str, words: str, value: Callable[[Interface], int]) -> Family:
    return Family(
        name,
        words + _ONCE,
        Kind.COUNTER,
        _BY_INTERFACE,
        _EACH_INTERFACE,
        labelled_containers(lambda one: (((each.name,), value(each)) for each in one.interfaces)),
    )


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_userns_ids",
        "User and group ids of the account containers in /etc/subuid and /etc/subgid: total, used (in the map of a "
        "container, whether it runs or not), largest_free_block.",
        Kind.GAUGE,
        ("kind", "state"),
        "6",
        _ids,
    ),
    Family(
        "bulkhead_userns_containers_left",
        "How many more containers with --userns=auto can start: free ids over the ids that a container here usually "
        "has (the most frequent number, 1024 without any). podman fills gaps, so all free ids count.",
        Kind.GAUGE,
        ("kind",),
        "2",
        _by_kind(lambda one: one.containers_left),
    ),
    Family(
        "bulkhead_userns_overlaps",
        "Pairs that have an id in common and should not: containers of root's, accounts or groups of the host, owners "
        "in /etc/subuid or /etc/subgid. Containers that share a user namespace on purpose are none.",
        Kind.GAUGE,
        ("kind",),
        "2",
        _by_kind(lambda one: one.overlaps),
    ),
    Family(
        "bulkhead_container_network_info",
        "The networks that the container is connected to; ip holds all its addresses there, with commas. For a pod see "
        "its infra container.",
        Kind.GAUGE,
        ("container", "network", "driver", "parent", "ip", "mac"),
        "1 a network of a container",
        labelled_containers(_networks_of),
    ),
    Family(
        "bulkhead_network_duplicate_addresses",
        "IP and MAC addresses in the network that two containers have, in it or in another network on its parent.",
        Kind.GAUGE,
        ("network",),
        "1 a network with containers, 256 at most",
        lambda report: (Sample((one.name,), one.duplicates) for one in report.networks),
    ),
    Family(
        "bulkhead_network_parent_up",
        "1 while the host's interface that a macvlan or ipvlan network stands on is up, 0 while it is down or missing.",
        Kind.GAUGE,
        ("network", "parent"),
        "1 a macvlan or ipvlan network with containers, 256 at most",
        _parents,
    ),
    Family(
        "bulkhead_network_addresses",
        "Addresses that podman may give out in each subnet of the network (total), and those of them that containers "
        "have (used); absent where podman does not give them out.",
        Kind.GAUGE,
        ("network", "subnet", "state"),
        "2 a subnet of a network with containers, 16 subnets at most",
        _pools,
    ),
    _traffic(
        "bulkhead_container_network_receive_bytes_total",
        "Bytes that the container's interface received.",
        lambda one: one.receive_bytes,
    ),
    _traffic(
        "bulkhead_container_network_receive_packets_total",
        "Packets that the container's interface received.",
        lambda one: one.receive_packets,
    ),
    _traffic(
        "bulkhead_container_network_receive_errors_total",
        "Packets that came damaged to the container's interface.",
        lambda one: one.receive_errors,
    ),
    _traffic(
        "bulkhead_container_network_receive_dropped_total",
        "Packets that came to the container's interface and were dropped.",
        lambda one: one.receive_dropped,
    ),
    _traffic(
        "bulkhead_container_network_transmit_bytes_total",
        "Bytes that the container's interface sent.",
        lambda one: one.transmit_bytes,
    ),
    _traffic(
        "bulkhead_container_network_transmit_packets_total",
        "Packets that the container's interface sent.",
        lambda one: one.transmit_packets,
    ),
    _traffic(
        "bulkhead_container_network_transmit_errors_total",
        "Packets that the container's interface failed to send.",
        lambda one: one.transmit_errors,
    ),
    _traffic(
        "bulkhead_container_network_transmit_dropped_total",
        "Packets that the container's interface dropped instead of sending them.",
        lambda one: one.transmit_dropped,
    ),
)
