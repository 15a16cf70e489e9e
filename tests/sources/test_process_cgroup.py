"""Which cgroup a process is in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sources.log.process_cgroup import parse_cgroup, read_cgroup

NAMES = st.text(st.characters(exclude_characters="/\n", exclude_categories=["Cs"]), min_size=1, max_size=20)
PATHS = st.lists(NAMES, max_size=5).map(lambda names: "/" + "/".join(names))
# Hierarchies of cgroup v1, which a host may still have beside.
OTHERS = st.lists(st.tuples(st.integers(1, 20), st.sampled_from(["memory", "cpu,cpuacct", "name=systemd"]), PATHS))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"0::/services.slice/web.service/libpod-payload-3f\n", "/services.slice/web.service/libpod-payload-3f"),
        (b"0::/a/b (deleted)\n", "/a/b"),
        (b"0::/\n", "/"),
        (b"12:memory:/a\n1:name=systemd:/x0::/evil\n0::/a/b\n", "/a/b"),
        (b"10::/a\n", None),
        (b"0::../outside the namespace\n", None),
        (b"", None),
    ],
)
def test_samples(raw: bytes, path: str | None) -> None:
    assert parse_cgroup(raw) == path


@given(PATHS, OTHERS, OTHERS)
def test_the_path_is_found_among_all_hierarchies(
    path: str, before: list[tuple[int, str, str]], after: list[tuple[int, str, str]]
) -> None:
    lines = [*(f"{n}:{names}:{of}" for n, names, of in before), f"0::{path}"]
    lines += [f"{n}:{names}:{of}" for n, names, of in after]
    expected = path.removesuffix(" (deleted)")
    assert parse_cgroup("".join(f"{line}\n" for line in lines).encode()) == expected


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda rest: b"0::" + rest))
def test_whatever_stands_there_is_one_absolute_path_or_none(raw: bytes) -> None:
    path = parse_cgroup(raw)
    assert path is None or (path.startswith("/") and "\n" not in path)


def test_a_process_that_is_gone_is_in_no_cgroup(tmp_path: Path) -> None:
    (tmp_path / "793").mkdir()
    assert read_cgroup(tmp_path, 793) is None
    (tmp_path / "793/cgroup").write_bytes(b"0::/a\xff\n")
    assert read_cgroup(tmp_path, 793) == "/a\ufffd"
