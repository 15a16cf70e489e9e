from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.sources.podman import PodmanSource, api, service
from tests.sources.podman_service import LIST, NETWORKS, Handler, Opens, PodmanService, podman_at

TIMEOUT_SECONDS = 0.5

# podman-py leaves the socket that it could not connect to the garbage collector: to be called in such a test itself.
leaves_a_socket = pytest.mark.filterwarnings("ignore:unclosed <podman:ResourceWarning")


def test_every_container_is_read_and_all_is_well(podman: PodmanService, source_of: Opens) -> None:
    source = source_of(podman.path)
    containers = {one.name: one for one in source.read()}
    assert containers.keys() == {one["Names"][0] for one in podman.containers}
    assert all(one.inspected for one in containers.values())
    assert containers["objects02"].networks[0].driver == "macvlan"
    assert containers["objects02"].security.seccomp == "default"
    assert source.problems == ()


def test_a_container_that_vanishes_while_podman_looks_at_it_is_no_trouble_of_podman(
    podman: PodmanService, source_of: Opens
) -> None:
    gone = podman.id_of("objects02")
    source = source_of(podman.path)
    words = b'{"cause":"no such container","message":"container is gone","response":500}'
    podman.wrong[f"/containers/{gone}/json"] = lambda handler: handler.reply(words, 500)
    assert [one.id for one in source.read() if not one.inspected] == [gone]
    assert source.problems == ()


def test_a_container_that_vanished_before_inspect_is_told_by_the_list_alone(
    podman: PodmanService, source_of: Opens
) -> None:
    gone = podman.id_of("objects02")
    del podman.inspects[gone]
    source = source_of(podman.path)
    containers = {one.id: one for one in source.read()}
    assert [one.id for one in containers.values() if not one.inspected] == [gone]
    assert containers[gone].state == "running"
    assert source.problems == ()
    podman.containers = [one for one in podman.containers if one["Id"] != gone]
    assert gone not in {one.id for one in source.read()}
    assert source.problems == ()


def test_what_a_podman_says_of_all_its_containers_has_a_bound_and_the_rest_stays_listed(
    podman: PodmanService, source_of: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = podman.inspects.values()
    monkeypatch.setattr(service, "INSPECTS_LIMIT_BYTES", 2 * len(first))
    source = source_of(podman.path)
    containers = source.read()
    assert len(containers) == len(podman.containers)
    assert 0 < sum(one.inspected for one in containers) <= 2
    assert "what it says of all is longer than" in source.problems[0]
    kept = {one.id for one in containers if one.inspected}
    assert {one.id for one in source.read() if one.inspected} >= kept, "what is known stays known"


def test_a_container_that_never_answers_keeps_no_other_from_being_read(podman: PodmanService, source_of: Opens) -> None:
    first = podman.containers[0]["Id"]
    podman.wrong[f"/containers/{first}/json"] = lambda _: _wait(podman)
    source = source_of(podman.path, TIMEOUT_SECONDS)
    for _ in range(2):
        assert [one.id for one in source.read() if not one.inspected] == [first]
        assert "did not answer" in source.problems[0]
    inspects = [path for path in podman.asked if path.endswith("/json") and path not in {LIST, NETWORKS}]
    assert inspects[-1] == f"/containers/{first}/json"


def test_inspects_that_take_too_long_together_are_left_for_the_next_round(
    podman: PodmanService, source_of: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "INSPECT_TIMEOUTS", -1)
    source = source_of(podman.path)
    monkeypatch.undo()
    assert not any(one.inspected for one in source.read())
    assert "the time for one round is over" in source.problems[0]


def test_a_failed_network_list_costs_the_drivers_only(podman: PodmanService, source_of: Opens) -> None:
    podman.wrong[NETWORKS] = lambda handler: handler.reply(b'{"cause":"x"}', 500)
    source = source_of(podman.path)
    assert all(one.inspected for one in source.read())
    assert "networks could not be read" in source.problems[0]
    podman.wrong.clear()
    source.read()
    assert source.problems == ()


def _wait(podman: PodmanService) -> None:
    podman.over.wait(5)


def _half(handler: Handler) -> None:
    handler.start_chunks()
    handler.chunk(b'[{"Id": "')
    handler.close_connection = True


def _short(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"[]")
    handler.close_connection = True


def _drip(handler: Handler) -> None:
    handler.start_chunks()
    while not handler.server.over.wait(0.05):
        handler.chunk(b" ")


def _not_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    handler.close_connection = True


def _bad_chunk(handler: Handler) -> None:
    handler.start_chunks()
    handler.wfile.write(b"zz\r\n")
    handler.close_connection = True


def _cut(handler: Handler) -> None:
    handler.close_connection = True


def _elsewhere(handler: Handler) -> None:
    handler.send_response(301)
    handler.send_header("Location", "http://192.0.2.1/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda handler: _wait(handler.server), "did not answer /containers/json within 0.5 s"),
        (_drip, "did not answer /containers/json within 0.5 s"),
        (_half, "broke off its answer"),
        (_short, "broke off its answer"),
        (_cut, "broke off its answer"),
        (_not_http, "broke off its answer"),
        (_bad_chunk, "broke off its answer"),
        (_elsewhere, "broke off its answer"),
        (lambda handler: handler.reply(b"<html>"), "is not what its API promises"),
        (lambda handler: handler.reply(b"\xff\x00{"), "is not what its API promises"),
        (lambda handler: handler.reply(b'{"Id": 1}'), "is not what its API promises"),
        (lambda handler: handler.reply(b"locked " * 999, 500), "HTTP 500 (locked"),
        (lambda handler: handler.reply(b"", 404), "knows no /containers/json"),
    ],
)
def test_an_answer_that_is_none_is_unreadable(
    podman: PodmanService, source_of: Opens, wrong: Callable[[Handler], None], words: str
) -> None:
    podman.wrong[LIST] = wrong
    source = source_of(podman.path, TIMEOUT_SECONDS)
    began = time.monotonic()
    with pytest.raises(SourceError) as failure:
        source.read()
    assert words in str(failure.value)
    assert len(str(failure.value)) < 600
    assert time.monotonic() - began < 4


