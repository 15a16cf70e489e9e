from __future__ import annotations

from exporter.app.lives import following_lives, has_starting_processes
from exporter.facts.process import ProcessTable
from tests.assess.snapshots import NOW
from tests.assess.starting import PAYLOAD, RUNTIME, after


def test_processes_of_a_runtime_are_not_finished() -> None:
    assert has_starting_processes(ProcessTable((PAYLOAD, RUNTIME), ()))
    assert not has_starting_processes(ProcessTable((PAYLOAD,), ()))


def test_each_snapshot_carries_what_the_ones_before_it_showed() -> None:
    snapshots = iter((after(NOW + 1), after(NOW + 2)))
    taken = following_lives(lambda: next(snapshots))
    first, second = taken(), taken()
    assert first.lives is not None
    assert second.lives == first.lives
    assert all(not life.lacks for life in first.lives.values())
