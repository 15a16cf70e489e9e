from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from exporter.app.diagnosis import Finding, State
from exporter.app.doctor import (
    as_document,
    as_line,
    examine,
    has_containers,
    journal_findings,
    listen_finding,
    opening,
    state_directory_finding,
    web_finding,
)
from exporter.app.pages import RenderedPages
from exporter.config import Config, Web
from exporter.config.web_settings import WebSettings
from exporter.facts.cgroup import ContainerCgroups, PayloadUse
from exporter.facts.host import Host
from exporter.facts.podman import PodmanSocket
from exporter.facts.process import ContainerProcesses, ProcessTable
from exporter.facts.reading import NotHere, Unreadable
from exporter.http import Gate, Server, opened
from tests.fake_sources import CGROUPS, answers, refuses, sources
from tests.http.certificates import Authority


def findings(config: Config, **reads: Callable[[], Any]) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(sources(**reads), config, deadline_seconds=5)}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(listen=("127.0.0.1:0",), state_dir=tmp_path)


def test_every_source_that_can_be_read_is_ok_and_says_numbers(config: Config) -> None:
    found = findings(config)
    assert {finding.state for finding in found.values()} == {State.OK}
    assert found["host"].found == "Linux 6.12, cgroup v2, SELinux enforcing, 0 ranges in /etc/subuid"
    assert found["cgroup"].found == "1 running container, 1 cgroup read"
    assert found["podman"].found == "1 container, 1 running"
    assert found["process"].found == "0 processes of 0 containers"
    assert found["systemd"].found == "1 unit and 0 slices of containers"
    assert found["quadlet"].found == "1 quadlet, 1 wanted at boot"
    unmade = "1 .container file without a unit, the first: /etc/containers/systemd/old.container: no image."
    assert found["quadlet_file"].found == unmade
    assert found["zfs"].found == "1 dataset in 1 pool, 1 with a quota"
    assert found["zfs_mounted"].found == "1 dataset mounted by containers"
    assert found["volume"].found == "0 volumes of 0 containers"
    assert found["firewall"].found == "1 chain at the input hook, 1 of them denying by default"
    assert found["traffic"].found == "1 interface in 1 network namespace"
    assert list(found) == [
        *("host", "cgroup", "podman", "process", "quadlet", "quadlet_file", "systemd", "zfs"),
        *("zfs_mounted", "volume", "firewall", "traffic", "state_dir", "web", "listen"),
    ]


def test_what_is_not_on_this_host_needs_nothing_to_be_done(config: Config) -> None:
    finding = findings(config, zfs=refuses(NotHere("ZFS is not on this host")))["zfs"]
    assert (finding.state, finding.found, finding.remedy) == (State.NOT_HERE, "ZFS is not on this host", "")


def test_what_cannot_be_read_says_what_to_grant_and_leaves_the_others(config: Config) -> None:
    found = findings(config, systemd=refuses(Unreadable("denied")), podman=refuses(ZeroDivisionError("a bug")))
    assert (found["systemd"].state, found["systemd"].found) == (State.CANNOT, "denied")
    assert "dbus" in found["systemd"].remedy
    assert "unexpected ZeroDivisionError" in found["podman"].found
    assert found["zfs"].state is State.OK


def test_a_source_learns_what_those_before_it_found(config: Config) -> None:
    made = sources(cgroup=answers(()))
    list(examine(made, config))
    assert [container.name for container in made.context.containers()] == ["web"]
    assert [quadlet.unit for quadlet in made.context.quadlets()] == ["web.service"]
    assert made.context.paths() == {"/x"}
    assert made.context.processes() == ProcessTable((), ())


def test_parts_that_could_not_be_read_are_told(config: Config) -> None:
    made = sources()
    cast("Any", made.by_name["podman"]).problems = ("podman of alice did not answer",)
    finding = next(finding for finding in examine(made, config) if finding.name == "podman")
    assert finding.state is State.CANNOT
    assert finding.found == "1 container, 1 running, but: podman of alice did not answer"


