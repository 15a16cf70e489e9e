"""Ids that run out, addresses that collide, traffic and denials: the page beside what podman and the kernel say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab.agent import UNITS, Page, by_container, metrics, wait_until_ready
from tests.lab.machine import Machine

IMAGE = "localhost/lab:1"
DENIALS = "bulkhead_container_avc_denials_total"
LEFT = "bulkhead_userns_containers_left"
IDS = "bulkhead_userns_ids"
DUPLICATES = "bulkhead_network_duplicate_addresses"
PARENT_UP = "bulkhead_network_parent_up"
ROOM = 3
RANGE = f"alice:100000:65536\ncontainers:3000000000:{ROOM * 1024}\n"
SENT_BYTES = 1_000_000
SEEN_SECONDS = 180


def run(lab: Machine, name: str, *arguments: str, command: str = "/bin/sleep 3600") -> bool:
    """Start a container; whether podman did."""
    line = f"podman run -d --rm --name {name} {' '.join(arguments)} {IMAGE} {command}"
    return lab.run(line, check=False, timeout_seconds=120).returncode == 0


def remove(lab: Machine, *names: str) -> None:
    lab.run(f"podman rm -f -t 0 --ignore {' '.join(names)}", timeout_seconds=180)


def seen(lab: Machine, what: str, holds: Callable[[Page], bool]) -> Page:
    """The page, as soon as it says so."""
    pages: list[Page] = []

    def on_page() -> bool:
        pages[:] = [metrics(lab)]
        return holds(pages[0])

    lab.wait(on_page, what, timeout_seconds=SEEN_SECONDS, pause_seconds=1)
    return pages[0]


def by(page: Page, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values under that name, by these labels."""
    return {tuple(found[label] for label in labels): value for found, value in page.get(name, [])}


def ids(page: Page, kind: str) -> dict[str, float]:
    return {state: value for (which, state), value in by(page, IDS, "kind", "state").items() if which == kind}


@pytest.fixture
def small_range(agent: Machine) -> Iterator[Machine]:
    """The guest with ids for a few containers more; podman reads the files each time that it gives some out."""
    files = "/etc/subuid /etc/subgid"
    agent.run(f"for file in {files}; do cp -p $file $file.lab; done; tee {files} >/dev/null", stdin=RANGE.encode())
    try:
        yield agent
    finally:
        remove(agent, *(f"t-ids-{number}" for number in range(ROOM + 2)))
        agent.run(f"for file in {files}; do mv $file.lab $file; done")


def test_as_many_containers_start_as_were_said_to_fit_in_the_ids(small_range: Machine) -> None:
    lab = small_range
    page = seen(lab, "small range", lambda page: ids(page, "uid").get("total") == ROOM * 1024)
    predicted = by(page, LEFT, "kind")
    assert predicted == {("uid",): ROOM, ("gid",): ROOM}
    started = [run(lab, f"t-ids-{number}", "--userns auto", "--network none") for number in range(ROOM + 1)]
    assert started == [True] * ROOM + [False]
    page = seen(lab, "no ids left", lambda page: by(page, LEFT, "kind")["uid",] == 0)
    full = {"total": ROOM * 1024, "used": ROOM * 1024, "largest_free_block": 0}
    assert (ids(page, "uid"), ids(page, "gid")) == (full, full)
    # In the middle and at the end: two halves, which podman joins.
    remove(lab, "t-ids-1")
    assert run(lab, "t-ids-1", "--userns auto:size=512", "--network none")
    remove(lab, "t-ids-0")
    assert run(lab, "t-ids-0", "--userns auto:size=512", "--network none")
    page = seen(lab, "two gaps", lambda page: ids(page, "uid")["used"] == 2 * 1024)
    assert ids(page, "uid")["largest_free_block"] == 512
    assert run(lab, "t-ids-3", "--userns auto:size=1024", "--network none")
    assert not run(lab, "t-ids-4", "--userns auto:size=512", "--network none")


@pytest.fixture
def two_networks(agent: Machine) -> Iterator[Machine]:
    """Two macvlan networks on one parent, with the same addresses."""
    agent.run("ip link add t-net0 type dummy && ip link set t-net0 up")
    for name in ("t-net-a", "t-net-b"):
        agent.run(f"podman network create -d macvlan -o parent=t-net0 --subnet 10.95.0.0/28 {name}")
    try:
        yield agent
    finally:
        remove(agent, "t-net-1", "t-net-2", "t-net-3", "t-net-host")
        agent.run("podman network rm -f t-net-a t-net-b; ip link del t-net0", check=False, timeout_seconds=120)


def figures(lab: Machine, name: str) -> dict[str, int]:
    """What the kernel has counted at eth0 of a container."""
    pid = lab.ssh(f"podman inspect -f '{{{{.State.Pid}}}}' {name}").strip()
    columns = [int(each) for each in lab.ssh(f"sed -n 's/.*eth0://p' /proc/{pid}/net/dev").split()]
    kinds = ("bytes", "packets", "errors", "dropped")
    return {f"receive_{kind}": columns[at] for at, kind in enumerate(kinds)} | {
        f"transmit_{kind}": columns[at + 8] for at, kind in enumerate(kinds)
    }


def shown(page: Page, name: str) -> dict[str, float]:
    """What the page says of eth0 of a container."""
    told = {}
    for way in ("receive", "transmit"):
        for kind in ("bytes", "packets", "errors", "dropped"):
            series = by(page, f"bulkhead_container_network_{way}_{kind}_total", "container", "interface")
            told[f"{way}_{kind}"] = series.get((name, "eth0"), -1.0)
    return told


