from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.facts.container import Container, IdRange
from exporter.facts.quadlet_file import QuadletFile
from exporter.sources.quadlet.files import read_quadlets
from tests.effort import examples

IMAGE = "[Container]\nImage=localhost/lab\n"


def write(directory: Path, **files: str) -> Path:
    """Files by the stem of their name, all of containers."""
    directory.mkdir(parents=True, exist_ok=True)
    for stem, content in files.items():
        (directory / f"{stem}.container").write_text(content)
    return directory


def container(directory: Path, lines: str) -> Container:
    """What one quadlet with these lines in [Container] asks for."""
    files, problems = read_quadlets([write(directory, web=IMAGE + lines) / "web.container"])
    assert problems == ()
    (asked_for,) = (file.container for file in files if file.asked)
    assert asked_for is not None
    return asked_for


def asked(*paths: Path) -> list[str]:
    files, _ = read_quadlets(paths)
    return [Path(file.path).name for file in files if file.asked]


def told(*paths: Path) -> list[str]:
    _, problems = read_quadlets(paths)
    return [f"{Path(problem.path).name}:{problem.line}: {problem.message}" for problem in problems]


def line_of(file: QuadletFile, name: str) -> tuple[str, int]:
    origin = [request.origin for request in file.requests if request.name == name][-1]
    return Path(origin.file).name, origin.line


def test_what_is_not_asked_for_is_podman_s_default(tmp_path: Path) -> None:
    security, limits = container(tmp_path, "").security, container(tmp_path, "").limits
    assert security.bounding_capabilities is not None
    assert "CAP_CHOWN" in security.bounding_capabilities
    assert (security.read_only_rootfs, security.auto_remove, security.privileged) == (False, True, False)
    assert (security.no_new_privileges, security.seccomp, security.userns_auto) == (False, "default", False)
    assert (security.pid_mode, security.ipc_mode, security.userns_mode) == ("private", "shareable", "")
    assert (limits.memory_bytes, limits.cpu_cores, limits.pids) == (None, None, 2048)


def test_the_last_word_is_that_of_podman_args(tmp_path: Path) -> None:
    one = container(tmp_path, "ReadOnly=true\nPidsLimit=5\nPodmanArgs=--read-only=false --pids-limit=-1 -m 1g\n")
    assert one.security.read_only_rootfs is False
    assert (one.limits.pids, one.limits.memory_bytes) == (None, 1 << 30)


@pytest.mark.parametrize(
    ("lines", "bounding"),
    [
        ("DropCapability=all", ()),
        ("DropCapability=ALL\nAddCapability=net_bind_service", ("CAP_NET_BIND_SERVICE",)),
        ("PodmanArgs=--cap-drop=all --cap-add=sys_admin,CAP_KILL", ("CAP_SYS_ADMIN", "CAP_KILL")),
        ("DropCapability=all\nPodmanArgs=--privileged", ("ALL",)),
    ],
)
def test_the_bounding_set_is_what_is_left(tmp_path: Path, lines: str, bounding: tuple[str, ...]) -> None:
    assert container(tmp_path, lines).security.bounding_capabilities == bounding


@pytest.mark.parametrize(
    "lines", ["SecurityLabelDisable=true", "PodmanArgs=--privileged", "PodmanArgs=--pid host", "PodmanArgs=--ipc=host"]
)
def test_no_label_confines_what_joins_the_host(tmp_path: Path, lines: str) -> None:
    assert container(tmp_path, lines).security.selinux_process_label == ""


def test_a_level_without_categories_is_taken_as_it_is(tmp_path: Path) -> None:
    label = container(tmp_path, "SecurityLabelLevel=s0\nSecurityLabelType=web_t").security.selinux_process_label
    assert label == "system_u:system_r:web_t:s0"


def test_maps_by_hand_are_read(tmp_path: Path) -> None:
    security = container(tmp_path, "UIDMap=0:200000:1000\nGIDMap=0:300000:1000").security
    assert security.uid_map == (IdRange(0, 200_000, 1000),)
    assert security.gid_map == (IdRange(0, 300_000, 1000),)
    assert security.userns_mode == "private"


