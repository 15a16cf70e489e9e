from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.macvlan_network import CHECK
from exporter.facts.container import ContainerNetwork
from exporter.report.findings import Verdict
from tests.assess.secure import CONTAINER, IN_THE_DARK, SECURE, fails, passes, verdict


def test_a_macvlan_passes() -> None:
    assert passes(CHECK)


def test_a_bridge_beside_the_macvlan_fails_and_is_named() -> None:
    networks = (*CONTAINER.networks, ContainerNetwork("podman", "bridge"))
    subject = replace(SECURE, container=replace(CONTAINER, networks=networks))
    assert fails(CHECK, subject)
    assert "podman is bridge" in CHECK.examine(subject).detail


def test_the_hosts_network_fails() -> None:
    assert fails(CHECK, replace(SECURE, container=replace(CONTAINER, networks=(), network_mode="host")))


def test_no_network_at_all_passes() -> None:
    assert passes(CHECK, replace(SECURE, container=replace(CONTAINER, networks=(), network_mode="none")))


def test_what_podman_did_not_say_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    nameless = replace(SECURE, container=replace(CONTAINER, networks=(ContainerNetwork("lan", ""),)))
    assert verdict(CHECK, nameless) is Verdict.UNKNOWN
