"""bulkhead doctor: what can be read on this host, and what to install or grant."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from exporter.cli.command import FAILED, OK, add_command, add_settings, settings, wants_colours
from exporter.runtime import logs, process

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Asks every source once, as `bulkhead serve` would, and says of each:

  ok        it was read, and what was found
  not here  this host has no such thing: nothing to do
  cannot    it is here and cannot be read: what to install or grant
"""

_EPILOG = """\
examples:
  sudo bulkhead doctor
  bulkhead doctor --format json | jq '.findings[] | select(.state == "cannot")'

exit codes:
  0  all that is here can be read
  1  something that is here cannot be read
  2  wrong usage or configuration
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "doctor",
        run,
        summary="say what can be read here, and what to install or grant",
        about=_ABOUT,
        epilog=_EPILOG,
    )
    add_settings(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text (default) or json")


def run(arguments: argparse.Namespace) -> int:
    """Ask every source once and say what it said; the exit code."""
    config = settings(arguments)
    from exporter.app.collectors import build_sources  # noqa: PLC0415 - as in serve.py
    from exporter.app.diagnosis import State  # noqa: PLC0415 - as in serve.py
    from exporter.app.doctor import as_document, as_line, examine, opening  # noqa: PLC0415 - as in serve.py

    logs.start("error")
    process.raise_open_files_limit()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    as_json = arguments.format == "json"
    findings = []
    if not as_json:
        print(opening(config), flush=True)
    for finding in examine(build_sources(config), config):
        findings.append(finding)
        if not as_json:
            print(as_line(finding, colours=wants_colours()), flush=True)
    if as_json:
        print(as_document(findings, config))
    return FAILED if any(finding.state is State.CANNOT for finding in findings) else OK
