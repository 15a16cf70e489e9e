from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.facts.container import IdRange
from exporter.facts.process import MountPoint
from exporter.facts.reading import SourceError, Unreadable
from exporter.sources.process.conmon import in_container, parse_command_line
from exporter.sources.process.parse import (
    Status,
    parse_has_executed,
    parse_id_map,
    parse_interfaces,
    parse_mountinfo,
    parse_namespace,
    parse_parent,
    parse_security_label,
    parse_start_ticks,
    parse_status,
)
from tests.effort import examples
from tests.sources.host_trees import CONTAINER_ID, OTHER_ID, STATUS, conmon_line, payload_path, stat_text

PARSERS: tuple[Callable[[bytes], object], ...] = (
    in_container,
    parse_command_line,
    parse_has_executed,
    parse_id_map,
    parse_interfaces,
    parse_mountinfo,
    parse_security_label,
    parse_start_ticks,
    parse_status,
    lambda raw: parse_namespace(raw.decode("utf-8", "surrogateescape")),
)
NEARLY = st.lists(
    st.sampled_from(
        b"(|)|S|0|-1|\\040|\\999| |:|\t|\n|\0|-|/|CapEff|net:[7]|conmon|-c|-n|eth0|\xff|9999999999999999".split(b"|")
    ),
    max_size=40,
).map(b"".join)
NUMBERS = st.integers(0, 2**32 - 1)
SETS = st.integers(0, 2**64 - 1)
COMMS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)
# A path may hold any byte but NUL; the kernel escapes those that would break a line.
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map("/{}".format)
WORDS = st.from_regex(r"[a-z0-9_:=]{1,12}", fullmatch=True)


def kernel_escaped(path: str) -> str:
    return "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\#" else letter for letter in path)


@given(raw=st.binary(max_size=300) | NEARLY)
@example(raw=b"1 (x) " + b"9" * 5000)
@example(raw=b"1 (x) " + b"S " * 19 + b"9" * 5000)
def test_arbitrary_bytes_raise_nothing_but_a_source_error(raw: bytes) -> None:
    for parse in PARSERS:
        with contextlib.suppress(SourceError):
            parse(raw)


@given(comm=COMMS, start_ticks=SETS)
@example(comm="a) R 1 (b", start_ticks=7)
@example(comm="\n) S 1 2 3", start_ticks=7)
def test_start_ticks_are_found_behind_any_comm(comm: str, start_ticks: int) -> None:
    assert parse_start_ticks(stat_text(12, comm, start_ticks).encode()) == start_ticks


@given(
    comm=COMMS,
    sets=st.tuples(SETS, SETS, SETS, SETS, SETS),
    no_new_privileges=st.booleans(),
    seccomp=st.integers(0, 2),
    threads=st.integers(1, 10**6),
    unknown=st.lists(st.sampled_from(["Foo:\t1", "x86_Thread_features:\t", "CapXyz:\tff", "no colon", ""])),
)
def test_status_is_read_by_key_among_unknown_lines(
    *,
    comm: str,
    sets: tuple[int, int, int, int, int],
    no_new_privileges: bool,
    seccomp: int,
    threads: int,
    unknown: list[str],
) -> None:
    escaped = comm.replace("\\", "\\\\").replace("\n", "\\n")
    keys = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    lines = [f"Name:\t{escaped}", *unknown, *(f"{key}:\t{value:016x}" for key, value in zip(keys, sets, strict=True))]
    lines += [
        f"NoNewPrivs:\t{no_new_privileges:d}",
        f"Seccomp:\t{seccomp}",
        "Seccomp_filters:\t9",
        f"Threads:\t{threads}",
        "",
    ]
    status = parse_status("\n".join(lines).encode())
    assert status == Status(escaped.strip(" \t"), *sets, no_new_privileges, seccomp, threads)


def test_a_process_cannot_forge_a_line_through_its_name() -> None:
    assert parse_status(STATUS.format(comm="x\\nCapBnd:\\t0", pid=1).encode()).bounding_capabilities == 0x800405FB


def test_a_status_without_a_wall_is_unreadable_and_not_zero() -> None:
    with pytest.raises(Unreadable, match="lacks CapAmb"):
        parse_status(STATUS.replace("CapAmb", "CapXyz").encode())


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=5))
def test_an_id_map_is_its_lines(ranges: list[tuple[int, int, int]]) -> None:
    raw = "".join(f"{inside:10} {outside:10} {count:10}\n" for inside, outside, count in ranges)
    assert parse_id_map(raw.encode()) == tuple(IdRange(*numbers) for numbers in ranges)


@settings(max_examples=examples(50))
@given(
    mounts=st.lists(
        st.tuples(PATHS, PATHS, st.lists(WORDS, min_size=1, max_size=4), WORDS, PATHS, st.lists(WORDS, max_size=2)),
        max_size=4,
    )
)
def test_mountinfo_gives_back_any_path_that_the_kernel_escaped(
    mounts: list[tuple[str, str, list[str], str, str, list[str]]],
) -> None:
    lines = [
        f"{30 + number} 2 0:{number} {kernel_escaped(root)} {kernel_escaped(point)} {','.join(options)} "
        f"{''.join(f'{tag} ' for tag in optional)}- {kind} {kernel_escaped(source)} rw\n"
        for number, (root, point, options, kind, source, optional) in enumerate(mounts)
    ]
    assert parse_mountinfo("".join(lines).encode()) == tuple(
        MountPoint(point, root, tuple(options), kind, source, f"0:{number}", mount_id=30 + number, parent_id=2)
        for number, (root, point, options, kind, source, _) in enumerate(mounts)
    )


