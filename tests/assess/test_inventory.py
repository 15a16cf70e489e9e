from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.inventory import KnownContainer, known_containers
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.container import Container
from exporter.facts.counts import Counts, Totals
from exporter.facts.process import Conmon, ProcessTable
from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.reading import Read
from exporter.facts.snapshot import Snapshot
from exporter.facts.unit import Quadlet
from tests.assess.secure import CGROUPS, CONTAINER, ID, PAYLOAD_LEVEL, PROCESSES, QUADLET, UNIT
from tests.assess.snapshots import CONMON, SNAPSHOT, answered, silent

NEW_ID = "f" * 64
ANSWERED: Read[tuple[Container, ...]] = answered((CONTAINER,))


def by_name(snapshot: Snapshot) -> dict[str, KnownContainer]:
    return {known.name: known for known in known_containers(snapshot)}


def test_one_container_is_joined_from_every_source() -> None:
    known = by_name(SNAPSHOT)["objects02"]
    assert known.container == CONTAINER
    assert known.cgroups == CGROUPS
    assert known.processes == PROCESSES
    assert known.unit == UNIT
    assert known.state == "running"


def test_a_rootless_container_is_named_by_user_and_never_joined_with_a_unit_of_the_system() -> None:
    snapshot = replace(
        SNAPSHOT, podman=answered((replace(CONTAINER, name="alice/objects02", user="alice"),)), quadlet=answered(())
    )
    assert by_name(snapshot)["alice/objects02"].unit is None


def test_a_container_that_no_podman_was_asked_about_is_named_by_its_conmon_and_its_owner() -> None:
    tree = ContainerCgroups(NEW_ID, 1000, CGROUPS.use, (replace(PAYLOAD_LEVEL, path="/user.slice/x"),))
    table = ProcessTable((), (Conmon(NEW_ID, "web", 77, 1000),))
    snapshot = replace(SNAPSHOT, cgroup=answered((CGROUPS, tree)), process=answered(table))
    found = by_name(snapshot)["alice/web"]
    assert (found.state, found.container, found.id) == ("running", None, NEW_ID)


def test_a_container_that_nothing_names_goes_by_its_short_id() -> None:
    tree = ContainerCgroups(NEW_ID, 4242, CGROUPS.use, ())
    snapshot = replace(SNAPSHOT, cgroup=answered((tree,)), process=silent())
    assert "4242/ffffffffffff" in by_name(snapshot)


def test_after_a_restart_the_living_id_is_meant_before_podmans_list_has_caught_up() -> None:
    tree = replace(CGROUPS, container_id=NEW_ID)
    table = ProcessTable((), (replace(CONMON, container_id=NEW_ID),))
    found = by_name(replace(SNAPSHOT, cgroup=answered((tree,)), process=answered(table)))
    assert list(found) == ["objects02"]
    assert found["objects02"].id == NEW_ID


def test_a_silent_podman_leaves_the_last_names() -> None:
    assert by_name(replace(SNAPSHOT, podman=silent(ANSWERED)))["objects02"].id == ID


def test_a_podman_that_never_answered_leaves_the_names_of_conmon_and_the_unit_of_the_cgroup() -> None:
    known = by_name(replace(SNAPSHOT, podman=silent()))["objects02"]
    assert known.state == "running"
    assert known.unit == UNIT


def test_a_wanted_quadlet_that_podman_does_not_have_is_missing() -> None:
    snapshot = replace(SNAPSHOT, podman=answered(()), cgroup=answered(()))
    known = by_name(snapshot)["objects02"]
    assert (known.state, known.unit, known.id) == ("missing", UNIT, "")


def test_nothing_is_missing_while_podman_is_silent_and_the_expected_stay_known() -> None:
    assert by_name(replace(SNAPSHOT, podman=silent(), cgroup=answered(())))["objects02"].state == ""


@pytest.mark.parametrize(
    ("counted", "container", "state"),
    [("gone", "gone", "missing"), ("other", "gone", None), ("gone", "", None), ("objects02", "objects02", "running")],
)
def test_a_container_with_counts_whose_quadlet_makes_no_unit_any_more_stays_expected(
    counted: str, container: str, state: str | None
) -> None:
    unmade = UnmadeQuadlet("/etc/containers/systemd/gone.container", 0, "no unit.", container)
    totals = Totals(0, (Counts(counted, starts=1),))
    known = by_name(replace(SNAPSHOT, quadlet_file=answered((unmade,)), totals=totals))
    assert (known[container].state if container in known else None) == state


