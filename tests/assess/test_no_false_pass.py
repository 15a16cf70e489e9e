"""No wall passes that does not stand: random hosts as files, read by the real sources, held against an oracle.

A story is a row of changes to a host on which every wall stands (`truth/changes`), each with the seed of its own
randomness; hypothesis makes stories, and shortens a story that shows a false pass. More of them, in another order:

    pytest tests/assess/test_no_false_pass.py --hypothesis-profile=long --hypothesis-seed=7
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from exporter.assess import container
from exporter.assess.assessment import Build, assess
from exporter.assess.checks.container import CHECKS, no_new_privileges
from exporter.report.findings import Outcome, Verdict
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from tests.assess.truth.answer import Answer
from tests.assess.truth.changes import CHANGES, Story, world_of
from tests.assess.truth.changes_of_processes import threads_may_gain_privileges
from tests.assess.truth.files import snapshot_of
from tests.assess.truth.oracle import ORACLES, false_passes
from tests.assess.truth.world import World
from tests.effort import examples

# Without an oracle: what an image, a registry, a volume or a file of the host's configuration decides.
NOT_SEARCHED = frozenset(
    {
        *("rootful", "restart_paced", "macvlan_network", "images_in_system_storage", "apparmor_confined"),
        *("image_pinned", "managed_by_quadlet", "volumes_labelled_private", "shared_volumes_idmapped"),
        *("label_not_shared_twice", "own_dataset", "dataset_quota", "volumes_nosuid_nodev"),
    }
)


def judged(world: World) -> Report:
    root = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        return assess(snapshot_of(world, root), Thresholds(), Build())
    finally:
        shutil.rmtree(root)


@settings(max_examples=examples(1500))
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 2**32 - 1)), max_size=6))
def test_no_check_passes_where_its_wall_does_not_stand_or_nobody_could_know(story: Story) -> None:
    world, words = world_of(story)
    note("\n".join(words))
    assert false_passes(world, judged(world)) == {}


def test_the_walls_of_the_host_that_stories_begin_with_all_stand_and_are_seen_to() -> None:
    world, _ = world_of([])
    for report in judged(world).containers:
        verdicts = {finding.check: finding.outcome.verdict for finding in report.findings if finding.check in ORACLES}
        assert verdicts == dict.fromkeys(ORACLES, Verdict.PASS)
    assert all(oracle(world, box) is Answer.STANDS for oracle in ORACLES.values() for box in world.boxes)


def test_every_check_of_a_container_is_searched_or_named_as_not() -> None:
    assert {check.id for check in CHECKS} == {*ORACLES, *NOT_SEARCHED}


def test_every_wall_with_an_oracle_is_taken_down_by_some_change() -> None:
    fallen = set()
    for seed in range(40):
        for change in CHANGES:
            world, _ = world_of([(change, seed)])
            fallen |= {wall for wall in ORACLES for box in world.boxes if ORACLES[wall](world, box) is Answer.FALLS}
    assert fallen == set(ORACLES)


def test_a_check_that_passes_whatever_it_sees_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = replace(no_new_privileges.CHECK, examine=lambda _: Outcome(Verdict.PASS, "no new privileges"))
    monkeypatch.setattr(container, "CHECKS", (blind,))
    world, _ = world_of([(threads_may_gain_privileges, 1)])
    assert set(false_passes(world, judged(world)).values()) == {Answer.FALLS}
    world.silent.add("process")
    assert set(false_passes(world, judged(world)).values()) == {Answer.FALLS, Answer.UNKNOWABLE}