def test_an_empty_mount_source_and_a_dash_in_a_path_are_kept() -> None:
    (mount,) = parse_mountinfo(b"1 2 0:5 / /a\\040-\\040b ro,idmapped shared:1 - tmpfs  rw\n")
    assert (mount.mount_point, mount.source, mount.options) == ("/a - b", "", ("ro", "idmapped"))


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        (b"rw,lowerdir=/a/l/B:/a/l/C,upperdir=/u,workdir=/w", ("/a/l/B", "/a/l/C")),
        (b'rw,context="u:r:t:s0:c1,c2",lowerdir=/a', ("/a",)),
        (b"rw,lowerdir+=/a,lowerdir+=/b", ("/a", "/b")),
        (b"rw,lowerdir=/a\\134:b:/c\\054d::/data", ("/a\\:b", "/c,d", "/data")),
        (b"rw,upperdir=/lowerdir=/x", ()),
        (b"rw", ()),
    ],
)
def test_the_layers_of_an_overlay_are_its_lower_directories(options: bytes, layers: tuple[str, ...]) -> None:
    (mount,) = parse_mountinfo(b"1 2 0:5 / / ro - overlay overlay " + options + b"\n")
    assert mount.layers == layers
    (other,) = parse_mountinfo(b"1 2 0:5 / / ro - ext4 /dev/a " + options + b"\n")
    assert other.layers == ()


@pytest.mark.parametrize(
    ("options", "upper"),
    [
        (b"rw,lowerdir=/a,upperdir=/u\\054v,workdir=/w", "/u,v"),
        (b"rw,upperdir=/lowerdir=/x", "/lowerdir=/x"),
        (b"rw,lowerdir=/upperdir=/x", ""),
    ],
)
def test_what_is_written_to_an_overlay_goes_to_its_upper_directory(options: bytes, upper: str) -> None:
    (mount,) = parse_mountinfo(b"1 2 0:5 / / ro - overlay overlay " + options + b"\n")
    assert mount.upper == upper


def test_the_parent_is_the_one_that_the_kernel_names_whatever_the_process_calls_itself() -> None:
    assert parse_parent(stat_text(7, "x) S 1 2 (y", 9, parent=4711).encode()) == 4711


@given(options=st.binary())
def test_no_options_break_the_layers(options: bytes) -> None:
    line = b"1 2 0:5 / / ro - overlay overlay " + options.replace(b"\n", b"") + b"\n"
    assert len(parse_mountinfo(line)[0].layers) <= 512


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (b"system_u:system_r:container_t:s0:c1,c2\0", "system_u:system_r:container_t:s0:c1,c2"),
        (b"containers-default-0.62.2 (enforce)\n", "containers-default-0.62.2 (enforce)"),
        (b"unconfined\n", "unconfined"),
        (b"\0", None),
        (b"\n", None),
        (b"", None),
    ],
)
def test_a_security_label_is_bare_and_none_when_empty(raw: bytes, label: str | None) -> None:
    assert parse_security_label(raw) == label


def test_a_namespace_is_its_inode() -> None:
    assert parse_namespace("time_for_children:[4026531834]") == 4026531834
    with pytest.raises(Unreadable, match="a namespace should read"):
        parse_namespace("net:4026531834")


def test_interfaces_are_all_but_lo() -> None:
    raw = b"Inter-|   Receive\n face |bytes\n    lo:       0    0\n  eth0: 1796  22\neth1:0\n"
    assert parse_interfaces(raw) == ("eth0", "eth1")


@given(name=st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,252}", fullmatch=True))
def test_a_conmons_command_line_names_its_container(name: str) -> None:
    assert parse_command_line(conmon_line(CONTAINER_ID, name).encode()) == (CONTAINER_ID, name)


def test_the_conmon_of_an_exec_and_of_no_container_name_none() -> None:
    assert parse_command_line(conmon_line(CONTAINER_ID, "web", OTHER_ID).encode()) is None
    assert parse_command_line(conmon_line("0123", "web").encode()) is None
    assert parse_command_line(conmon_line(CONTAINER_ID, "").encode()) is None
    assert parse_command_line(b"/usr/bin/conmon\0--version\0") is None
    assert parse_command_line(b"conmon\0-c") is None


def test_a_name_is_bounded_and_valid_text() -> None:
    named = parse_command_line(conmon_line(CONTAINER_ID, "n" * 1000).encode())
    assert named == (CONTAINER_ID, "n" * 253)
    assert parse_command_line(f"conmon\0-c\0{CONTAINER_ID}\0-n\0".encode() + b"\xff\0") == (
        CONTAINER_ID,
        "\N{REPLACEMENT CHARACTER}",
    )


def test_a_process_is_in_a_container_when_a_payload_is_on_its_path() -> None:
    assert in_container(f"0::{payload_path('web')}/init.scope\n".encode())
    assert in_container(f"0::/machine.slice/libpod-{CONTAINER_ID}.scope/container\n".encode())
    assert not in_container(f"0::/machine.slice/libpod-conmon-{CONTAINER_ID}.scope\n".encode())
    assert not in_container(b"0::/services.slice/services-web.slice/web.service/runtime\n")


@given(comm=COMMS, has_executed=st.booleans())
def test_a_clone_that_executes_nothing_is_known_by_the_kernels_flag_alone(comm: str, has_executed: bool) -> None:  # noqa: FBT001 - a table
    assert parse_has_executed(stat_text(7, comm, 7, has_executed=has_executed).encode()) is has_executed
