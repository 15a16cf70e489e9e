"""bulkhead front: serves the collector's pages to the network, and sends its alerts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from exporter.cli.command import (
    FAILED,
    OK,
    SERVICE_EXIT_CODES,
    add_collector_socket,
    add_command,
    add_config,
    add_log,
    add_systemd_socket,
    add_web,
    complain,
)
from exporter.config import Config, load
from exporter.runtime import logs, process

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Serves what `bulkhead collector` has made: /metrics for Prometheus, a page for people at /,
/-/healthy (this process) and /-/ready (the collector). Sends the collector's alerts to every
Alertmanager of the configuration. It sees nothing of the host: run it as an account of its
own, by bulkhead.service. While the collector does not answer, pages are 503.
"""

_EPILOG = f"""\
examples:
  bulkhead front --listen 127.0.0.1:9946

{SERVICE_EXIT_CODES}"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "front", run, summary="serve what a collector has read", about=_ABOUT, epilog=_EPILOG
    )
    add_config(parser)
    add_web(parser)
    add_systemd_socket(parser)
    add_log(parser)
    add_collector_socket(parser, "the collector's")
    parser.add_argument(
        "--collector-user", default="root", metavar="NAME", help="the collector's account; nobody else is believed"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; the exit code."""
    flags = {
        "listen": arguments.listen,
        "web.config_file": arguments.web_config_file,
        "log.level": arguments.log_level,
        "log.format": arguments.log_format,
    }

    def loaded() -> Config:
        return load(arguments.config, flags, vocabulary=None)

    config = loaded()
    # Only what serves needs its libraries: --help and --version work without them.
    from exporter.app.front import UnknownAccount, built_front  # noqa: PLC0415 - see above
    from exporter.app.reload import Reload  # noqa: PLC0415 - see above
    from exporter.http import ServeError, TlsError, opened, passed_by_systemd  # noqa: PLC0415 - see above

    logs.start(config.log.level, config.log.format)
    try:
        listeners = passed_by_systemd() if arguments.systemd_socket else opened(config.listen)
        delivery, server, web = built_front(config, listeners, arguments.socket, arguments.collector_user)
    except (ServeError, TlsError, UnknownAccount) as error:
        complain(str(error))
        return FAILED
    urls = process.urls_to_open(server.addresses, server.scheme)
    web.log_exposure()
    reload = Reload(config, loaded, (web,))
    proofs = {"accepting": server.stall}
    ended_as_asked = process.run(delivery, server, "the collector's host", urls, reload=reload, proofs=proofs)
    return OK if ended_as_asked else FAILED