def test_a_quadlet_that_nothing_wants_is_expected_only_while_its_unit_is_awake() -> None:
    lazy = Quadlet("job.service", "job", "/etc/containers/systemd/job.container", wanted=False)
    asleep = replace(SNAPSHOT, quadlet=answered((QUADLET, lazy)))
    assert "job" not in by_name(asleep)
    failed = replace(UNIT, name="job.service", active_state="failed")
    assert by_name(replace(asleep, systemd=answered((UNIT, failed))))["job"].state == "missing"


def test_podmans_words_become_the_pages_words() -> None:
    said = {"configured": "created", "initialized": "created", "stopped": "exited", "removing": "exited", "odd": ""}
    for word, state in said.items():
        snapshot = replace(SNAPSHOT, podman=answered((replace(CONTAINER, state=word),)))
        assert by_name(snapshot)["objects02"].state == state


def test_a_container_without_the_label_finds_its_unit_through_its_quadlet() -> None:
    snapshot = replace(SNAPSHOT, podman=answered((replace(CONTAINER, unit=""),)))
    assert by_name(snapshot)["objects02"].unit == UNIT


def test_a_conmon_of_another_user_names_nobody() -> None:
    impostor = Conmon(ID, "innocent", 77, 1000)
    snapshot = replace(SNAPSHOT, podman=silent(), process=answered(ProcessTable((), (impostor,))))
    assert "innocent" not in by_name(snapshot)


ALICES_TREE = replace(CGROUPS, owner_uid=1000)
ALICES = replace(CONTAINER, name="alice/mine", user="alice", state="exited")
BOBS = replace(ALICES, name="bob/theirs", user="bob")


def test_a_users_podman_that_lists_the_id_of_roots_container_takes_nothing_from_it() -> None:
    # Root's podman does not answer: conmon and the cgroup tree name the container.
    for listed in ((CONTAINER, ALICES), (ALICES, CONTAINER), (ALICES,)):
        known = by_name(replace(SNAPSHOT, podman=answered(listed)))
        web, alices = known["objects02"], known["alice/mine"]
        assert (web.id, web.state, web.cgroups, web.processes) == (ID, "running", CGROUPS, PROCESSES)
        assert (alices.id, alices.state, alices.cgroups, alices.processes) == ("", "exited", None, None)


def test_a_users_podman_takes_no_processes_whose_cgroup_is_not_known() -> None:
    known = by_name(replace(SNAPSHOT, podman=answered((ALICES,)), cgroup=answered(())))
    assert known["alice/mine"].processes is None
    assert by_name(replace(SNAPSHOT, cgroup=answered(())))["objects02"].processes == PROCESSES


def test_of_two_users_whose_podmans_list_one_id_the_container_is_of_the_user_whose_cgroup_it_has() -> None:
    for listed in ((ALICES, BOBS), (BOBS, ALICES)):
        known = by_name(replace(SNAPSHOT, podman=answered(listed), cgroup=answered((ALICES_TREE,))))
        assert (known["alice/mine"].id, known["alice/mine"].cgroups) == (ID, ALICES_TREE)
        assert (known["bob/theirs"].id, known["bob/theirs"].cgroups) == ("", None)


def test_a_user_without_a_line_in_passwd_has_the_cgroup_of_a_uid_without_one() -> None:
    # Accounts of LDAP or systemd-homed.
    tree = replace(CGROUPS, owner_uid=4242)
    known = by_name(replace(SNAPSHOT, podman=answered((ALICES, BOBS)), cgroup=answered((tree,))))
    assert (known["alice/mine"].cgroups, known["bob/theirs"].cgroups) == (None, tree)


def test_a_users_cgroup_with_the_name_of_roots_container_is_not_roots() -> None:
    stopped = replace(CONTAINER, state="exited")
    known = by_name(replace(SNAPSHOT, podman=answered((stopped,)), cgroup=answered((ALICES_TREE,))))
    assert list(known) == ["objects02"]
    web = known["objects02"]
    assert (web.id, web.state, web.cgroups, web.processes) == (ID, "exited", None, None)


def test_a_conmon_of_another_user_takes_no_name_away() -> None:
    impostor = Conmon(ID, "innocent", 99, 1000)
    for conmons in ((CONMON, impostor), (impostor, CONMON)):
        snapshot = replace(SNAPSHOT, podman=silent(), process=answered(ProcessTable((), conmons)))
        assert by_name(snapshot)["objects02"].id == ID
