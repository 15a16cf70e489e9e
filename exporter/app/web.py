"""The web side of the agent while it runs: its configuration read again, and whether it is open to everybody."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

from exporter.config import Config
from exporter.config.web import load_web
from exporter.config.web_settings import WebSettings
from exporter.http import Gate, reaches_beyond_this_host

log = logging.getLogger("bulkhead")


def web_settings(config: Config) -> WebSettings:
    """What the web configuration file says, if there is one. Raises ConfigError."""
    return load_web(config.web.config_file) if config.web.config_file else WebSettings()


class Web:
    """What is known of the gate, and what a reload does to it."""

    applies = ("web.config_file",)

    def __init__(self, config: Config, gate: Gate, listeners: Sequence[socket.socket]) -> None:
        self._config = config
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

    def apply(self, config: Config) -> None:
        """Let in whom the web configuration file lets in now. Raises ConfigError, TlsError: nothing has changed."""
        self._gate.apply(web_settings(config))
        self.log_exposure()
