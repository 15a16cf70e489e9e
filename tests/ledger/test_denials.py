from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.counts import Totals
from exporter.facts.evidence import ContainerEvent, Denial, Evidence
from exporter.ledger import Batch, Identities, Ledger, Now, Store

WEB, DB, POD_A, POD_B = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
LEVELS = {"s0:c1,c2": "web", "s0:c3,c4": "db", "s0:c5,c6": ""}
IDENTITIES = Identities({WEB: "web", DB: "db", POD_A: "pod-a", POD_B: "pod-b"}, names_by_level=LEVELS)
BOOT, START_US, START_SECONDS = "boot1", 10_000_000_000, 1.8e9


def denial(serial: int = 1, level: str = "s0:c1,c2", cgroup: str = "", domain: str = "container_t") -> Denial:
    return Denial(f"1800000000.123:{serial}", 793, f"system_u:system_r:{domain}:{level}", cgroup)


def home(container_id: str) -> str:
    return f"/services.slice/x.service/libpod-payload-{container_id}"


class Agent:
    """An agent that can be ended at any moment, with one ledger on disk."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self.seconds = 0.0
        self.boot = BOOT
        self.ledger = Ledger(Store(directory))

    def hear(self, *evidence: Evidence, identities: Identities = IDENTITIES, after: float = 0.0) -> Totals:
        self.seconds += after
        now = Now(self.boot, START_US + int(self.seconds * 1e6), START_SECONDS + self.seconds)
        return self.ledger.settle(Batch(evidence, identities=identities), now)

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(Store(self.directory))


def counted(totals: Totals) -> dict[str, int]:
    return {one.name: one.avc_denials for one in totals.containers if one.avc_denials}


def test_everybody_is_counted_from_zero() -> None:
    totals = Agent().hear()
    assert {one.avc_denials for one in totals.containers} == {0}
    assert totals.unattributed_denials == 0


def test_a_denial_is_its_containers_whose_categories_it_has() -> None:
    totals = Agent().hear(denial(1), denial(2, "s0:c3,c4"), denial(3))
    assert counted(totals) == {"web": 2, "db": 1}


def test_one_that_is_told_by_several_is_counted_once() -> None:
    agent = Agent()
    agent.hear(denial(1), denial(1))
    assert counted(agent.hear(denial(1), after=30)) == {"web": 1}


def test_it_is_counted_once_over_restarts_of_the_agent(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.hear(denial(1))
    agent.restart()
    assert counted(agent.hear(denial(1), denial(2))) == {"web": 2}


def test_the_same_serial_number_after_a_reboot_is_another_denial() -> None:
    agent = Agent()
    agent.hear(denial(1))
    later = Denial("1800009999.001:1", 793, denial().context)
    assert counted(agent.hear(later)) == {"web": 2}


def test_what_the_hosts_own_processes_are_denied_is_no_containers_and_is_not_kept(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    totals = agent.hear(
        denial(1, "s0", domain="systemd_tmpfiles_t"),
        denial(2, "s0-s0:c0.c1023", domain="unconfined_t"),
        denial(3, "s0:c7,c8", domain="svirt_t"),  # a virtual machine
        after=100,
    )
    assert (counted(totals), totals.unattributed_denials) == ({}, 0)
    assert not agent.ledger._state.denials_seen


def test_a_label_that_a_pod_shares_is_told_apart_by_the_cgroup() -> None:
    agent = Agent()
    totals = agent.hear(denial(1, "s0:c5,c6", home(POD_A)), denial(2, "s0:c5,c6", home(POD_B)))
    assert counted(totals) == {"pod-a": 1, "pod-b": 1}


def test_a_container_without_a_label_of_its_own_is_found_by_the_cgroup() -> None:
    assert counted(Agent().hear(denial(1, "s0", home(DB), domain="spc_t"))) == {"db": 1}


def test_one_that_cannot_be_told_is_unattributed_after_three_minutes_and_never_guessed() -> None:
    agent = Agent()
    assert agent.hear(denial(1, "s0:c5,c6"), denial(2, "s0:c8,c9")).unattributed_denials == 0
    assert agent.hear(after=170).unattributed_denials == 0
    totals = agent.hear(after=20)
    assert (counted(totals), totals.unattributed_denials) == ({}, 2)
    assert agent.hear(denial(2, "s0:c8,c9"), after=200).unattributed_denials == 2


def test_one_of_a_container_that_is_not_known_yet_waits_for_its_name(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.hear(denial(1), denial(2, "s0", home(WEB)), identities=Identities())
    agent.restart()
    assert counted(agent.hear(after=20)) == {"web": 2}


def test_one_that_is_read_after_its_container_is_gone_is_known_by_the_label_it_had(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.hear()
    agent.restart()
    assert counted(agent.hear(denial(1), identities=Identities(), after=500)) == {"web": 1}


def test_a_label_that_was_given_to_another_is_that_others(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.hear()
    agent.hear(identities=Identities({"e" * 64: "new"}, names_by_level={"s0:c1,c2": "new"}))
    agent.restart()
    assert counted(agent.hear(denial(1), identities=Identities(), after=500)) == {"new": 1}


def test_one_in_a_life_of_a_second_is_known_by_podmans_events() -> None:
    start = ContainerEvent(int(START_SECONDS * 1e9), "f" * 64, "job", "start")
    totals = Agent().hear(start, denial(1, "s0:c8,c9", home("f" * 64)), identities=Identities())
    assert counted(totals) == {"job": 1}


def test_one_that_waited_when_the_host_went_down_is_unattributed(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.hear(denial(1, "s0:c8,c9"))
    agent.boot = "boot2"
    agent.restart()
    assert agent.hear(after=1).unattributed_denials == 1


@pytest.mark.parametrize("level", ["s0:c1.c3", "s0:c3,c2,c1", "s0-s0:c1.c3"])
def test_categories_are_the_same_however_they_are_written(level: str) -> None:
    identities = Identities({WEB: "web"}, names_by_level={"s0:c1.c3": "web"})
    assert counted(Agent().hear(denial(1, level), identities=identities)) == {"web": 1}


def test_one_without_categories_in_a_containers_domain_is_not_left_out() -> None:
    agent = Agent()
    agent.hear(denial(1, "s0"), denial(2, "s0", domain="container_runtime_t"))
    totals = agent.hear(after=200)
    assert (counted(totals), totals.unattributed_denials) == ({}, 1)


def test_a_backlog_that_is_longer_than_what_is_remembered_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Told by audit.log to its end, and then by the journal from its beginning.
    _remember_only(100, monkeypatch)
    agent = Agent()
    told = [denial(serial) for serial in range(1000)]
    for _ in range(2):
        for start in range(0, 1000, 90):
            totals = agent.hear(*told[start : start + 90])
    assert counted(totals) == {"web": 1000}
    assert counted(agent.hear(denial(1001))) == {"web": 1001}


def _remember_only(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("denials", "retention"):
        monkeypatch.setattr(f"exporter.ledger.{module}.SEEN_LIMIT", limit)


def test_a_storm_is_counted_whole_and_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    _remember_only(100, monkeypatch)
    agent = Agent()
    for start in range(0, 3000, 500):
        totals = agent.hear(*(denial(serial) for serial in range(start, start + 500)))
    assert counted(totals) == {"web": 3000}
    assert len(agent.ledger._state.denials_seen) == 100
    unknown = agent.hear(*(denial(9000 + serial, "s0:c8,c9") for serial in range(1500)))
    assert unknown.unattributed_denials == 500
    assert len(agent.ledger._state.host.denials) == 1000


def test_denials_after_the_clock_was_set_back_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    _remember_only(100, monkeypatch)
    agent = Agent()
    a_day_ahead = START_SECONDS + 86_400
    ahead = (Denial(f"{a_day_ahead:.3f}:{serial}", 1, denial().context, "") for serial in range(200))
    assert counted(agent.hear(*ahead)) == {"web": 200}
    assert counted(agent.hear(*(denial(serial, "s0:c3,c4") for serial in range(20)), after=10)) == {
        "web": 200,
        "db": 20,
    }


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["s0:c1,c2", "s0:c3,c4"])), max_size=8), max_size=6)
)
def test_whoever_tells_what_and_how_often_each_stamp_counts_once(batches: list[list[tuple[int, str]]]) -> None:
    agent = Agent()
    first: dict[int, str] = {}
    for batch in batches:
        agent.hear(*(denial(serial, level) for serial, level in batch), after=10)
        for serial, level in batch:
            first.setdefault(serial, LEVELS[level])
    names = list(first.values())
    assert counted(agent.hear()) == {name: names.count(name) for name in set(names)}
