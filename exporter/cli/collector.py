"""bulkhead collector: reads the host again and again, and hands finished pages and alerts to the front."""

from __future__ import annotations

import argparse
import pwd
from typing import TYPE_CHECKING

from exporter.cli.command import (
    FAILED,
    OK,
    SERVICE_EXIT_CODES,
    add_collector_socket,
    add_command,
    add_config,
    add_log,
    add_podman_socket,
    add_state_dir,
    complain,
    settings,
)
from exporter.runtime import logs, process

if TYPE_CHECKING:
    from exporter.cli.command import Commands

FRONT = "bulkhead"

_ABOUT = """\
Reads the host, counts and judges as `bulkhead serve` does, and has no network: it answers
`bulkhead front` alone, on a unix socket, with pages and alerts that are ready to be sent.
The kernel says which account asks; no other account is answered. SIGHUP applies thresholds
and waivers, and logs which other changed settings need a restart.

Run both by their units, bulkhead-collector.service and bulkhead.service.
"""

_EPILOG = f"""\
examples:
  sudo bulkhead collector --socket /run/bulkhead/collector.sock --front-user bulkhead

{SERVICE_EXIT_CODES}"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "collector", run, summary="read this host for a front", about=_ABOUT, epilog=_EPILOG)
    add_config(parser)
    add_state_dir(parser)
    add_podman_socket(parser)
    add_log(parser)
    add_collector_socket(parser, "where the front asks")
    parser.add_argument("--front-user", default=FRONT, metavar="NAME", help=f"the front's account: {FRONT}")
    parser.add_argument("--example", action="store_true", help="hand out the embedded example host, not this one")


def run(arguments: argparse.Namespace) -> int:
    """Answer the front until told to stop; the exit code."""
    config = settings(arguments)
    from exporter.app.collector import built_collector  # noqa: PLC0415 - as in serve.py
    from exporter.app.reload import Reload, Standards  # noqa: PLC0415 - as in serve.py
    from exporter.link.server import LinkError  # noqa: PLC0415 - as in serve.py

    logs.start(config.log.level, config.log.format)
    try:
        uid = pwd.getpwnam(arguments.front_user).pw_uid
    except KeyError:
        complain(
            f"there is no account {arguments.front_user} for the front: "
            "make it (systemd-sysusers with systemd/sysusers.conf), or name another with --front-user"
        )
        return FAILED
    standards = Standards(config)
    try:
        agent, server, proofs = built_collector(config, standards, arguments.socket, uid, is_example=arguments.example)
    except LinkError as error:
        complain(str(error))
        return FAILED
    process.raise_open_files_limit()
    if not arguments.example:
        process.tell_what_root_would_add()
    subject = "the example host" if arguments.example else "this host"
    reload = Reload(config, lambda: settings(arguments), (standards,))
    where = (str(arguments.socket),)
    ended_as_asked = process.run(agent, server, f"{subject} to the front", where, reload=reload, proofs=proofs)
    return OK if ended_as_asked else FAILED
