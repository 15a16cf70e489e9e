from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.isolation.mounts import MountTree
from exporter.facts.process import MountPoint

ROOT = MountPoint("/", "/", ("ro",), "overlay", "overlay", "0:51", mount_id=10, parent_id=1)


def on(below: MountPoint, point: str, number: int) -> MountPoint:
    return replace(ROOT, mount_point=point, device=f"0:{number}", mount_id=number, parent_id=below.mount_id)


PROC = on(ROOT, "/proc", 20)
MASK = on(PROC, "/proc/kcore", 30)
OVER = on(PROC, "/proc", 15)  # made before all others, and moved here
ABOVE = on(ROOT, "/", 40)


@pytest.mark.parametrize(
    ("mounts", "path", "met"),
    [
        ((ROOT,), "/proc/kcore", ROOT),
        ((ROOT, PROC, MASK), "/proc/kcore", MASK),
        ((ROOT, PROC, MASK), "/proc/kcore/deep", MASK),
        ((ROOT, PROC, MASK), "/proc/kcore2", PROC),
        ((ROOT, PROC, MASK), "/procs", ROOT),
        ((ROOT, OVER, PROC, MASK), "/proc/kcore", OVER),
        ((ROOT, PROC, MASK, ABOVE), "/proc/kcore", MASK),
        ((ROOT, ABOVE), "/", ROOT),
    ],
)
def test_a_path_leads_into_what_lies_uppermost_on_its_way(
    mounts: tuple[MountPoint, ...], path: str, met: MountPoint
) -> None:
    assert MountTree(mounts).met(path) == met


def test_where_nothing_says_what_lies_on_what_the_last_line_counts() -> None:
    mounts = [replace(one, parent_id=None) for one in (ROOT, PROC, MASK, PROC)]
    assert MountTree(mounts).met("/proc/kcore") == mounts[3]
    assert MountTree(mounts[:3]).met("/proc/kcore") == mounts[2]
    assert MountTree([]).met("/") is None
