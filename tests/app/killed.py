"""A collector or a front as a process of its own, which kills itself at one step on an alert's way.

python -m tests.app.killed ROLE DIRECTORY URL STEP        STEP "": it lives on

counted -> written -> given -> received -> posted -> heard -> noted -> confirmed
collector  collector  collector front      front    collector collector front
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exporter.app.collector import Answering, Front
from exporter.app.front import RemoteOutgoing, following_news
from exporter.app.pages import RenderedPages
from exporter.config import Alertmanager
from exporter.link.client import Link
from exporter.link.messages import Accepted, Answer, Due, DueAnswer, Request
from exporter.link.server import LinkServer, listening
from exporter.notify.couriers import Couriers
from exporter.notify.notifier import Notifier, OutgoingNow
from exporter.notify.outbox import Outbox
from exporter.notify.posting import Posting
from exporter.notify.store import Store
from exporter.report.thresholds import Thresholds
from tests.notify.totals import ORIGIN, totals
from tests.present.reports import rich_report

OWN = frozenset({os.getuid()})
STEPS = {
    "counted": "collector",
    "written": "collector",
    "given": "collector",
    "received": "front",
    "posted": "front",
    "heard": "collector",
    "noted": "collector",
    "confirmed": "front",
}


def end_here() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def collect(directory: Path, url: str, step: str) -> None:
    outbox = Outbox(DyingStore(directory, step), ORIGIN, Thresholds, (url,))
    new = threading.Event()
    answering = Answering(
        RenderedPages(rich_report, lambda: True), OutgoingNow(outbox), (url,), new, Front(os.getuid())
    )

    def answer(request: Request) -> Answer:
        if step == "heard" and isinstance(request, Accepted):
            end_here()
        answer = answering.answer(request)
        if step == "given" and isinstance(request, Due) and isinstance(answer, DueAnswer) and answer.postings:
            end_here()
        if step == "noted" and isinstance(request, Accepted):
            end_here()
        return answer

    server = LinkServer(listening(directory / "c.sock"), OWN, answer)
    threading.Thread(target=server.run, args=(threading.Event(),), daemon=True).start()
    notifier = Notifier(outbox, new.set)
    notifier.see_totals(totals(web=0))
    say("ready")
    sys.stdin.readline()
    # The ledger counts on from what it has on disk: a collector that was killed has the same total again.
    notifier.see_totals(totals(web=1))
    while sys.stdin.readline():
        say(str(notifier.notifications().queued))


class DyingStore(Store):
    """Ends the process just before or just after an alert is written."""

    def __init__(self, directory: Path, step: str) -> None:
        super().__init__(directory)
        self._step = step

    def save(self, watch: Any, entries: Any) -> None:
        is_new = any(entry is not None for entry in entries.values())
        if self._step == "counted" and is_new:
            end_here()
        super().save(watch, entries)
        if self._step == "written" and is_new:
            end_here()


def serve(directory: Path, url: str, step: str) -> None:
    class Outgoing(RemoteOutgoing):
        def postings(self, peer: str, most: int) -> tuple[Posting, ...]:
            found = super().postings(peer, most)
            if step == "received" and found:
                end_here()
            return found

        def note_accepted(self, peer: str, sent: tuple[Posting, ...]) -> None:
            if step == "posted":
                end_here()
            super().note_accepted(peer, sent)
            if step == "confirmed":
                end_here()

    link = Link(directory / "c.sock", 10, OWN)
    couriers = Couriers(Outgoing(link), (Alertmanager(url, timeout_seconds=5),), 60.0)
    stop = threading.Event()
    threading.Thread(target=following_news, args=(link, couriers, stop), daemon=True).start()
    threading.Thread(target=couriers.run, args=(stop,), daemon=True).start()
    say("ready")
    sys.stdin.readline()


if __name__ == "__main__":
    ROLES: dict[str, Callable[[Path, str, str], None]] = {"collector": collect, "front": serve}
    ROLES[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], sys.argv[4])