def test_mounts_are_told_with_their_flags(tmp_path: Path) -> None:
    mounts = container(
        tmp_path, "Volume=/srv/a:/a:ro,z,idmap\nVolume=named:/b\nMount=type=bind,src=/srv/c,dst=/c,relabel=private"
    ).mounts
    assert [(one.source, one.destination, one.kind, one.writable, one.flags) for one in mounts] == [
        ("/srv/a", "/a", "bind", False, ("ro", "z", "idmap")),
        ("named", "/b", "volume", True, ()),
        ("/srv/c", "/c", "bind", True, ("Z",)),
    ]


def test_masked_paths_are_those_that_are_not_unmasked(tmp_path: Path) -> None:
    assert container(tmp_path, "Unmask=ALL").security.masked_paths == ()
    some = container(tmp_path, "Unmask=/proc/kcore:/sys/firmware\nMask=/proc/uptime").security.masked_paths
    assert some is not None
    assert "/proc/uptime" in some
    assert not {"/proc/kcore", "/sys/firmware"} & set(some)


def test_a_network_is_the_file_s_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "lan.network").write_text("[Network]\nDriver=macvlan\nOptions=parent=lan0\n")
    (network,) = container(tmp_path, "Network=lan.network\nIP=10.0.0.2").networks
    assert (network.name, network.driver, network.parent) == ("systemd-lan", "macvlan", "lan0")
    assert network.ip_addresses == ("10.0.0.2",)


def test_a_member_of_a_pod_has_the_pod_s_ids_and_networks(tmp_path: Path) -> None:
    (tmp_path / "stack.pod").write_text("[Pod]\nNetwork=host\n")
    member = container(tmp_path, "Pod=stack.pod\nUserNS=auto")
    assert (member.security.userns_auto, member.security.userns_mode, member.pod) == (False, "", "systemd-stack")
    (tmp_path / "stack.pod").write_text("[Pod]\nUserNS=auto\n")
    assert container(tmp_path, "Pod=stack.pod").security.userns_auto


def test_a_drop_in_holds_over_the_file_and_keeps_its_own_line(tmp_path: Path) -> None:
    write(tmp_path, web=f"{IMAGE}ReadOnly=true\n")
    (tmp_path / "web.container.d").mkdir()
    (tmp_path / "web.container.d/10-open.conf").write_text("[Container]\n\nReadOnly=false\n")
    (file,), _ = read_quadlets([tmp_path])
    assert file.container
    assert file.container.security.read_only_rootfs is False
    assert line_of(file, "--read-only") == ("10-open.conf", 3)
    assert line_of(file, "[Container]") == ("web.container", 1)


def test_an_instance_is_its_own_container(tmp_path: Path) -> None:
    (tmp_path / "job@.container").write_text(f"{IMAGE}Volume=/srv/%i:/data\n")
    (tmp_path / "job@one.container").symlink_to("job@.container")
    files, _ = read_quadlets([tmp_path])
    instance = next(file for file in files if file.path.endswith("job@one.container"))
    assert instance.container
    assert (instance.unit_name, instance.container.name) == ("job@one.service", "systemd-job_one")
    assert instance.container.mounts[0].source == "/srv/one"


def test_a_file_is_asked_for_alone_and_read_beside_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, web=IMAGE, db=IMAGE)
    files, _ = read_quadlets([tmp_path / "web.container"])
    assert [(Path(file.path).name, file.asked) for file in files] == [("db.container", False), ("web.container", True)]


def test_a_drop_in_stands_for_the_files_that_it_applies_to(tmp_path: Path) -> None:
    write(tmp_path, **{"web-api": IMAGE, "web-ui": IMAGE, "db": IMAGE})
    (tmp_path / "web-.container.d").mkdir()
    drop_in = tmp_path / "web-.container.d/10-limits.conf"
    drop_in.write_text("[Container]\nPidsLimit=5\n")
    assert asked(drop_in) == ["web-api.container", "web-ui.container"]
    assert asked(drop_in.parent) == ["web-api.container", "web-ui.container"]


