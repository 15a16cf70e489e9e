"""What podman is asked again, and when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporter.facts.podman import PodmanSocket
from exporter.sources.podman import PodmanSource, service
from tests.sources.podman_service import HOST, LIST, NETWORKS, Opens, PodmanService


def test_nothing_but_the_list_is_asked_again_until_something_changes(podman: PodmanService, source_of: Opens) -> None:
    source = source_of(podman.path)
    source.read()
    podman.asked.clear()
    assert source.read()
    assert podman.asked == [LIST]
    podman.containers[0]["State"] = "paused"
    podman.containers[1]["Pid"] = 99
    podman.containers[2]["StartedAt"] += 1
    podman.containers[3]["Names"] = ["renamed"]
    podman.asked.clear()
    assert "renamed" in {one.name for one in source.read()}
    changed = sorted(f"/containers/{one['Id']}/json" for one in podman.containers[:3])
    assert sorted(podman.asked) == sorted([LIST, *changed])


def test_inspects_grow_old_and_networks_too(
    podman: PodmanService, source_of: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(podman.path)
    source.read()
    podman.asked.clear()
    monkeypatch.setattr(service, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(service, "NETWORKS_AGAIN_SECONDS", 0.0)
    source.read()
    assert len(podman.asked) == len(podman.containers) + 2


def test_a_new_networks_driver_is_asked_for_at_once_and_only_once(podman: PodmanService, source_of: Opens) -> None:
    networks = podman.networks
    podman.networks = b"[]"
    source = source_of(podman.path)
    assert {net.driver for one in source.read() for net in one.networks} == {""}
    source.read()
    assert podman.times_asked(NETWORKS) == 1
    podman.networks = networks
    new = podman.inspects[podman.id_of("objects02")].replace(b'"lan":', b'"plain":')
    podman.inspects[podman.id_of("objects02")] = new
    podman.containers[0]["StartedAt"] += 1
    assert podman.containers[0]["Names"] == ["podrestart"]
    next(one for one in podman.containers if one["Names"] == ["objects02"])["StartedAt"] += 1
    assert next(one for one in source.read() if one.name == "objects02").networks[0].driver == "bridge"


def test_a_network_that_was_not_known_is_asked_for_again_when_a_container_of_it_is_inspected_anew(
    podman: PodmanService, source_of: Opens
) -> None:
    networks = podman.networks
    podman.networks = b"[]"
    source = source_of(podman.path)
    source.read()
    podman.networks = networks
    next(one for one in podman.containers if one["Names"] == ["objects02"])["StartedAt"] += 1
    assert next(one for one in source.read() if one.name == "objects02").networks[0].driver == "macvlan"


def test_one_malformed_inspect_takes_no_other_down_and_is_asked_again(podman: PodmanService, source_of: Opens) -> None:
    broken = podman.id_of("objects02")
    right = podman.inspects[broken]
    podman.inspects[broken] = b'{"HostConfig": {"Memory": "much"}}'
    source = source_of(podman.path)
    assert sum(not one.inspected for one in source.read()) == 1
    podman.inspects[broken] = right
    assert all(one.inspected for one in source.read())


def test_an_unreadable_config_json_is_told_as_long_as_it_lasts(
    podman: PodmanService, source_of: Opens, tmp_path: Path
) -> None:
    source = source_of(podman.path, root=tmp_path)
    for _ in range(2):
        assert all(one.inspected for one in source.read())
        assert "config.json could not be read" in source.problems[0]
        assert "run as root" in source.problems[0]


def test_a_users_config_json_in_a_home_that_the_service_is_not_shown_is_no_problem(
    podman: PodmanService, tmp_path: Path
) -> None:
    source = PodmanSource((PodmanSocket(f"unix://{podman.path}", "alice"),), 5, root=tmp_path)
    assert all(one.inspected for one in source.read())
    assert source.problems == ()
    assert all(one.inspected for one in source.read())
    source.close()


def test_a_config_json_that_was_not_whole_yet_is_read_at_the_next_look(
    podman: PodmanService, source_of: Opens, tmp_path: Path
) -> None:
    one = podman.id_of("objects02")
    podman.containers = [listed for listed in podman.containers if listed["Id"] == one]
    path = json.loads(podman.inspects[one])["OCIConfigPath"]
    written = (HOST / path.lstrip("/")).read_bytes()
    place = tmp_path / path.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_bytes(written[: len(written) // 2])
    source = source_of(podman.path, root=tmp_path)
    (half,) = source.read()
    assert (half.inspected, half.security.seccomp) == (True, None)
    place.write_bytes(written)
    (whole,) = source.read()
    assert (whole.security.seccomp, source.problems) == ("default", ())
    podman.asked.clear()
    source.read()
    assert podman.asked == [LIST]


def test_a_container_that_was_asked_before_it_ran_is_asked_again_at_each_step(
    podman: PodmanService, source_of: Opens
) -> None:
    one = podman.id_of("objects02")
    podman.containers = [listed for listed in podman.containers if listed["Id"] == one]
    listed, said = podman.containers[0], podman.inspects[one]
    before = {**json.loads(said), "OCIConfigPath": "", "ProcessLabel": "", "NetworkSettings": {"Networks": None}}
    before["HostConfig"] = {**before["HostConfig"], "IDMappings": None}
    running = {key: listed[key] for key in ("State", "Pid", "StartedAt")}
    source = source_of(podman.path)
    expected = source.read()
    podman.inspects[one] = json.dumps(before).encode()
    for state, pid in (("created", 0), ("initialized", 0), ("initialized", running["Pid"])):
        listed.update(State=state, Pid=pid, StartedAt=-62135596800)
        (early,) = source.read()
        assert (early.state, early.networks, early.security.uid_map) == (state, (), ())
    podman.inspects[one] = said
    listed.update(running)
    assert source.read() == expected


def test_what_is_kept_of_containers_goes_with_them(podman: PodmanService, source_of: Opens) -> None:
    source = source_of(podman.path)
    (one,) = source._podmans
    kept = 50
    for generation in range(20):  # 1,000 containers in all
        podman.replace_containers([f"job-{generation}-{number}" for number in range(kept)])
        assert len(source.read()) == kept
        assert len(one._inspected) == kept
    podman.containers = []
    assert source.read() == ()
    assert not one._inspected
    assert not one._health
    assert not one._updated