def test_the_source_recovers_with_the_service(podman: PodmanService, source_of: Opens) -> None:
    podman.wrong[LIST] = _half
    source = source_of(podman.path)
    with pytest.raises(Unreadable):
        source.read()
    podman.wrong.clear()
    assert len(source.read()) == len(podman.containers)


def test_an_answer_without_end_is_not_taken(
    podman: PodmanService, source_of: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CHUNK_BYTES", 1 << 20)
    sent = 0

    def endless(handler: Handler) -> None:
        nonlocal sent
        handler.start_chunks()
        while not handler.server.over.is_set():
            handler.chunk(b" " * (1 << 20))
            sent += 1

    podman.wrong[LIST] = endless
    with pytest.raises(Unreadable, match="more than 64 MiB"):
        source_of(podman.path).read()
    assert sent < 80


def test_a_restarted_service_is_read_again(tmp_path: Path, source_of: Opens) -> None:
    path = tmp_path / "root.sock"
    source = source_of(path)
    for _ in range(3):
        with podman_at(path) as podman:
            assert len(source.read()) == len(podman.containers)
        with pytest.raises(NotHere):
            source.read()


def test_no_socket_means_no_podman_and_says_how_to_get_one(tmp_path: Path, source_of: Opens) -> None:
    with pytest.raises(NotHere, match=r"none\.sock; enable it with: systemctl enable --now podman\.socket"):
        source_of(tmp_path / "none.sock").read()
    with pytest.raises(NotHere, match="no podman socket is configured"):
        PodmanSource(()).read()


@leaves_a_socket
def test_a_socket_on_which_nobody_listens_is_unreadable(tmp_path: Path, source_of: Opens) -> None:
    path = tmp_path / "root.sock"
    with podman_at(path):
        os.link(path, tmp_path / "kept.sock")
    with pytest.raises(Unreadable, match=r"nothing listens .* systemctl start podman\.socket"):
        source_of(tmp_path / "kept.sock").read()
    gc.collect()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
@leaves_a_socket
def test_a_socket_that_may_not_be_opened_says_so(podman: PodmanService, source_of: Opens) -> None:
    podman.path.chmod(0)
    with pytest.raises(Unreadable, match="run as root"):
        source_of(podman.path).read()
    gc.collect()


def test_a_users_containers_carry_the_users_name(podman: PodmanService, source_of: Opens, tmp_path: Path) -> None:
    with podman_at(tmp_path / "alice.sock") as other:
        other.replace_containers(["web"])
        source = source_of(podman.path, alice=other.path)
        containers = source.read()
    assert [one.user for one in containers] == [""] * len(podman.containers) + ["alice"]
    assert source.problems == ()


def test_a_failing_socket_is_told_and_loses_no_other(podman: PodmanService, source_of: Opens, tmp_path: Path) -> None:
    source = source_of(podman.path, alice=tmp_path / "alice.sock")
    assert len(source.read()) == len(podman.containers)
    (problem,) = source.problems
    assert problem.startswith(f"no podman socket at {tmp_path}/alice.sock (user alice); enable it with: ")
    assert problem.endswith("systemctl --user --machine=alice@ enable --now podman.socket")


def test_a_users_podman_that_hangs_holds_up_no_other(podman: PodmanService, source_of: Opens, tmp_path: Path) -> None:
    def slower_than_any_deadline(handler: Handler) -> None:
        while not handler.server.over.wait(0.02):
            handler.wfile.write(b"H")

    with podman_at(tmp_path / "alice.sock") as other:
        other.wrong[LIST] = slower_than_any_deadline
        source = source_of(podman.path, TIMEOUT_SECONDS, alice=other.path)
        for patience_seconds in (3, 2 * TIMEOUT_SECONDS):
            began = time.monotonic()
            assert len(source.read()) == len(podman.containers)
            assert time.monotonic() - began < patience_seconds
            assert "(user alice) did not finish within 1 s" in source.problems[0]
        assert other.times_asked(LIST) == 1


def test_a_podman_that_hangs_for_ever_has_one_thread_however_often_it_is_read(
    source_of: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    source = source_of(tmp_path / "root.sock", 0.001)
    (one,) = source._podmans
    before = set(threading.enumerate())
    monkeypatch.setattr(one, "read", lambda: back.wait(30) and ())
    for _ in range(20):
        with pytest.raises(Unreadable, match="did not finish within"):
            source.read()
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("podman-read", True)
    back.set()
    thread.join(30)
    assert source.read() == ()


def test_a_user_cannot_take_roots_containers_for_his_own(
    podman: PodmanService, source_of: Opens, tmp_path: Path
) -> None:
    with podman_at(tmp_path / "alice.sock") as other:
        source = source_of(podman.path, alice=other.path)
        containers = source.read()
    assert {one.user for one in containers} == {""}
    assert f"{len(containers)} containers are another's" in source.problems[0]


def test_a_user_cannot_hide_the_containers_of_another_user(
    podman: PodmanService, source_of: Opens, tmp_path: Path
) -> None:
    podman.wrong[LIST] = _cut
    with podman_at(tmp_path / "alice.sock") as alice, podman_at(tmp_path / "bob.sock") as bob:
        containers = source_of(podman.path, alice=alice.path, bob=bob.path).read()
    ids = {user: {one.id for one in containers if one.user == user} for user in ("alice", "bob")}
    assert ids["alice"] == ids["bob"] != set()


def test_all_failing_is_a_failure_that_names_each(podman: PodmanService, source_of: Opens, tmp_path: Path) -> None:
    podman.wrong[LIST] = _cut
    source = source_of(podman.path, alice=tmp_path / "alice.sock")
    with pytest.raises(Unreadable, match=r"root\.sock broke off .*; no podman socket at .*alice"):
        source.read()


def test_the_number_of_containers_is_bounded(
    podman: PodmanService, source_of: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CONTAINERS_LIMIT", 3)
    source = source_of(podman.path)
    assert len(source.read()) == 3
    assert "7 containers beyond 3 are left out" in source.problems[0]


def test_no_cookie_of_a_service_is_kept(podman: PodmanService, source_of: Opens) -> None:
    def with_cookie(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Set-Cookie", "a=b")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"[]")

    podman.wrong[LIST] = with_cookie
    source = source_of(podman.path)
    source.read()
    assert not source._podmans[0]._api._client.cookies