def test_directories_are_walked_each_once_whatever_links_lead_where(tmp_path: Path) -> None:
    write(tmp_path / "app/deep", db=IMAGE)
    write(tmp_path / "web.container.d", lost=IMAGE)
    (tmp_path / "app/deep/up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "app")
    (tmp_path / "ring.container").symlink_to("ring.container")
    assert asked(tmp_path) == ["db.container"]
    assert any(line.startswith("ring.container:0: ") for line in told(tmp_path))


def test_of_two_files_of_one_name_the_second_is_never_used(tmp_path: Path) -> None:
    write(tmp_path, web=IMAGE)
    write(tmp_path / "old", web=IMAGE)
    assert asked(tmp_path) == ["web.container"]
    assert any("is never used" in line for line in told(tmp_path))


def test_users_quadlets_are_those_of_their_own_podman(tmp_path: Path) -> None:
    root = write(tmp_path / "containers/systemd", web=IMAGE)
    write(root / "users/1000", web=IMAGE)
    files, problems = read_quadlets([root])
    assert [file.container.user for file in files if file.container] == ["1000", ""]
    assert problems == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{IMAGE}DropCapabilty=all\n", "web.container:3: quadlet knows no key DropCapabilty= in [Container]"),
        (f"{IMAGE}dropcapability=all\n", "Did you mean DropCapability?"),
        (f"{IMAGE}[Contianer]\nReadOnly=true\n", "web.container:3: neither quadlet nor systemd knows the section"),
        (f"{IMAGE}[Pod]\nPodName=x\n", "[Pod] does nothing in a container quadlet"),
        (f"{IMAGE}[Quadlet]\nNo=x\n", "knows no key No= in [Quadlet]"),
        (f"{IMAGE}rubbish\n", "web.container:3: 'rubbish' is neither"),
        ("[Service]\nRestart=no\n", "there is no section [Container]"),
        ("[Container]\nReadOnly=true\n", "web.container:1: neither Image= nor Rootfs= is there"),
        (f"{IMAGE}Network=lan.network\n", "web.container:3: lan.network is not among the quadlets"),
        (f"{IMAGE}Pod=stack\n", "Pod=stack names no .pod file"),
        (f"{IMAGE}Mount=src=/a,dst=/b\n", "has no type="),
        (f"{IMAGE}[Service]\nType=simple\n", "web.container:4: Type=simple is not what quadlet takes"),
        (f"{IMAGE}PodmanArgs=--bad=\\q\n", "PodmanArgs= cannot be split into words"),
        ("\0" * 64, "NUL"),
        ("", "there is no section [Container]"),
        ("#" * ((1 << 20) + 1), "web.container:0: it is 1048577 bytes long"),
    ],
)
def test_a_file_that_is_not_what_was_meant_is_told_and_not_judged(tmp_path: Path, content: str, words: str) -> None:
    write(tmp_path, web=content)
    assert asked(tmp_path) == []
    assert words in "\n".join(told(tmp_path))


def test_one_syntax_error_takes_its_whole_directory_along(tmp_path: Path) -> None:
    write(tmp_path, bad=f"{IMAGE}rubbish\n", good=IMAGE)
    assert any("makes no unit of any file in it" in line for line in told(tmp_path))


def test_what_is_no_file_cannot_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.container")
    (tmp_path / "gone.container").symlink_to("nowhere")
    assert asked(tmp_path) == []
    assert [line.split(":")[0] for line in told(tmp_path)] == ["gone.container", "pipe.container"]


@pytest.mark.parametrize("name", ["missing", "missing.container", "README.md", "nul\0"])
def test_a_path_that_is_no_quadlet_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_text("text")
    assert len(told(tmp_path / name)) == 1


def test_a_directory_without_quadlets_is_no_pass(tmp_path: Path) -> None:
    assert told(tmp_path) == [f"{tmp_path.name}:0: there is no quadlet in it."]


PIECES = st.sampled_from(
    [
        *(b"[Container]\n", b"Image=x\n", b"[Service]\n", b"MemoryMax=", b"PodmanArgs=", b"Volume=", b"Network="),
        *(b"\\\n", b"--cap-add ", b"-v ", b"-", b":", b"a", b"=", b'"', b"%i", b"\n", b"UserNS=auto"),
        *(b"Mount=type=bind,", b"\xe9"),
    ]
)


@settings(max_examples=examples(60), deadline=None)
@given(content=st.lists(PIECES, max_size=30).map(b"".join))
def test_any_file_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / "web.container").write_bytes(content)
    files, problems = read_quadlets([directory])
    assert files or problems
