"""Who is who, from the answers of all sources: whose id, unit, slice and level it is, and what is not known yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.cgroup import PayloadPlace
from exporter.facts.container import Container
from exporter.facts.process import Conmon, ProcessTable
from exporter.facts.reading import Absent, Failed, Read
from exporter.facts.unit import Quadlet, Unit
from exporter.ledger import Identities
from exporter.ledger.identity import (
    Answers,
    Waiting,
    are_slices_complete,
    can_identify,
    identify,
    waiting_after,
)
from exporter.ledger.patience import ANSWERS_US, NAME_US, UNITS_US
from tests.assess import secure
from tests.assess.secure import ID, LABEL, PROCESS, PROCESSES
from tests.assess.snapshots import SNAPSHOT

CONTAINER = replace(secure.CONTAINER, name="web", unit="web.service")
UNIT = replace(secure.UNIT, name="web.service", slice="services-web.slice")
SLICE = "/services.slice/services-web.slice"
PAYLOAD = PayloadPlace(ID, 0, f"{SLICE}/web.service/libpod-payload-{ID}")
OTHER_ID = "e" * 64
OTHER = PayloadPlace(OTHER_ID, 0, f"{SLICE}/dns.service/libpod-payload-{OTHER_ID}")
DNS_UNIT = replace(UNIT, name="dns.service", slice="services-web.slice")
DNS_QUADLET = Quadlet("dns.service", "dns", "/etc/containers/systemd/dns.container", wanted=True)
BEGAN = Waiting(began_us=1_000_000_000)
NOW = 1_001_000_000


def read(value: Any, at_seconds: float = 100.0) -> Read[Any]:
    return Read(value, at_seconds, 0.5)


def answers(**changed: Any) -> Answers:
    usual: dict[str, Any] = {
        "podman": read((CONTAINER,)),
        "process": read(ProcessTable((), ())),
        "systemd": read((UNIT,), 101.0),
        "quadlet": read(()),
        "host": SNAPSHOT.host,
        "payloads": (PAYLOAD,),
        "have_all_answered": True,
    }
    return Answers(**usual | changed)


def who(said: Answers, waiting: Waiting = BEGAN, now_us: int = NOW, **remembered: str) -> Identities:
    return identify(said, waiting_after(waiting, said), remembered, now_us)[0]


def test_a_container_is_known_by_its_id_its_unit_its_slice_and_its_label() -> None:
    known = who(answers())
    assert known.names_by_id == {ID: "web"}
    assert known.names_by_unit == {"web.service": "web"}
    assert known.occupants == {SLICE: {"web"}, "/services.slice": {"web", ""}}
    assert known.names_by_level == {"s0:c229,c276": "web"}
    assert known.unidentified == frozenset()


def test_a_container_that_podman_does_not_list_is_named_by_the_conmon_of_its_own_user() -> None:
    of_alice = PayloadPlace(OTHER_ID, 1000, f"/user.slice/user-1000.slice/user@1000.service/app.slice/{OTHER_ID}")
    conmon = Conmon(OTHER_ID, "blog", 7, 1000)
    said = answers(payloads=(PAYLOAD, of_alice), process=read(ProcessTable((), (conmon,))))
    assert who(said).names_by_id == {ID: "web", OTHER_ID: "alice/blog"}
    impostor = answers(payloads=(PAYLOAD, of_alice), process=read(ProcessTable((), (replace(conmon, owner_uid=1001),))))
    assert who(impostor).names_by_id == {ID: "web"}
    assert who(impostor).unidentified == {f"?{OTHER_ID}"}
    both = ProcessTable((), (conmon, replace(conmon, owner_uid=1001, name="x"), replace(conmon, owner_uid=0, name="y")))
    assert who(replace(said, process=read(both))).names_by_id == {ID: "web", OTHER_ID: "alice/blog"}


def test_a_users_podman_that_lists_the_id_of_roots_container_takes_nothing_from_it() -> None:
    alices = replace(CONTAINER, name="alice/mine", user="alice", unit="")
    for listed in ((CONTAINER, alices), (alices, CONTAINER)):
        assert who(answers(podman=read(listed))) == who(answers())
    conmon = ProcessTable((), (Conmon(ID, "web", 7, 0),))
    silent = answers(podman=read((alices,)), process=read(conmon))
    assert who(silent).names_by_id == {ID: "web"}
    assert who(silent).occupants[SLICE] == {"web"}


def test_a_users_cgroup_with_the_name_of_roots_container_is_an_unknown_one() -> None:
    of_alice = PayloadPlace(ID, 1000, f"/user.slice/user-1000.slice/user@1000.service/x.slice/libpod-payload-{ID}")
    said = answers(payloads=(of_alice,), podman=read((replace(CONTAINER, unit=""),)))
    assert who(said).names_by_id == {ID: "web"}
    assert who(said).occupants[of_alice.path.rpartition("/")[0]] == {f"?{ID}"}


def test_a_container_without_a_name_makes_its_slice_shared_and_goes_by_its_id_in_the_end() -> None:
    said = answers(payloads=(PAYLOAD, OTHER))
    first, waiting = identify(said, waiting_after(BEGAN, said), {}, NOW)
    assert first.occupants[SLICE] == {"web", f"?{OTHER_ID}"}
    assert OTHER_ID not in first.names_by_id
    still, waiting = identify(said, waiting, {}, NOW + NAME_US - 1)
    assert still == first
    last, _ = identify(said, waiting, {}, NOW + NAME_US)
    assert last.names_by_id[OTHER_ID] == OTHER_ID[:12]
    assert last.unidentified == frozenset()


def test_the_patience_with_a_container_without_a_name_begins_anew_for_another_container() -> None:
    said = answers(payloads=(PAYLOAD, OTHER))
    _, waiting = identify(said, waiting_after(BEGAN, said), {}, NOW)
    assert dict(waiting.unnamed) == {OTHER_ID: NOW}
    _, waiting = identify(answers(), waiting, {}, NOW + 1)
    assert dict(waiting.unnamed) == {}


def test_a_new_container_of_a_quadlets_unit_can_be_no_other_than_the_quadlets() -> None:
    said = answers(
        payloads=(PAYLOAD, OTHER), systemd=read((UNIT, DNS_UNIT), 101.0), quadlet=read((DNS_QUADLET,), 100.0)
    )
    assert who(said).names_by_id == {ID: "web", OTHER_ID: "dns"}


def test_of_two_ids_of_one_name_the_container_that_lives_is_meant_and_the_other_lives_somewhere_too() -> None:
    new = PayloadPlace(OTHER_ID, 0, f"{SLICE}/web.service/libpod-payload-{OTHER_ID}")
    said = answers(podman=read((CONTAINER, replace(CONTAINER, id=OTHER_ID))), payloads=(new,))
    assert who(said).names_by_id == {OTHER_ID: "web"}
    both = answers(podman=read((CONTAINER, replace(CONTAINER, id=OTHER_ID))), payloads=(PAYLOAD, new))
    assert who(both).occupants[SLICE] == {"web"}


def test_a_stopped_container_of_a_quadlet_lives_where_its_unit_says() -> None:
    said = answers(systemd=read((UNIT, DNS_UNIT), 101.0), quadlet=read((DNS_QUADLET,), 100.0))
    assert who(said).occupants[SLICE] == {"web", "dns"}
    assert who(said).names_by_unit == {"web.service": "web", "dns.service": "dns"}


def test_a_stopped_container_that_the_ledger_alone_remembers_lives_where_its_unit_says() -> None:
    said = answers(systemd=read((UNIT, DNS_UNIT), 101.0))
    assert who(said, dns="dns.service").occupants[SLICE] == {"web", "dns"}
    gone = answers(systemd=read((UNIT, replace(DNS_UNIT, load_state="not-found", slice="")), 101.0))
    assert who(gone, dns="dns.service").occupants[SLICE] == {"web"}
    of_another = answers(
        systemd=read((UNIT, DNS_UNIT), 101.0), quadlet=read((replace(DNS_QUADLET, container="resolver"),), 100.0)
    )
    assert who(of_another, dns="dns.service").occupants[SLICE] == {"web", "resolver"}


def test_until_systemd_was_asked_for_the_units_of_all_quadlets_no_slice_is_known_to_have_one_occupant() -> None:
    waiting = waiting_after(BEGAN, answers())
    assert are_slices_complete(waiting, NOW)
    assert who(answers()).slices_complete
    # A new quadlet: systemd's answer is older.
    new = answers(quadlet=read((DNS_QUADLET,), 200.0))
    waiting = waiting_after(waiting, new)
    assert not can_identify(new, waiting, NOW)
    # systemd was asked before the quadlet was reported.
    early = replace(new, systemd=read((UNIT,), 200.25))
    waiting = waiting_after(waiting, early)
    assert not can_identify(early, waiting, NOW)
    assert can_identify(early, waiting, BEGAN.began_us + ANSWERS_US)
    assert not who(early, waiting, BEGAN.began_us + ANSWERS_US).slices_complete
    broken = replace(early, systemd=Failed("broken", 0.0, read((UNIT,), 200.25)))
    assert not are_slices_complete(waiting_after(waiting, broken), NOW)
    assert are_slices_complete(waiting, BEGAN.began_us + UNITS_US + 1)
    later = replace(new, systemd=read((UNIT, DNS_UNIT), 202.0))
    waiting = waiting_after(waiting, later)
    assert are_slices_complete(waiting, NOW)
    assert who(later, waiting).occupants[SLICE] == {"web", "dns"}
    # What systemd has reported once is known, though it fails now.
    assert are_slices_complete(waiting_after(waiting, replace(later, systemd=Failed("broken", 0.0))), NOW)


@pytest.mark.parametrize(
    "missing", [{"quadlet": Absent("no quadlets")}, {"quadlet": Absent("no quadlets"), "systemd": Absent("no systemd")}]
)
def test_without_systemd_or_quadlets_nobody_waits_for_them(missing: dict[str, Any]) -> None:
    said = answers(**missing)
    assert can_identify(said, waiting_after(BEGAN, said), NOW)
    assert who(said).slices_complete


def test_before_all_have_answered_nobody_is_identified_but_for_a_minute_at_most() -> None:
    said = answers(have_all_answered=False)
    waiting = waiting_after(BEGAN, said)
    assert not can_identify(said, waiting, NOW)
    assert can_identify(said, waiting, BEGAN.began_us + ANSWERS_US)


def test_a_level_of_several_containers_is_nobodys_and_two_labels_of_one_container_are_both_its_own() -> None:
    twin = replace(CONTAINER, id=OTHER_ID, name="twin", unit="")
    assert who(answers(podman=read((CONTAINER, twin)))).names_by_level == {"s0:c229,c276": ""}
    in_force = replace(PROCESSES, processes=(replace(PROCESS, security_label=LABEL.replace("c229,c276", "c1,c2")),))
    said = answers(process=read(ProcessTable((in_force,), ())))
    assert who(said).names_by_level == {"s0:c229,c276": "web", "s0:c1,c2": "web"}


def test_a_users_podman_that_declares_the_label_of_roots_container_does_not_share_it() -> None:
    alices = replace(CONTAINER, id=OTHER_ID, name="alice/mine", user="alice", unit="")
    path = f"/user.slice/user-1000.slice/user@1000.service/app.slice/libpod-payload-{OTHER_ID}"
    places = (PAYLOAD, PayloadPlace(OTHER_ID, 1000, path))
    for listed in ((CONTAINER, alices), (alices, CONTAINER)):
        assert who(answers(podman=read(listed), payloads=places)).names_by_level == {"s0:c229,c276": "web"}
    in_force = replace(PROCESSES, container_id=OTHER_ID, processes=(replace(PROCESS, security_label="u:r:t:s0:c1,c2"),))
    said = answers(podman=read(listed), payloads=places, process=read(ProcessTable((in_force,), ())))
    assert who(said).names_by_level == {"s0:c229,c276": "web", "s0:c1,c2": "alice/mine"}


def test_the_label_of_a_users_cgroup_with_the_name_of_roots_container_is_not_roots() -> None:
    of_alice = PayloadPlace(ID, 1000, f"/user.slice/user-1000.slice/user@1000.service/x.slice/libpod-payload-{ID}")
    in_force = replace(PROCESSES, processes=(replace(PROCESS, security_label="u:r:t:s0:c1,c2"),))
    said = answers(payloads=(of_alice,), process=read(ProcessTable((in_force,), ())))
    assert who(said).names_by_level == {"s0:c229,c276": "web"}


@pytest.mark.parametrize(
    "label", ["", "docker-default (enforce)", "system_u:system_r:spc_t:s0", "u:r:unconfined_t:s0-s0:c0.c1023"]
)
def test_a_label_without_categories_of_its_own_names_nobody(label: str) -> None:
    unconfined = replace(CONTAINER, security=replace(CONTAINER.security, selinux_process_label=label))
    assert who(answers(podman=read((unconfined,)))).names_by_level == {}


NAMES = st.sampled_from(["web", "dns", "", "?", ID[:12], OTHER_ID[:12]])
IDS = st.sampled_from([ID, OTHER_ID, "d" * 64])
UNITS = st.sampled_from(["", "web.service", "dns.service"])
PATHS = st.sampled_from([PAYLOAD.path, OTHER.path, "", "/", "/system.slice/x.scope", "/user.slice/a"])


@given(
    st.lists(st.tuples(IDS, NAMES, UNITS, st.sampled_from(["", "alice"])), max_size=4),
    st.lists(st.tuples(IDS, st.sampled_from([0, 1000]), PATHS), max_size=4, unique_by=lambda place: place[0]),
    st.lists(st.tuples(IDS, NAMES, st.sampled_from([0, 1000])), max_size=4),
    st.lists(st.tuples(UNITS, NAMES), max_size=2),
)
def test_each_live_container_has_a_name_or_is_a_stranger_in_its_slice_whatever_is_claimed(
    listed: list[tuple[str, str, str, str]],
    places: list[tuple[str, int, str]],
    conmons: list[tuple[str, str, int]],
    quadlets: list[tuple[str, str]],
) -> None:
    containers: tuple[Container, ...] = tuple(
        replace(CONTAINER, id=each, name=name, unit=unit, user=user) for each, name, unit, user in listed
    )
    units: tuple[Unit, ...] = (UNIT, DNS_UNIT)
    said = answers(
        podman=read(containers),
        payloads=tuple(PayloadPlace(*place) for place in places),
        process=read(ProcessTable((), tuple(Conmon(each, name, 1, uid) for each, name, uid in conmons))),
        systemd=read(units, 101.0),
        quadlet=read(tuple(Quadlet(unit, name, "/q", wanted=True) for unit, name in quadlets)),
    )
    known = who(said)
    for container_id, _, path in places:
        home = path.rpartition("/")[0].rpartition("/")[0]
        if not home.endswith(".slice"):
            continue
        names = {known.names_by_id.get(container_id), f"?{container_id}", *(one[1] for one in listed)}
        names |= {f"{user}/{name}" for _, name, _, user in listed}
        assert known.occupants[home] & names, "an occupant that nobody counts would make its slice another's own"


@pytest.mark.parametrize("state", ["running", "exited"])
def test_an_image_that_names_the_unit_of_another_container_takes_neither_its_unit_nor_its_slice(state: str) -> None:
    web = Quadlet("web.service", "web", "/etc/containers/systemd/web.container", wanted=True)
    evil = replace(CONTAINER, id=OTHER_ID, name="zz-evil", state=state)
    alive = PayloadPlace(OTHER_ID, 0, f"/machine.slice/libpod-{OTHER_ID}.scope/container")
    payloads = (PAYLOAD, alive) if state == "running" else (PAYLOAD,)
    known = who(answers(podman=read((CONTAINER, evil)), quadlet=read((web,)), payloads=payloads))
    assert known.names_by_unit == {"web.service": "web"}
    assert known.occupants[SLICE] == {"web"}
