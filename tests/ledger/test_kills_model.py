"""Whatever comes, in whatever order, twice, late or never: the totals are the kernel's.

The machine kills in a tree of slices and services, and shows the ledger what a host would: counts of the
cgroups that exist now, and lines that may be lost, late or told twice. The agent may be down meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exporter.facts.evidence import KernelKill, KillCount, KillCounts, UnitOutOfMemory
from exporter.ledger import Batch, Identities, Ledger, Now, Store
from tests.effort import examples, steps

SHARED = "/system.slice"
TOP = "/services.slice"
OWN = {name: f"{TOP}/services-{name}.slice" for name in ("web", "db")}
IN_SHARED = ("mail", "dns")
NAMES = (*OWN, *IN_SHARED)
HOSTS_OWN = f"{SHARED}/cron.service"
GRACE_US = 40_000_000


def slice_of_container(name: str) -> str:
    return OWN.get(name, SHARED)


@dataclass
class Kernel:
    """What the kernel counts, and who lives."""

    boot: str = "boot1"
    inodes: int = 100
    slices: dict[str, tuple[int, int]] = field(default_factory=dict)  # path -> inode, oom_kill
    lives: dict[str, tuple[str, str, int, int]] = field(default_factory=dict)  # name -> id, path, inode, oom_kill
    ids: dict[str, str] = field(default_factory=dict)  # every id there ever was -> name
    killed: dict[str, int] = field(default_factory=dict)
    us: int = 1_000_000

    def inode(self) -> int:
        self.inodes += 1
        return self.inodes

    def start(self, name: str) -> None:
        container_id = f"{len(self.ids):064x}"
        self.ids[container_id] = name
        path = f"{slice_of_container(name)}/{name}.service"
        self.lives[name] = (container_id, path, self.inode(), 0)

    def make_slices(self) -> None:
        self.slices = {path: (self.inode(), 0) for path in (SHARED, TOP, *OWN.values())}

    def rise(self, path: str) -> None:
        for above, (inode, count) in self.slices.items():
            if path.startswith(f"{above}/"):
                self.slices[above] = (inode, count + 1)


class Host(RuleBasedStateMachine):
    """A kernel, an agent, and lines on their way from one to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel()
        self.ledger = Ledger(Store(None))
        self.on_the_way: list[KernelKill | UnitOutOfMemory] = []
        self.told: list[KernelKill] = []
        self.stamp = 0

    @initialize(killed=st.none() | st.sampled_from(NAMES), line=st.booleans(), dies=st.booleans(), hint=st.booleans())
    def boot(self, killed: str | None, *, line: bool, dies: bool, hint: bool) -> None:
        """The first reading; `killed`: meanwhile."""
        self.kernel.make_slices()
        for name in NAMES:
            self.kernel.killed[name] = 0
            self.kernel.start(name)
        if killed is None:
            self.settle()
        else:
            self.settle_while_one_is_killed(killed, line=line, dies=dies, hint=hint)

    @rule(name=st.sampled_from(NAMES), dies=st.booleans(), line=st.booleans(), hint=st.booleans())
    def kill(self, name: str, *, dies: bool, line: bool, hint: bool) -> None:
        container_id, path, inode, count = self.kernel.lives[name]
        self.kernel.us += 1000
        self.kernel.killed[name] += 1
        self.kernel.rise(path)
        self.kernel.lives[name] = (container_id, path, inode, count + 1)
        if line:
            self.say(f"{path}/libpod-payload-{container_id}")
        if hint:
            self.on_the_way.append(UnitOutOfMemory(self.kernel.boot, self.kernel.us, f"{name}.service"))
        if dies:
            self.kernel.start(name)

    @rule()
    def kill_a_service_that_is_no_container(self) -> None:
        self.kernel.rise(HOSTS_OWN)
        self.say(HOSTS_OWN)
        # Its line is the only one that could tell: were it late, the kill would be told as unattributed, rightly.
        self.settle(some=len(self.on_the_way))

    @rule(name=st.sampled_from(tuple(OWN)))
    def stop_its_slice(self, name: str) -> None:
        self.settle()  # what was counted in it and not read goes to its parent: see the other machine
        self.kernel.slices[OWN[name]] = (self.kernel.inode(), 0)
        self.kernel.start(name)

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data())
    def lose_nothing_but_order(self, data: st.DataObject) -> None:
        self.on_the_way = list(data.draw(st.permutations(self.on_the_way)))

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        self.on_the_way.append(data.draw(st.sampled_from(self.told)))

    @rule(some=st.integers(0, 3))
    def settle(self, some: int = 3) -> None:
        heard, self.on_the_way = self.on_the_way[:some], self.on_the_way[some:]
        self.told += [told for told in heard if isinstance(told, KernelKill)]
        self._settle(heard)

    @rule(name=st.sampled_from(NAMES), line=st.booleans(), dies=st.booleans(), hint=st.booleans())
    def settle_while_one_is_killed(self, name: str, *, line: bool, dies: bool, hint: bool) -> None:
        above = {path: counted for path, counted in self.kernel.slices.items() if path not in OWN.values()}
        self.kill(name, dies=dies, line=line, hint=hint)
        self._settle([], above)

    @rule()
    def wait(self) -> None:
        self.kernel.us += GRACE_US
        self._settle([])

    def say(self, path: str) -> None:
        self.stamp += 1
        self.on_the_way.append(
            KernelKill(self.kernel.boot, self.kernel.us, self.stamp, 1000 + self.stamp, path, path, 1.8e9)
        )

    def _settle(
        self, heard: list[KernelKill | UnitOutOfMemory], read_before: dict[str, tuple[int, int]] | None = None
    ) -> None:
        kernel = self.kernel
        kernel.us += 1000
        slices = kernel.slices | (read_before or {})
        counts = [KillCount(path, inode, count, 0) for path, (inode, count) in slices.items()]
        counts += [
            KillCount(path, inode, count, 0, container_id) for container_id, path, inode, count in kernel.lives.values()
        ]
        identities = Identities(
            names_by_id={life[0]: name for name, life in kernel.lives.items()},
            names_by_unit={f"{name}.service": name for name in NAMES},
            occupants={path: frozenset({name}) for name, path in OWN.items()}
            | {SHARED: frozenset(IN_SHARED), TOP: frozenset(OWN)},
        )
        batch = Batch(evidence=tuple(heard), counts=KillCounts(tuple(counts)), identities=identities)
        self.ledger.settle(batch, Now(kernel.boot, kernel.us, 1.8e9 + kernel.us / 1e6))

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        for one in self.ledger.totals().containers:
            assert one.oom_kills <= self.kernel.killed[one.name], one.name

    def teardown(self) -> None:
        if not self.kernel.killed:
            return
        self.settle(some=len(self.on_the_way))
        for _ in range(4):
            self.wait()
        totals = self.ledger.totals()
        counted = {one.name: one.oom_kills for one in totals.containers}
        for name in OWN:
            assert counted[name] == self.kernel.killed[name], name
        in_shared = sum(counted[name] for name in IN_SHARED) + totals.unattributed_oom_kills
        assert in_shared == sum(self.kernel.killed[name] for name in IN_SHARED)


Host.TestCase.settings = settings(max_examples=examples(150), stateful_step_count=steps(40), deadline=None)
TestWhateverComes = Host.TestCase
