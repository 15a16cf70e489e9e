"""What is true of what a container should have alone: ids and SELinux categories.

Another container counts by what could be read of it: none makes the walls of its neighbours unknown by hiding. Nor does
a container that has all ids of the host share them with each other container: it has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.assess.truth.answer import Answer, all_named, every, known, stands
from tests.assess.truth.world import Box, IdMap, World

_FILES = ("etc/subuid", "etc/subgid", "etc/passwd", "etc/group")
_FIRST_OF_ACCOUNTS = 100_000  # login.defs(5): below are the system's own and its accounts'
_CATEGORIES = 1024
_ALL_IDS = 2**32 - 1
_UNCONFINED = (["spc_t"], ["unconfined_t"])


def first_of_containers(text: str) -> int:
    """The lowest id of the ranges that subuid(5) or subgid(5) gives to `containers`."""
    lines = [line.split(":") for line in text.splitlines()]
    return min((int(start) for owner, start, _ in lines if owner == "containers"), default=_FIRST_OF_ACCOUNTS)


def categories(label: str) -> frozenset[int]:
    """The categories of the clearance, mcs(8). No policy holds those of an unconfined domain against anything."""
    found: set[int] = set()
    if label.split(":")[2:3] in _UNCONFINED:
        return frozenset()
    clearance = label.split(":", 3)[-1].rpartition("-")[2]
    for part in clearance.partition(":")[2].split(","):
        first, _, last = part.partition(".")
        if first.startswith("c") and first[1:].isdigit():
            found |= set(range(int(first[1:]), min(int((last or first)[1:]), _CATEGORIES) + 1))
    return frozenset(found)


def ids_disjoint(world: World, box: Box) -> Answer:
    """No id is another container's, an account's, a group's or another owner's."""
    living = [program for program in box.programs if not program.gone]
    is_read = "host" not in world.silent and not any(file in world.faults for file in _FILES)
    answers = [all_named(world, box), known(is_read)]
    answers += [known(not {"uid_map", "gid_map"} & program.faults.keys()) for program in living]
    uids = [line for program in living for line in program.uid_map]
    gids = [line for program in living for line in program.gid_map]
    for other in _others(world, box):
        for program in other.programs:
            if not program.gone and not {"uid_map", "gid_map"} & program.faults.keys():
                answers.append(stands(not _overlap(uids, _own(program.uid_map))))
                answers.append(stands(not _overlap(gids, _own(program.gid_map))))
    answers += [stands(not _overlap(uids, [line])) for line in _of_host(world, "etc/passwd", "etc/subuid")]
    answers += [stands(not _overlap(gids, [line])) for line in _of_host(world, "etc/group", "etc/subgid")]
    return every(answers)


def _others(world: World, box: Box) -> list[Box]:
    """The other containers that can be seen, but for those of its pod: they share on purpose."""
    return [
        other
        for other in world.boxes
        if other is not box
        and not (box.asked.pod and other.asked.pod == box.asked.pod)
        and all_named(world, other) is Answer.STANDS
    ]


def _own(id_map: IdMap) -> IdMap:
    return [line for line in id_map if line[2] < _ALL_IDS]


def _of_host(world: World, accounts: str, ranges: str) -> Iterator[tuple[int, int, int]]:
    for line in world.texts[accounts].splitlines():
        yield 0, int(line.split(":")[2]), 1
    for line in world.texts[ranges].splitlines():
        owner, start, count = line.split(":")
        if owner != "containers":
            yield 0, int(start), int(count)


def _overlap(first: IdMap, second: IdMap) -> bool:
    return any(start < begin + many and begin < start + count for _, start, count in first for _, begin, many in second)


def label_unique(world: World, box: Box) -> Answer:
    """No other container's categories are among its own, nor its own among another's: mcs(8), dominance."""
    answers = [all_named(world, box), known(not any("attr/current" in task.faults for task in box.living))]
    own = {categories(task.label) for task in box.living}
    for other in _others(world, box):
        theirs = {categories(task.label) for task in other.living if "attr/current" not in task.faults}
        answers += [stands(not (a and b and (a <= b or b <= a))) for a in own for b in theirs]
    return every(answers)
