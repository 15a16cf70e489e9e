"""bulkhead lint: judges quadlet files before they are deployed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.cli.command import add_command
from exporter.cli.findings import EXIT_CODES, add_flags, show

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Judges quadlet files before they are deployed, by the checks of `bulkhead audit`: by what
they ask for, with file and line. It reads .container files with their drop-ins, templates
and instances, and what they name: .network, .pod, .volume, .image and .build files.

A directory is one host's, as quadlet walks it: its files name each other, subdirectories
belong to it, and users/ below containers/systemd is for the users' own podman. A file is
judged beside those of its directory. What only a start decides (the ranges of ids, the
pairs of SELinux categories, datasets) does not apply here: audit judges it.

A file that quadlet would refuse, a key that it does not know or a file that cannot be read
is told with its line, is judged by no check, and makes the exit code at least 3.
"""

_EXAMPLES = """\
examples:
  bulkhead lint /etc/containers/systemd
  bulkhead lint web.container web.container.d/10-limits.conf
        these alone, in the light of their neighbours
  bulkhead lint --fail-on critical --format sarif quadlets/ > bulkhead.sarif
        in CI, for code scanning

As a pre-commit hook: id bulkhead-lint of this repository.

"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "lint",
        run,
        summary="judge quadlet files before they are deployed",
        about=_ABOUT,
        epilog=_EXAMPLES + EXIT_CODES,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a quadlet, a drop-in, or a directory")
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, judge, print; the exit code."""
    from exporter.app.lint import linted  # noqa: PLC0415 - as in serve.py

    return show(linted(arguments.paths), arguments)
