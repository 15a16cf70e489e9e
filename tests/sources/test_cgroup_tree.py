from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.cgroup import Level, owner_uid_of
from exporter.facts.reading import NotHere
from exporter.sources.cgroup.tree import Place, find_containers, levels_of, nested_directories
from tests.sources.host_trees import CONTAINER_ID, OTHER_ID, add_cgroup, cgroup_mount, payload_path

ANCESTOR, PAYLOAD, SERVICE, SLICE = Level.ANCESTOR, Level.PAYLOAD, Level.SERVICE, Level.SLICE


def levels(root: Path) -> dict[str, list[tuple[str, Level]]]:
    return {
        c.container_id: [(place.path, level) for place, level in c.places] for c in find_containers(root).containers
    }


def test_a_quadlet_has_payload_service_own_slice_and_ancestor(tmp_path: Path) -> None:
    add_cgroup(cgroup_mount(tmp_path), payload_path("web"))
    assert levels(tmp_path)[CONTAINER_ID] == [
        (payload_path("web"), PAYLOAD),
        ("/services.slice/services-web.slice/web.service", SERVICE),
        ("/services.slice/services-web.slice", SLICE),
        ("/services.slice", ANCESTOR),
    ]


def test_a_scope_is_the_service_of_the_container_cgroup_in_it(tmp_path: Path) -> None:
    scope = f"/machine.slice/libpod-{CONTAINER_ID}.scope"
    add_cgroup(cgroup_mount(tmp_path), f"{scope}/container")
    assert levels(tmp_path)[CONTAINER_ID] == [
        (f"{scope}/container", PAYLOAD),
        (scope, SERVICE),
        ("/machine.slice", SLICE),
    ]
    assert find_containers(tmp_path).containers[0].top == scope


def test_a_scope_without_a_container_cgroup_is_the_payload(tmp_path: Path) -> None:
    scope = f"/machine.slice/libpod-{CONTAINER_ID}.scope"
    add_cgroup(cgroup_mount(tmp_path), scope)
    assert levels(tmp_path)[CONTAINER_ID] == [(scope, PAYLOAD), ("/machine.slice", SLICE)]


def test_a_pod_is_a_slice_between(tmp_path: Path) -> None:
    pod = f"/machine.slice/machine-libpod_pod_{OTHER_ID}.slice"
    add_cgroup(cgroup_mount(tmp_path), f"{pod}/libpod-{CONTAINER_ID}.scope/container")
    assert [level for _, level in levels(tmp_path)[CONTAINER_ID]] == [PAYLOAD, SERVICE, SLICE, ANCESTOR]


def test_a_users_manager_is_an_ancestor_and_names_the_owner(tmp_path: Path) -> None:
    manager = "/user.slice/user-1000.slice/user@1000.service"
    add_cgroup(cgroup_mount(tmp_path), f"{manager}/app.slice/web.service/libpod-payload-{CONTAINER_ID}")
    found = find_containers(tmp_path).containers[0]
    assert found.owner_uid == 1000
    assert [level for _, level in found.places] == [PAYLOAD, SERVICE, SLICE, ANCESTOR, ANCESTOR, ANCESTOR]
    assert found.places[3][0].path == manager


def test_conmon_and_cgroups_below_a_payload_are_no_containers(tmp_path: Path) -> None:
    root = cgroup_mount(tmp_path)
    add_cgroup(root, f"/machine.slice/libpod-conmon-{OTHER_ID}.scope")
    add_cgroup(root, f"{payload_path('web')}/system.slice/libpod-{OTHER_ID}.scope")
    assert list(levels(root)) == [CONTAINER_ID]


def test_a_user_cannot_take_the_id_of_roots_container(tmp_path: Path) -> None:
    root = cgroup_mount(tmp_path)
    add_cgroup(root, f"/a.slice/user@1000.service/libpod-payload-{CONTAINER_ID}")
    add_cgroup(root, payload_path("web"))
    assert [(found.owner_uid, found.top) for found in find_containers(root).containers] == [(0, payload_path("web"))]


def test_a_directory_deeper_than_any_honest_one_is_not_followed(tmp_path: Path) -> None:
    root = cgroup_mount(tmp_path)
    (root / "/".join(["a"] * 40) / f"libpod-payload-{CONTAINER_ID}").mkdir(parents=True)
    assert find_containers(root).containers == ()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    root = cgroup_mount(tmp_path / "cgroup")
    add_cgroup(cgroup_mount(tmp_path / "other"), payload_path("web"))
    (root / "link").symlink_to(tmp_path / "other")
    assert find_containers(root).containers == ()


def test_a_name_in_no_encoding_is_found(tmp_path: Path) -> None:
    root = cgroup_mount(tmp_path)
    add_cgroup(root, os.fsdecode(b"/\xff\n.slice/libpod-payload-" + CONTAINER_ID.encode()))
    assert [found.container_id for found in find_containers(root).containers] == [CONTAINER_ID]


