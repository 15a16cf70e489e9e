from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.podman.create_command import parse_create_command
from tests.effort import examples

OBJECTS02 = shlex.split(
    "/usr/bin/podman run --name objects02 --cidfile=/run/objects02.cid --replace --rm --cgroups=split --ip 10.99.0.10"
    " --pids-limit 128 --network lan --sdnotify=conmon -d --security-opt=no-new-privileges --cap-drop all --read-only"
    " --userns auto -v /data/containers/objects02:/data:rw,Z --cpus=1 --memory=128000000b localhost/lab /bin/hold 96"
)


def test_a_quadlets_command_line_tells_its_volumes_flags_and_its_user_namespace() -> None:
    flags = parse_create_command(OBJECTS02)
    assert flags.volumes == {"/data": ("rw", "Z")}
    assert flags.userns == "auto"


@pytest.mark.parametrize(
    ("typed", "volumes"),
    [
        ("-v /a:/b", {"/b": ()}),
        ("-v /a:/b/:z", {"/b": ("z",)}),
        ("-v/a:/b:Z", {"/b": ("Z",)}),
        ("-itv /a:/b:U", {"/b": ("U",)}),
        ("--volume=/a:/b:idmap=uids=@0-1-2;gids=@0-1-2,z", {"/b": ("idmap", "z")}),
        ("--volume /b", {"/b": ()}),
        (r"-v '/a\:x:/b:ro'", {"/b": ("ro",)}),
        ("--mount type=bind,src=/a,dst=/b,relabel=private,ro=true", {"/b": ("Z", "ro")}),
        ("--mount=type=bind,source=/a,target=/b,relabel=shared,idmap,chown", {"/b": ("z", "idmap", "U")}),
        ("--mount type=volume,destination=/b,readonly=false,U=0", {"/b": ()}),
        ("--mount type=tmpfs", {}),
        ("--name -v --env -v=/a:/b:Z -v /c:/d", {"/d": ()}),
        ("-v /a:/b:Z -v /a:/b:z", {"/b": ("Z",)}),
    ],
)
def test_every_way_to_type_a_mount_is_read(typed: str, volumes: dict[str, tuple[str, ...]]) -> None:
    assert parse_create_command(["podman", "run", *shlex.split(typed), "image", "sh"]).volumes == volumes


@pytest.mark.parametrize("before", ["--rm", "--name x", "-d", "--publish=80:80", "--", "-it", "--read-only --init"])
def test_what_follows_the_image_is_the_containers_own_command(before: str) -> None:
    words = ["podman", "container", "create", *before.split(), "image", "tar", "-v", "/a:/b:Z", "--userns", "auto"]
    flags = parse_create_command(words)
    assert (flags.volumes, flags.userns) == ({}, "")


def test_the_last_user_namespace_counts() -> None:
    assert parse_create_command(["podman", "run", "--userns=host", "--userns", "keep-id", "image"]).userns == "keep-id"


@pytest.mark.parametrize("words", [[], ["podman", "kube", "play", "-v", "/a:/b:Z"], ["podman", "run", "-v"]])
def test_a_command_line_without_mounts_has_none(words: list[str]) -> None:
    assert not parse_create_command(words).volumes


def test_a_secret_of_the_command_line_is_not_kept() -> None:
    words = ["podman", "run", "--env", "PASSWORD=hunter2", "-e", "TOKEN=hunter2", "-v", "/a:/b:Z", "image", "hunter2"]
    assert "hunter2" not in repr(parse_create_command(words))


@given(st.lists(st.text() | st.sampled_from(["run", "-v", "--mount", "--userns", "--", "-it", "dst=/b,Z", "a:b:c"])))
def test_no_command_line_breaks_it(words: list[str]) -> None:
    parse_create_command(["podman", "run", *words])


PATHS = st.text(st.characters(codec="ascii", exclude_characters=":\\,/\0"), min_size=1).map(lambda name: f"/x{name}y")
FLAGS = st.lists(st.sampled_from(["Z", "z", "U", "ro", "rw", "idmap", "O", "nosuid"]), unique=True)


@settings(max_examples=examples(50))
@given(st.dictionaries(PATHS, FLAGS, max_size=5), st.booleans())
def test_what_was_typed_comes_back(mounts: dict[str, list[str]], joined: bool) -> None:  # noqa: FBT001 - from hypothesis
    words = ["podman", "run", "--rm"]
    for path, flags in mounts.items():
        value = f"/source:{path}:{','.join(flags)}"
        words += [f"--volume={value}"] if joined else ["-v", value]
    found = parse_create_command([*words, "image"]).volumes
    assert found == {path: tuple(flags) for path, flags in mounts.items()}
