"""The front's end of the link: asks the collector, and says in a sentence why there is no answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import TypeVar

from exporter.link.framing import FrameError, receive_frame, send_frame
from exporter.link.messages import Answer, Refused, Request, answer_of, encoded
from exporter.link.peer import peer_of

A = TypeVar("A", bound=Answer)

ANSWER_BYTES_MAX = 256 * 1024 * 1024
"""A page of the most series that can be configured, with long labels. The front has a limit of its own in its unit."""
_END_SECONDS = 1.0


class NoAnswer(Exception):
    """The collector did not answer. The message is one sentence: why, and what to do."""


class Link:
    """The way to the collector that listens at `path`. Safe to use from several threads.

    `timeout_seconds` is for a whole answer; `uids` are the accounts that a collector may have: nobody else is believed.
    At most `connections` are made at once, fewer than a collector takes: a hundred scrapers wait here for their turn.
    """

    def __init__(
        self,
        path: Path,
        timeout_seconds: float = 30,
        uids: frozenset[int] = frozenset({0}),
        connections: int = 32,
    ) -> None:
        self._turns = threading.BoundedSemaphore(connections)
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._uids = uids

    def ask(self, request: Request, kind: type[A], *, more_seconds: float = 0.0) -> A:
        """The answer to a request, which is to be of this kind. Raises NoAnswer.

        `more_seconds`: how much longer than usual the collector may take, for it was asked to wait.
        """
        ends_at = time.monotonic() + self._timeout_seconds + more_seconds
        if not self._turns.acquire(timeout=self._timeout_seconds):
            raise NoAnswer(f"too many ask the collector at {self._path} at once")
        try:
            return self._asked(request, kind, ends_at)
        except TimeoutError as error:
            raise NoAnswer(
                f"the collector at {self._path} did not answer within {self._timeout_seconds + more_seconds:g} s; "
                "see: journalctl -u bulkhead-collector"
            ) from error
        except FrameError as error:
            raise NoAnswer(f"the collector at {self._path} gave no answer that can be read: {error}") from error
        except OSError as error:
            raise NoAnswer(
                f"no collector answers at {self._path} ({error.strerror}); see: systemctl status bulkhead-collector"
            ) from error
        finally:
            self._turns.release()

    def _asked(self, request: Request, kind: type[A], ends_at: float) -> A:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(self._timeout_seconds)
            connection.connect(str(self._path))
            if (uid := peer_of(connection).uid) not in self._uids:
                raise NoAnswer(f"who listens at {self._path} is of uid {uid}, and no collector: stop it")
            send_frame(connection, encoded(request), ends_at)
            answer = answer_of(receive_frame(connection, ANSWER_BYTES_MAX, ends_at))
            # The collector frees the connection's place before it closes: only then may another take this turn.
            connection.settimeout(_END_SECONDS)
            with contextlib.suppress(OSError):
                connection.recv(1)
        if isinstance(answer, kind):
            return answer
        reason = answer.reason if isinstance(answer, Refused) else f"it answered with {type(answer).__name__}"
        raise NoAnswer(f"the collector at {self._path} refused: {reason}")