@pytest.mark.parametrize(
    ("directories", "word"),
    [(("unified", "memory"), "hybrid"), (("memory", "systemd"), "cgroup v1"), ((), "no cgroup file system")],
)
def test_a_host_without_the_unified_hierarchy_is_told_in_a_word(
    tmp_path: Path, directories: tuple[str, ...], word: str
) -> None:
    for directory in directories:
        (tmp_path / directory).mkdir()
    with pytest.raises(NotHere, match=word):
        find_containers(tmp_path)


def test_nested_directories_are_bounded_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert nested_directories(str(tmp_path), 3) == ([str(tmp_path), f"{tmp_path}/a", f"{tmp_path}/a/b"], True)
    (tmp_path / "c").mkdir()
    directories, complete = nested_directories(str(tmp_path), 3)
    assert (len(directories), complete) == (3, False)
    assert nested_directories(str(tmp_path / "gone"), 3) == ([str(tmp_path / "gone")], True)


MANAGERS = "/user.slice/user-{0}.slice/user@{0}.service"


def with_roots_container(tmp_path: Path) -> Path:
    root = cgroup_mount(tmp_path)
    add_cgroup(root, payload_path("web"))
    return root


def make_payloads(root: Path, uid: int, count: int) -> None:
    for number in range(count):
        (root / MANAGERS.format(uid)[1:] / f"{number}.scope" / f"libpod-payload-{uid:04}{number:060}").mkdir(
            parents=True
        )


def test_a_users_containers_come_after_roots_and_in_turn_with_another_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.cgroup.tree.CONTAINERS_OF_A_USER", 3)
    root = with_roots_container(tmp_path)
    make_payloads(root, 1000, 5)
    make_payloads(root, 1001, 2)
    found = find_containers(root)
    assert [container.owner_uid for container in found.containers] == [0, 1000, 1001, 1000, 1001, 1000]
    assert dict(found.left_out) == {1000: 2}


def test_a_walk_looks_into_no_more_of_a_users_cgroups_than_the_users_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.cgroup.tree._OF_A_USER_MAX", 10)
    root = with_roots_container(tmp_path)
    make_payloads(root, 1000, 50)
    make_payloads(root, 1001, 2)
    found = find_containers(root)
    owners = [container.owner_uid for container in found.containers]
    assert (owners[0], owners.count(1001)) == (0, 2)
    assert owners.count(1000) < 10
    assert found.left_out[1000] > 0
    assert 1001 not in found.left_out


def test_roots_container_in_a_users_session_has_no_part_in_the_users_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.cgroup.tree._OF_A_USER_MAX", 4)
    root = with_roots_container(tmp_path)
    make_payloads(root, 1000, 50)
    add_cgroup(root, f"/user.slice/user-1000.slice/session-3.scope/libpod-payload-{OTHER_ID}")
    found = {one.container_id: one.owner_uid for one in find_containers(root).containers}
    assert (found[OTHER_ID], found[CONTAINER_ID]) == (0, 0)


def test_a_users_cgroup_without_a_process_is_no_container_and_roots_is(tmp_path: Path) -> None:
    root = with_roots_container(tmp_path)
    (root / payload_path("web")[1:] / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    make_payloads(root, 1000, 2)
    for number, populated in enumerate((0, 1)):
        scope = root / MANAGERS.format(1000)[1:] / f"{number}.scope" / f"libpod-payload-1000{number:060}"
        (scope / "cgroup.events").write_text(f"populated {populated}\nfrozen 0\n")
    found = find_containers(root)
    assert [one.container_id for one in found.containers] == [CONTAINER_ID, f"1000{1:060}"]
    assert not found.left_out


NAMES = st.sampled_from(
    ["a.slice", "b.service", "c.scope", "user@7.service", "user-8.slice", "plain", "user@x.service"]
)


@given(st.lists(NAMES, max_size=8))
def test_every_container_has_one_payload_and_at_most_one_service_and_slice(names: list[str]) -> None:
    path = [f"/{'/'.join(names[:length])}" for length in range(len(names), 0, -1)]
    places = (Place(f"{path[0] if path else ''}/libpod-payload-{CONTAINER_ID}", 1), *(Place(p, 1) for p in path))
    found = levels_of(places)
    assert found[0] is PAYLOAD
    assert found.count(PAYLOAD) == 1
    assert max(found.count(SERVICE), found.count(SLICE)) <= 1
    assert SERVICE not in found or SLICE not in found or found.index(SERVICE) < found.index(SLICE)
    owners = [{"user@7.service": 7, "user-8.slice": 8}.get(name, 0) for name in names]
    assert owner_uid_of(places[0].path) == next(filter(None, owners), 0)


def test_a_container_in_a_users_session_is_roots_as_root_alone_makes_cgroups_there() -> None:
    session, payload = "/user.slice/user-1000.slice/session-3.scope", f"libpod-payload-{CONTAINER_ID}"
    assert owner_uid_of(f"{session}/{payload}/user-7.slice") == 0
    assert owner_uid_of(session) == 1000
    assert owner_uid_of(f"/user.slice/user-1000.slice/user@1000.service/session-3.scope/{payload}") == 1000
    assert owner_uid_of(f"/user.slice/user-1000.slice/user@1000.service/user-0.slice/session-3.scope/{payload}") == 1000
