"""The web side of the agent while it runs: its configuration read again, and whether it is open to everybody."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence

from exporter.config import Config, ConfigError
from exporter.config.changes import changed
from exporter.config.web import load_web
from exporter.config.web_settings import WebSettings
from exporter.http import Gate, TlsError, reaches_beyond_this_host

log = logging.getLogger("bulkhead")

_APPLIED = ("web.config_file",)


def web_settings(config: Config) -> WebSettings:
    """What the web configuration file says, if there is one. Raises ConfigError."""
    return load_web(config.web.config_file) if config.web.config_file else WebSettings()


class Web:
    """What is known of the gate, and what SIGHUP does to it. `load` reads the configuration once more."""

    def __init__(
        self, config: Config, load: Callable[[], Config], gate: Gate, listeners: Sequence[socket.socket]
    ) -> None:
        self._config = config
        self._load = load
        self._reaches_beyond = reaches_beyond_this_host(listeners)
        self._gate = gate

    def is_exposed(self) -> bool:
        """Whether other hosts reach the pages, without both TLS and a password or certificate of each client."""
        return self._reaches_beyond and not self._gate.access.is_guarded

    def log_exposure(self) -> None:
        """Warn of pages that whoever reaches the port may read."""
        if self.is_exposed():
            log.warning(
                "the pages are open to every host that reaches the port: set TLS and users in the web configuration, "
                "or listen on 127.0.0.1; see docs/web.md",
                extra={"listen": ", ".join(self._config.listen)},
            )

    def reload(self) -> None:
        """Apply the web configuration. What cannot be used changes nothing, and the log says why."""
        try:
            config = self._load()
            self._gate.apply(web_settings(config))
        except ConfigError as error:
            for problem in error.problems:
                log.error("the configuration is not applied", extra={"reason": str(problem)})  # noqa: TRY400 - it is a sentence
            return
        except TlsError as error:
            log.error("the configuration is not applied", extra={"reason": str(error)})  # noqa: TRY400 - it is a sentence
            return
        log.info("web configuration applied", extra={"config_file": str(config.web.config_file or "none")})
        if waiting := [key for key in changed(self._config, config) if key not in _APPLIED]:
            log.warning("changed settings that need a restart", extra={"keys": ", ".join(waiting)})
        self.log_exposure()
