"""What a settlement costs: with ten times as many containers, and with one that changes its counts without end."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from exporter.facts.evidence import ContainerEvent, KillCount, KillCounts
from exporter.ledger import Batch, Identities, Ledger, Now, Store
from exporter.ledger.keeper import Keeper, Surroundings

FEW, MANY = 100, 1_000
ROUNDS = 20
_BUSY_SECONDS = 3.0
_BOOT = "boot1"


class _Host:
    """So many containers, each in a slice of its own, with ten events each; nothing happens any more."""

    def __init__(self, containers: int, directory: Path) -> None:
        ids = {f"{number:064x}": f"c{number}" for number in range(containers)}
        slices = {name: f"/services.slice/services-{name}.slice" for name in ids.values()}
        counts = [KillCount("/services.slice", 1, 0, 0)]
        counts += [KillCount(path, number, 0, 0) for number, path in enumerate(slices.values(), start=2)]
        for number, (container_id, name) in enumerate(ids.items(), start=100_000):
            path = f"{slices[name]}/{name}.service/libpod-payload-{container_id}"
            counts.append(KillCount(path, number, 0, 0, container_id))
        self.identities = Identities(
            ids,
            {f"{name}.service": name for name in slices},
            {path: frozenset({name}) for name, path in slices.items()},
        )
        self._counts = KillCounts(tuple(counts))
        self.ledger = Ledger(Store(directory))
        self._us = 0
        self._settle(
            tuple(
                ContainerEvent(
                    turn * 10**9 + number, container_id, name, ("died", "start")[turn % 2], f"{name}.service", 1
                )
                for turn in range(10)
                for number, (container_id, name) in enumerate(ids.items())
            )
        )

    def seconds(self) -> float:
        """What one settlement without news takes of a CPU."""
        began = time.thread_time()
        self._settle(())
        return time.thread_time() - began

    def _settle(self, evidence: tuple[ContainerEvent, ...]) -> None:
        self._us += 1_000_000
        self.ledger.settle(Batch(evidence, self._counts, identities=self.identities), Now(_BOOT, self._us, 1e9))

    # A counter of kills that always has something new.

    def read(self) -> KillCounts:
        return self._counts

    def wait(self, timeout_seconds: float) -> bool:
        return timeout_seconds > 0

    def wake_on(self, descriptor: int, drain: Callable[[], None]) -> None:
        """Nobody wakes it."""


def growth() -> float:
    """How many times as much a settlement of many containers costs as one of a tenth of them."""
    with tempfile.TemporaryDirectory() as directory:
        few, many = (_Host(containers, Path(directory) / str(containers)) for containers in (FEW, MANY))
        with closing(few.ledger), closing(many.ledger):
            best_few = best_many = float("inf")
            for _ in range(ROUNDS):  # in turns, so that both meet the same noise
                best_few, best_many = min(best_few, few.seconds()), min(best_many, many.seconds())
    return best_many / best_few


def share_of_a_cpu() -> float:
    """What the keeper takes of a CPU while the counts of one of many containers change without end."""
    with tempfile.TemporaryDirectory() as directory:
        host, shares = _Host(MANY, Path(directory)), []
        around = Surroundings(lambda: host.identities, tuple, lambda: 0, lambda: True, lambda: None)
        keeper, stop = Keeper(host.ledger, _BOOT, host, None, around), threading.Event()

        def run() -> None:
            began, busy = time.monotonic(), time.thread_time()
            keeper.run(stop)
            shares.append((time.thread_time() - busy) / (time.monotonic() - began))

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(_BUSY_SECONDS)
        stop.set()
        thread.join()
    return float(shares[0])