def test_a_missing_podman_socket_with_containers_running_is_a_fault(config: Config) -> None:
    gone = refuses(NotHere("no podman socket"))
    finding = findings(config, podman=gone)["podman"]
    assert finding.state is State.CANNOT
    assert finding.found == "no podman socket, yet the cgroup tree shows 1 running container"
    assert "systemctl enable --now podman.socket" in finding.remedy
    assert findings(config, podman=gone, cgroup=answers(()))["podman"].state is State.NOT_HERE


def test_a_rootless_user_whose_podman_is_not_asked_is_named(config: Config) -> None:
    rootless = ContainerCgroups("b" * 64, 1000, PayloadUse(), ())
    found = findings(config, cgroup=answers((CGROUPS, rootless)))
    assert found["cgroup"].found.startswith("2 running containers, 1 of other users")
    assert (
        "podman of alice is not asked: --podman-socket alice=/run/user/1000/podman/podman.sock" in found["podman"].found
    )
    asked = Config(config.listen, config.state_dir, (PodmanSocket("unix:///a", "alice"),))
    assert "alice" not in findings(asked, cgroup=answers((rootless,)))["podman"].found


@pytest.mark.parametrize("error", [NotHere("/sys/fs/cgroup is hybrid"), Unreadable("/sys/fs/cgroup is hybrid")])
def test_an_old_cgroup_hierarchy_is_told_with_the_way_out(config: Config, error: Exception) -> None:
    old = Host("h", "b", "4.18", 1, 0, None, True, 1)
    found = findings(config, host=answers(old), cgroup=refuses(error))
    assert found["host"].found.startswith("Linux 4.18, cgroup v1, no SELinux, AppArmor")
    assert found["cgroup"].state is State.CANNOT
    assert found["cgroup"].found.startswith("/sys/fs/cgroup is hybrid; until then memory")
    assert "systemd.unified_cgroup_hierarchy=1" in found["cgroup"].remedy


def test_selinux_that_could_not_be_read_is_not_called_missing(config: Config) -> None:
    closed = Host("h", "b", "6.12", 1, 0, None, None, 2, unreadable=("sys/fs/selinux/enforce",))
    found = findings(config, host=answers(closed))
    assert found["host"].found.startswith("Linux 6.12, cgroup v2, SELinux not readable, ")


def test_processes_that_may_not_be_read_are_counted(config: Config) -> None:
    table = ProcessTable((ContainerProcesses("a" * 64, (), (), unreadable=("7: denied", "8: denied")),), ())
    finding = findings(config, process=answers(table))["process"]
    assert finding.state is State.CANNOT
    assert finding.found == "0 processes of 1 container; 2 processes cannot be read, the first: 7: denied"
    assert "CAP_SYS_PTRACE" in finding.remedy


def test_a_journal_that_throws_evidence_away_is_found(tmp_path: Path) -> None:
    assert not list(journal_findings(tmp_path))
    (tmp_path / "run/systemd/journal").mkdir(parents=True)
    assert [finding.state for finding in journal_findings(tmp_path)] == [State.OK]
    (tmp_path / "etc/systemd").mkdir(parents=True)
    (tmp_path / "etc/systemd/journald.conf").write_text("[Journal]\nMaxLevelStore=warning\n")
    (finding,) = journal_findings(tmp_path)
    assert finding.state is State.CANNOT
    assert "below warning" in finding.found
    assert finding.remedy == "set MaxLevelStore=info or debug, and restart systemd-journald"


def test_a_state_directory_is_writable_or_can_be_made(tmp_path: Path) -> None:
    assert state_directory_finding(tmp_path).found == f"{tmp_path} can be written"
    assert state_directory_finding(tmp_path / "a" / "b").found == f"{tmp_path}/a/b can be made"
    (tmp_path / "file").touch()
    in_the_way = state_directory_finding(tmp_path / "file" / "b")
    assert (in_the_way.state, in_the_way.found) == (State.CANNOT, f"{tmp_path}/file is no directory")


