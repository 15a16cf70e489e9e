"""What a user's podman reports, and what a user calls a cgroup, counts for this user's own containers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.facts.counts import Counts
from exporter.facts.evidence import ContainerEvent, Denial, Evidence, KernelKill, KillCount, KillCounts
from exporter.ledger import Batch, Identities, Ledger, Now, RestartCount, Store

ID, BOOT, START_US, SECONDS = "a" * 64, "boot1", 10_000_000_000, 1_795_000_000
SHARED = "/machine.slice"
ROOTS = f"{SHARED}/libpod-{ID}.scope/container"
ALICES = f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
BOBS = ALICES.replace("1000", "1001")
KNOWN = Identities(
    {ID: "web"}, occupants={SHARED: frozenset({"web", "dns", ""})}, account_uids={"root": 0, "alice": 1000, "bob": 1001}
)
UNKNOWN = Identities(account_uids=KNOWN.account_uids)


class Host:
    """A ledger on disk, a clock, the kernel's counts, and three podmans."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger = Ledger(Store(directory))
        self.seconds = 0.0
        self.identities = KNOWN
        self.kills: dict[str, int] = {}

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(Store(self.directory))

    def event(self, name: str, action: str, code: int | None = None, health: str = "") -> ContainerEvent:
        at_nanoseconds = int((SECONDS + self.seconds) * 1e9) + name.count("/")  # no two podmans act at once
        return ContainerEvent(at_nanoseconds, ID, name, action, "", code, health)

    def line(self, path: str) -> KernelKill:
        us = START_US + int(self.seconds * 1e6)
        return KernelKill(BOOT, us, us, 7, path, path, SECONDS + self.seconds)

    def settle(self, *evidence: Evidence, after: float = 1.0, restarts: tuple[RestartCount, ...] = ()) -> None:
        self.seconds += after
        us = START_US + int(self.seconds * 1e6)
        counts = [KillCount(SHARED, 1, sum(self.kills.values()), 0)]
        counts += [KillCount(path, 2, kills, 0, ID) for path, kills in self.kills.items()]
        batch = Batch(evidence, KillCounts(tuple(counts), began_us=us), restarts, identities=self.identities)
        self.ledger.settle(batch, Now(BOOT, us, SECONDS + self.seconds))

    def of(self, name: str) -> Counts:
        return next((one for one in self.ledger.totals().containers if one.name == name), Counts(name))

    def exits(self, name: str = "web") -> dict[str, int]:
        self.settle(after=60)
        return {reason: count for reason, count in self.of(name).exits if count}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("is_first", [True, False], ids=["before roots", "after roots"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known by its id", "known by the event"])
def test_a_kill_of_roots_container_is_its_own_whatever_a_users_podman_calls_it(
    host: Host, *, is_first: bool, is_known: bool
) -> None:
    host.identities = KNOWN if is_known else UNKNOWN
    roots, alices = host.event("web", "start"), host.event("alice/mine", "start")
    host.kills = {ROOTS: 0}
    host.settle(*((alices, roots) if is_first else (roots, alices)))
    host.settle(host.event("alice/mine", "cleanup"))
    host.kills = {ROOTS: 3}
    host.settle(host.line(ROOTS))
    host.settle(host.event("alice/mine", "stop"))
    host.settle(after=60)
    assert (host.of("web").oom_kills, host.of("alice/mine").oom_kills) == (3, 0)
    assert (host.of("web").starts, host.of("alice/mine").starts) == (1, 1)


def test_the_kill_of_a_users_container_that_is_gone_is_known_by_what_the_users_podman_called_it(host: Host) -> None:
    host.identities = UNKNOWN
    host.settle(host.event("bob/theirs", "start"), host.event("alice/mine", "start"))
    host.settle(host.line(ALICES))
    host.settle(host.event("alice/mine", "died", 137))
    assert host.exits("alice/mine") == {"oom": 1}
    assert (host.of("alice/mine").oom_kills, host.of("bob/theirs").oom_kills) == (1, 0)


def test_an_end_of_roots_container_has_its_own_reason_whatever_a_users_podman_reports(host: Host) -> None:
    host.settle(host.event("web", "start"), host.event("alice/mine", "start"))
    host.settle(host.event("alice/mine", "health_status", health="unhealthy"), host.event("alice/mine", "stop"))
    host.settle(host.event("alice/mine", "died", 0), host.event("web", "died", 1))
    host.settle(host.event("alice/mine", "stop"), after=0)
    assert host.exits() == {"error": 1}


def test_the_health_of_roots_container_is_its_own_whatever_a_users_podman_reports(host: Host) -> None:
    host.settle(host.event("web", "health_status", health="unhealthy"))
    host.settle(host.event("alice/mine", "health_status", health="healthy"), host.event("alice/mine", "remove"))
    host.settle(host.event("web", "died", 1))
    assert host.exits() == {"health": 1}


def test_a_users_podman_that_reports_the_end_of_roots_container_gives_it_no_reason_for_an_end(host: Host) -> None:
    host.kills = {ROOTS: 1}
    host.settle(host.line(ROOTS))
    host.settle(host.event("alice/mine", "died", 137), host.event("web", "died", 137))
    assert host.exits("alice/mine") == {"signal": 1}
    assert host.exits("web") == {"oom": 1}


def test_restarts_of_roots_container_are_its_own_whatever_a_users_podman_reports(host: Host) -> None:
    host.settle(restarts=(RestartCount(f"podman:{ID}", "web", 3, SECONDS),))
    host.settle(host.event("alice/mine", "died", 1))
    host.settle(host.event("alice/mine", "restart"))
    host.settle(after=60, restarts=(RestartCount(f"podman:{ID}", "web", 4, SECONDS + 62),))
    host.settle(after=60, restarts=(RestartCount(f"podman:{ID}", "web", 4, SECONDS + 122),))
    assert (host.of("web").restarts, host.of("alice/mine").restarts) == (4, 1)


def test_restarts_of_a_user_that_an_agent_of_before_has_counted_are_not_counted_again(host: Host) -> None:
    host.settle(restarts=(RestartCount(f"podman:{ID}", "alice/mine", 3, SECONDS),))
    host.restart()
    host.settle(restarts=(RestartCount(f"podman:alice/{ID}", "alice/mine", 3, SECONDS + 1),))
    assert host.of("alice/mine").restarts == 3
    host.settle(host.event("alice/mine", "died", 1))
    host.settle(host.event("alice/mine", "restart"))
    host.restart()
    host.settle(restarts=(RestartCount(f"podman:alice/{ID}", "alice/mine", 4, SECONDS + 3),))
    assert host.of("alice/mine").restarts == 4


@pytest.mark.parametrize("is_first", [True, False], ids=["before roots", "after roots"])
def test_a_kill_in_a_users_cgroup_with_the_name_of_roots_container_is_not_of_roots(
    host: Host, *, is_first: bool
) -> None:
    host.settle(host.event("web", "start"))
    for path in (ALICES, ROOTS) if is_first else (ROOTS, ALICES):
        host.settle(host.line(path))
        host.kills = {ROOTS: 1} if path == ROOTS else host.kills
        host.settle(host.line(BOBS))
    at_seconds = host.seconds
    host.settle(host.line(ALICES), after=5)
    host.settle(host.event("web", "died", 137))
    assert host.exits() == {"oom": 1}
    web = host.of("web")
    assert web.oom_kills == 1
    assert (web.last_oom_kill_seconds or 0) <= SECONDS + at_seconds


def test_a_denial_of_a_users_process_is_not_of_roots_container_whatever_its_cgroup_and_its_label_say(
    host: Host,
) -> None:
    host.identities = Identities({ID: "web"}, names_by_level={"s0:c1,c2": "web"}, account_uids=KNOWN.account_uids)
    host.settle(host.event("web", "start"))
    for serial, path in enumerate((ALICES, ROOTS, "/user.slice/user-1000.slice/session-3.scope")):
        host.settle(Denial(f"1800000000.123:{serial}", 793, "u:r:container_t:s0:c1,c2", path))
        host.settle(Denial(f"1800000000.124:{serial}", 793, "u:r:container_t:s0", path))
    host.settle(after=300)
    assert host.of("web").avc_denials == 2


def flood(host: Host, action: str, *, health: str = "") -> list[ContainerEvent]:
    """An event of each of three times as many containers of alice's as may be remembered."""
    at_nanoseconds = int((SECONDS + host.seconds) * 1e9)
    return [
        ContainerEvent(at_nanoseconds, f"{number:064x}", f"alice/{number}", action, "", 1, health)
        for number in range(30)
    ]


def test_a_users_containers_by_the_thousand_have_none_of_roots_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(Store(tmp_path), max_containers=10)
    host = Host(tmp_path / "other")
    for name in ("web", "bob/theirs"):
        ledger.settle(Batch((host.event(name, "start"),)), Now(BOOT, START_US, SECONDS))
    ledger.settle(Batch(tuple(flood(host, "start"))), Now(BOOT, START_US + 10**6, SECONDS + 1))
    users = [one.name.partition("/")[0] for one in ledger.totals().containers]
    assert {user: users.count(user) for user in users} == {"web": 1, "bob": 1, "alice": 10}


def test_a_users_ends_by_the_thousand_decide_on_the_reason_of_no_other(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.ledger.exits._PENDING_LIMIT", 10)
    host.kills = {ROOTS: 0}
    host.settle(host.event("web", "start"))
    host.settle(host.event("web", "died", 137), *flood(host, "died"))
    assert sum(count for one in host.ledger.totals().containers for _, count in one.exits) == 20
    host.kills = {ROOTS: 1}
    host.settle(host.line(ROOTS))
    assert host.exits() == {"oom": 1}


def test_a_users_unhealthy_containers_by_the_thousand_make_no_other_well(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.ledger.exits._UNHEALTHY_LIMIT", 10)
    host.settle(host.event("web", "health_status", health="unhealthy"))
    host.settle(*flood(host, "health_status", health="unhealthy"))
    assert len(host.ledger._state.unhealthy) == 11
    host.settle(host.event("web", "died", 1))
    assert host.exits() == {"health": 1}


def test_a_users_restarts_by_the_thousand_have_none_of_roots_counted_anew(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.ledger.retention._PODMAN_CHAINS_LIMIT", 10)
    roots = RestartCount(f"podman:{ID}", "web", 3, SECONDS)
    host.settle(restarts=(roots,))
    host.identities = UNKNOWN  # root's podman is silent for a while
    host.settle(*flood(host, "died"))
    host.settle(*flood(host, "restart"))
    host.settle()
    assert len(host.ledger._state.chains) == 11
    host.settle(restarts=(roots,))
    assert host.of("web").restarts == 3


def test_what_a_users_podman_reports_by_the_thousand_takes_no_name_from_another(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.ledger.retention.SEEN_LIMIT", 10)
    host.identities = UNKNOWN
    host.settle(host.event("web", "start"))
    host.settle(*flood(host, "start"))
    assert len(host.ledger._state.lives) == 11
    host.kills = {ROOTS: 1}
    host.settle(host.line(ROOTS))
    assert host.of("web").oom_kills == 1


@pytest.mark.parametrize("name", ["web", "alice/mine"])
def test_the_end_of_a_container_is_not_for_a_kill_in_a_cgroup_of_nobody_known(host: Host, name: str) -> None:
    host.identities = UNKNOWN
    host.settle(host.line(BOBS))
    host.settle(host.event(name, "died", 137))
    assert host.exits(name) == {"signal": 1}
