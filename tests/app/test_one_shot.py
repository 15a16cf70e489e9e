from __future__ import annotations

import threading
from typing import Any, cast

from exporter.app.one_shot import survey
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Absent, Failed, NotHere, Read, fresh
from tests.fake_sources import CGROUPS, answers, refuses, sources


def test_every_source_is_read() -> None:
    snapshot = survey(sources(), deadline_seconds=5)
    readings = (
        *(snapshot.podman, snapshot.cgroup, snapshot.process, snapshot.systemd),
        *(snapshot.quadlet, snapshot.zfs, snapshot.zfs_mounted, snapshot.host),
    )
    assert all(isinstance(reading, Read) for reading in readings)
    assert fresh(snapshot.cgroup) == (CGROUPS,)


def test_a_source_learns_what_those_before_it_found() -> None:
    made = sources()
    known: dict[str, object] = {}

    def systemd() -> tuple[()]:
        known["units"] = made.context.units()
        return ()

    def mounted() -> tuple[()]:
        known["processes"] = made.context.processes()
        return ()

    cast("Any", made.by_name["systemd"]).read = systemd
    cast("Any", made.by_name["zfs_mounted"]).read = mounted
    survey(made, deadline_seconds=5)
    assert known == {"units": frozenset({"web.service"}), "processes": ProcessTable((), ())}


def test_what_refuses_or_hangs_leaves_the_others() -> None:
    never = threading.Event()
    made = sources(podman=never.wait, zfs=refuses(NotHere("no ZFS")), quadlet=refuses(ZeroDivisionError("a bug")))
    snapshot = survey(made, deadline_seconds=0.05)
    never.set()
    assert snapshot.podman == Failed("no answer within 0.05 s", 0.05)
    assert isinstance(snapshot.zfs, Absent)
    assert isinstance(snapshot.quadlet, Failed)
    assert isinstance(snapshot.cgroup, Read)


def test_zfs_which_gives_up_by_itself_may_take_longer_than_the_others() -> None:
    never, others_are_over = threading.Event(), threading.Event()
    made = sources(podman=never.wait)
    told = made.by_name["zfs"].read()

    def systemd() -> tuple[()]:
        others_are_over.set()
        return ()

    cast("Any", made.by_name["systemd"]).read = systemd
    cast("Any", made.by_name["zfs"]).read = lambda: others_are_over.wait() and told
    snapshot = survey(made, deadline_seconds=0.5)
    never.set()
    assert isinstance(snapshot.podman, Failed)
    assert fresh(snapshot.zfs) == told


def test_parts_that_could_not_be_read_are_kept() -> None:
    made = sources(podman=answers(()))
    cast("Any", made.by_name["podman"]).problems = ("podman of alice did not answer",)
    podman = survey(made, deadline_seconds=5).podman
    assert isinstance(podman, Read)
    assert podman.problems == ("podman of alice did not answer",)


def test_figures_of_cgroups_are_read_after_the_processes() -> None:
    """The runtime sets limits before the payload runs."""
    made = sources()
    order: list[str] = []
    table, trees = made.by_name["process"].read(), made.by_name["cgroup"].read()

    def process() -> object:
        order.append("process")
        return table

    def cgroup() -> object:
        order.append("cgroup")
        return trees

    cast("Any", made.by_name["process"]).read = process
    cast("Any", made.by_name["cgroup"]).read = cgroup
    survey(made, deadline_seconds=5)
    assert order[-2:] == ["process", "cgroup"]
