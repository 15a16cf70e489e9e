"""bulkhead serve: reads the host again and again, and serves what it found."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from exporter.cli.command import (
    EXIT_CODES,
    FAILED,
    OK,
    add_command,
    add_log,
    add_settings,
    add_systemd_socket,
    complain,
    settings,
)
from exporter.config import Config
from exporter.runtime import logs, process

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Serves /metrics for Prometheus, a page for people at /, /-/healthy and /-/ready.

Settings come from /etc/bulkhead/config.toml, if there is one; flags win over the file.
Run it as root: other accounts may read neither podman's socket nor /proc of containers.
What cannot be read is left out and told by its own series; the rest is served.
SIGTERM and SIGINT end it. SIGHUP applies thresholds, waivers and the web configuration
file, and logs which other changed settings need a restart.
"""

_EXAMPLES = """\
examples:
  bulkhead serve --listen :9946 --web.config.file /etc/bulkhead/web.yml
        for other hosts too, over TLS and with a password
  bulkhead serve --podman-socket /run/podman/podman.sock \\
                 --podman-socket alice=/run/user/1000/podman/podman.sock
        root's containers and those of alice
  bulkhead serve --config ./bulkhead.toml
        try a configuration

"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "serve",
        run,
        summary="read this host and serve its metrics",
        about=_ABOUT,
        epilog=_EXAMPLES + EXIT_CODES,
    )
    add_settings(parser)
    add_systemd_socket(parser)
    add_log(parser)
    example = parser.add_mutually_exclusive_group()
    example.add_argument("--example", action="store_true", help="serve the embedded example host, not this one")
    example.add_argument(
        "--auto-example",
        action="store_true",
        help="serve the example host if this one has no podman socket and no running container",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; the exit code."""
    config = settings(arguments)
    # Only what reads a host needs its libraries: --help and --version work without them.
    from exporter.app.agent import build_agent  # noqa: PLC0415 - see above
    from exporter.app.collectors import build_sources  # noqa: PLC0415 - see above
    from exporter.app.doctor import has_containers  # noqa: PLC0415 - see above
    from exporter.app.example import build_example_agent  # noqa: PLC0415 - see above
    from exporter.app.pages import RenderedPages  # noqa: PLC0415 - see above
    from exporter.app.proofs import proofs_of  # noqa: PLC0415 - see above
    from exporter.app.reload import Reload, Standards  # noqa: PLC0415 - see above
    from exporter.app.web import Web, web_settings  # noqa: PLC0415 - see above
    from exporter.http import Gate, ServeError, Server, TlsError, opened, passed_by_systemd  # noqa: PLC0415 - see above

    logs.start(config.log.level, config.log.format)
    example = arguments.example
    if arguments.auto_example and not has_containers(build_sources(config), config):
        _tell_example(config)
        example = True
    with contextlib.ExitStack() as opened_here:
        try:
            gate = Gate(web_settings(config))
            listeners = passed_by_systemd() if arguments.systemd_socket else opened(config.listen)
            for listener in listeners:
                opened_here.callback(listener.close)
            web = Web(config, gate, listeners)
        except (ServeError, TlsError) as error:
            complain(str(error))
            return FAILED
        build = build_example_agent if example else build_agent
        standards = Standards(config)
        agent = build(config, standards, is_web_exposed=web.is_exposed)
        pages = RenderedPages(agent.report, agent.ready, config.series.max_series)
        server = Server(listeners, pages, gate=gate, hosts=config.web.hosts)
        process.raise_open_files_limit()
        if not example:
            process.tell_what_root_would_add()
        web.log_exposure()
        reload = Reload(config, lambda: settings(arguments), (web, standards))
        proofs = {} if example else proofs_of(agent, pages) | {"accepting": server.stall}
        subject = "the example host" if example else "this host"
        urls = process.urls_to_open(server.addresses, server.scheme)
        ended_as_asked = process.run(agent, server, subject, urls, reload=reload, proofs=proofs)
    return OK if ended_as_asked else FAILED


def _tell_example(config: Config) -> None:
    sockets = ", ".join(socket.path for socket in config.podman_sockets)
    print(
        f"There is no podman socket here ({sockets or 'none is configured'}) and no running container:\n"
        "this serves the embedded example host, a recording. To watch this host instead, install podman,\n"
        "enable its socket (systemctl enable --now podman.socket) and run this again.",
        file=sys.stderr,
    )