def test_collisions_are_told_and_traffic_is_what_was_sent(two_networks: Machine) -> None:
    lab = two_networks
    # Its input stays open: at the end of one end's input, the other ends as well.
    listen = "/bin/sh -c 'sleep 3600 | nc -l -p 9000 >/dev/null'"
    assert run(lab, "t-net-1", "--network t-net-a:ip=10.95.0.2")
    assert run(lab, "t-net-2", "--network t-net-a:ip=10.95.0.3", command=listen)
    assert run(lab, "t-net-host", "--network host")
    page = seen(lab, "both", lambda page: {"t-net-1", "t-net-2"} <= {one for one, _ in by_interface(page)})
    assert by(page, DUPLICATES, "network")["t-net-a",] == 0
    assert by(page, "bulkhead_network_addresses", "network", "state")["t-net-a", "total"] == 13
    assert by(page, "bulkhead_network_addresses", "network", "state")["t-net-a", "used"] == 2

    before = {name: figures(lab, name) for name in ("t-net-1", "t-net-2")}
    send = f"dd if=/dev/zero bs=1000 count={SENT_BYTES // 1000} | nc 10.95.0.3 9000"
    lab.run(f'podman exec t-net-1 sh -c "{send}"', timeout_seconds=120)

    def agrees(page: Page) -> bool:
        return all(shown(page, name) == figures(lab, name) for name in before)

    page = seen(lab, "the kernel's figures", agrees)
    sent = shown(page, "t-net-1")["transmit_bytes"] - before["t-net-1"]["transmit_bytes"]
    received = shown(page, "t-net-2")["receive_bytes"] - before["t-net-2"]["receive_bytes"]
    assert SENT_BYTES < sent < 1.2 * SENT_BYTES
    assert SENT_BYTES < received < 1.2 * SENT_BYTES

    # A pod's traffic is shown once, the host's own with no container.
    names = {container for container, _ in by_interface(page)}
    assert "stack-infra" in names
    assert names.isdisjoint({"inpod1", "t-net-host", "podrestart"})

    assert run(lab, "t-net-3", "--network t-net-b:ip=10.95.0.2")
    lab.run("ip link set t-net0 down")
    page = seen(lab, "collision", lambda page: by(page, DUPLICATES, "network").get(("t-net-b",)) == 1)
    assert by(page, DUPLICATES, "network")["t-net-a",] == 1
    assert by(page, DUPLICATES, "network")["lan",] == 0
    page = seen(lab, "parent down", lambda page: by(page, PARENT_UP, "network")["t-net-a",] == 0)
    assert by(page, PARENT_UP, "network", "parent")["lan", "lan0"] == 1


def by_interface(page: Page) -> dict[tuple[str, ...], float]:
    return by(page, "bulkhead_container_network_receive_bytes_total", "container", "interface")


@pytest.fixture
def denied(agent: Machine) -> Iterator[tuple[Machine, str, float]]:
    """The guest with a container whose volume is not labelled for it, the container's own label, its count before."""
    counted = by_container(metrics(agent), DENIALS).get("t-denied", 0)
    agent.run("mkdir -p /srv/t-denied && echo 1 >/srv/t-denied/secret && chcon -R -t user_home_t /srv/t-denied")
    assert run(agent, "t-denied", "--network none", "-v /srv/t-denied:/data")
    try:
        yield agent, agent.ssh("podman inspect -f '{{.ProcessLabel}}' t-denied").strip(), counted
    finally:
        remove(agent, "t-denied")
        agent.run(f"rm -rf /srv/t-denied; systemctl start {UNITS}", timeout_seconds=300)


def told_by_auditd(lab: Machine, label: str) -> int:
    """How many denials of that label auditd has written down."""
    line = f"cat /var/log/audit/audit.log* | grep -a 'type=AVC .* denied .*scontext={label} '"
    return int(lab.ssh(f"{line} | sed 's/.*audit(//; s/).*//' | sort -u | wc -l"))


def test_a_denial_made_on_purpose_is_counted_once_whoever_is_down(denied: tuple[Machine, str, float]) -> None:
    lab, label, counted = denied

    def told_of(page: Page) -> float:
        return by_container(page, DENIALS).get("t-denied", -1) - counted

    seen(lab, "container", lambda page: told_of(page) == told_by_auditd(lab, label))
    at_start = told_by_auditd(lab, label)
    page = metrics(lab)
    unattributed, of_others = page["bulkhead_unattributed_avc_denials_total"], by_container(page, DENIALS)
    lab.run("podman exec t-denied cat /data/secret")
    seen(lab, "all denials", lambda page: told_of(page) == told_by_auditd(lab, label) > at_start)
    lab.run("sleep 5")
    page = metrics(lab)
    assert told_of(page) == told_by_auditd(lab, label) > at_start
    assert by_container(page, DENIALS) | {"t-denied": 0} == of_others | {"t-denied": 0}

    # Nobody looks, and the container is gone when somebody does.
    lab.run(f"systemctl stop {UNITS}", timeout_seconds=120)
    before = told_by_auditd(lab, label)
    lab.run("podman exec t-denied sh -c 'echo 2 >>/data/secret; mkdir /data/made'")
    remove(lab, "t-denied")
    lab.run(f"systemctl start {UNITS}", timeout_seconds=300)
    wait_until_ready(lab)
    truth = told_by_auditd(lab, label)
    assert truth > before
    page = seen(lab, "denials of before", lambda page: told_of(page) >= truth)
    assert told_of(page) == truth
    assert page["bulkhead_unattributed_avc_denials_total"] == unattributed
