"""The container stands on the network as a machine of its own, through macvlan with a fixed address.

Declared: the driver of each of its networks. A container without any network is no worse walled.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, of_another, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the networks that a quadlet asks for."""
    return of_another(subject, "net") or examine(subject)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the drivers of the container's networks."""
    if subject.container is None or not subject.container.inspected:
        return unknown("podman did not say")
    if subject.container.network_mode == "none":
        return passed("no network")
    if not subject.container.networks:
        return failed("not on macvlan", f"network mode {subject.container.network_mode or 'not known'}")
    unlike = [network for network in subject.container.networks if network.driver != "macvlan"]
    if any(not network.driver for network in unlike):
        return unknown("network driver not known")
    if unlike:
        return failed("not on macvlan", ", ".join(f"{network.name} is {network.driver}" for network in unlike[:5]))
    return passed("on macvlan")


CHECK = Check(
    id="macvlan_network",
    title="On a macvlan network",
    severity=Severity.INFO,
    why="No address translation and no userland proxy stands between the container and the network: "
    "the fewest parts that can fail or be attacked.",
    fix_quadlet="Network=lan.network with Driver=macvlan, and IP=",
    fix_podman="podman network create -d macvlan -o parent=IFACE lan; --network lan --ip ADDRESS",
    references=("podman-network-create(1): macvlan",),
    examine=examine,
    declared=declared,
    causes=("--network", "--pod-id-file", "--pod", "[Container]"),
)