def test_a_state_directory_of_somebody_else_says_how_to_grant_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = state_directory_finding(tmp_path)
    assert finding.state is State.CANNOT
    assert f"install -d -m 0700 {tmp_path}" in finding.remedy


def test_the_web_configuration_is_loaded_with_its_certificates(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    config = Config(web=Web(config_file=path))
    assert (web_finding(Config()).state, web_finding(Config()).found) == (State.OK, "plain HTTP, no password")
    assert web_finding(config).state is State.CANNOT
    path.write_text("a: 1\nb: 2")
    finding = web_finding(config)
    assert f"{path}:1: unknown key a: allowed here" in finding.found
    assert f"; {path}:2: unknown key b" in finding.found
    assert str(path) in finding.remedy
    Authority(tmp_path).issue("server")
    tls = "tls_server_config: {cert_file: server.crt, key_file: server.key"
    users = f"basic_auth_users: {{a: $2b$04${'.' * 53}}}"
    path.write_text(f"{tls}, client_ca_file: ca.crt, client_auth_type: VerifyClientCertIfGiven}}\n{users}")
    assert web_finding(config).found == "TLS (VerifyClientCertIfGiven), 1 user"
    path.write_text(f"{tls}}}")
    assert web_finding(config).found == "TLS, no password"
    (tmp_path / "server.key").unlink()
    assert "server.key cannot be read: No such file" in web_finding(config).found


def test_a_free_address_is_given_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        finding = listen_finding(listen)
        assert finding.state is State.CANNOT
        assert "in use" in finding.found
    assert listen_finding(listen).state is State.OK
    assert listen_finding(listen).state is State.OK


def test_bulkhead_itself_on_the_address_is_no_fault() -> None:
    server = Server(opened(["127.0.0.1:0"]), RenderedPages(cast("Any", None), lambda: False))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    listen = f"127.0.0.1:{server.addresses[0][1]}"
    try:
        finding = listen_finding(listen)
    finally:
        server.close()
        thread.join()
    assert (finding.state, finding.found) == (State.OK, f"Bulkhead serves on {listen} already")


def test_bulkhead_with_a_password_is_known_as_well() -> None:
    server = Server(
        opened(["127.0.0.1:0"]),
        RenderedPages(cast("Any", None), lambda: False),
        gate=Gate(WebSettings(users=(("somebody", "$2b$04$" + "." * 53),))),
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert listen_finding(f"127.0.0.1:{server.addresses[0][1]}").state is State.OK
    finally:
        server.close()
        thread.join()


def test_a_host_with_a_socket_or_a_container_is_worth_serving(tmp_path: Path) -> None:
    without = Config(podman_sockets=(PodmanSocket(f"unix://{tmp_path}/none"),))
    here = Config(podman_sockets=(PodmanSocket(f"unix://{tmp_path}"),))
    assert has_containers(sources(cgroup=answers(())), here)
    assert has_containers(sources(), without)
    assert not has_containers(sources(cgroup=answers(())), without)
    assert not has_containers(sources(cgroup=refuses(NotHere("cgroup v1"))), without)


def test_a_line_says_state_name_what_was_found_and_what_to_do() -> None:
    finding = Finding("podman", State.CANNOT, "denied \x1b[31m", "run as root", 0.5)
    assert as_line(finding, colours=False).splitlines() == [
        "cannot    podman       denied ?[31m (0.50 s)",
        "                       to do: run as root",
    ]
    assert as_line(finding, colours=True).startswith("\x1b[31mcannot  \x1b[0m  podman")


def test_the_document_holds_every_finding() -> None:
    document = json.loads(as_document([Finding("zfs", State.NOT_HERE, "no ZFS")], Config()))
    assert document["version"] == 1
    assert document["findings"] == [
        {"name": "zfs", "state": "not here", "found": "no ZFS", "remedy": "", "duration_seconds": None}
    ]


def test_the_opening_names_the_settings_and_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert opening(Config()).endswith(
        "default settings, as uid 1000, not root: run it with sudo to see what the service sees"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert opening(Config(read_from=Path("/etc/c.toml"))).endswith("settings of /etc/c.toml, as root")
