"""What SIGHUP (systemctl reload) does: reads the configuration again, and applies what can change while the agent runs.

    the web configuration file    users, certificates, headers      front, serve    app/web.py
    [thresholds], [[waivers]]     what the host is judged by         collector, serve

Everything else is named in the log as waiting for a restart. A restart loses no count and no alert.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from exporter.config import Config, ConfigError
from exporter.config.changes import changed
from exporter.http import TlsError
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver

log = logging.getLogger("bulkhead")


class Part(Protocol):
    """Something of the agent that takes a new configuration while it runs."""

    @property
    def applies(self) -> tuple[str, ...]:
        """The keys of the configuration that it takes: `web.config_file`; `thresholds.` is all of that table."""

    def apply(self, config: Config) -> None:
        """Take them. Raises ConfigError or TlsError, and then nothing has changed."""


class Standards:
    """What a host is judged by, as it is set now."""

    applies = ("thresholds.", "waivers")

    def __init__(self, config: Config) -> None:
        self._now = config.thresholds, config.waivers

    def apply(self, config: Config) -> None:
        """Judge by these from the next report on."""
        self._now = config.thresholds, config.waivers

    def both(self) -> tuple[Thresholds, tuple[Waiver, ...]]:
        """Thresholds and waivers of the same configuration."""
        return self._now

    def thresholds(self) -> Thresholds:
        """The thresholds alone."""
        return self._now[0]


class Reload:
    """Applies the configuration anew at each call. `load` reads it; what it cannot use changes nothing.

    `parts` take it one after the other: only the first of them may refuse.
    """

    def __init__(self, config: Config, load: Callable[[], Config], parts: Sequence[Part]) -> None:
        self._at_start = config
        self._load = load
        self._parts = parts

    def __call__(self) -> None:
        """Read and apply. Every problem is logged, and nothing is raised for one."""
        try:
            config = self._load()
            for part in self._parts:
                part.apply(config)
        except ConfigError as error:
            for problem in error.problems:
                log.error("the configuration is not applied", extra={"reason": str(problem)})  # noqa: TRY400 - it is a sentence
            return
        except TlsError as error:
            log.error("the configuration is not applied", extra={"reason": str(error)})  # noqa: TRY400 - it is a sentence
            return
        files = {"config": str(config.read_from or "none"), "web_config": str(config.web.config_file or "none")}
        log.info("configuration applied", extra=files)
        applied = tuple(key for part in self._parts for key in part.applies)
        if waiting := [key for key in changed(self._at_start, config) if not key.startswith(applied)]:
            log.warning("changed settings that need a restart", extra={"keys": ", ".join(waiting)})
