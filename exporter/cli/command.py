"""What every command has in common: exit codes, how wrong usage is told, settings, the terminal.

A command is a module of this package with two functions: `add_to(commands)` declares its flags and
its help, `run(arguments)` does it and says the exit code. `exporter/cli/__init__.py` lists them.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from exporter.config import Config, load

if TYPE_CHECKING:  # a name that argparse has for type checkers only
    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001 - there is no public name

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = """\
exit codes:
  0  ended as asked (serve: by SIGTERM, SIGINT or Ctrl-C)
  1  could not do it; one sentence on stderr says why and what to do
  2  wrong usage or configuration; nothing was started

Unexpected errors are one line too; BULKHEAD_DEBUG=1 shows where they came from.
"""

SERVICE_EXIT_CODES = """\
exit codes:
  0  ended as asked (by SIGTERM, SIGINT or Ctrl-C)
  1  could not do it; one sentence on stderr says why and what to do
  2  wrong usage or configuration; nothing was started
"""
_COLLECTOR_SOCKET = Path("/run/bulkhead/collector.sock")


class Parser(argparse.ArgumentParser):
    """Says a wrong usage in one sentence, with the word that was perhaps meant."""

    def error(self, message: str) -> NoReturn:
        """End with one sentence and the exit code of a wrong usage."""
        self.exit(MISUSED, f"{self.prog}: {message}; see {self.prog} --help\n")

    def refuse(self, unknown: list[str]) -> NoReturn:
        """End because of arguments that nobody knows."""
        options = re.findall(r"--[a-z-]+", self.format_usage())
        self.error(f"unrecognized arguments: {' '.join(unknown)}{meant(unknown[0].split('=')[0], options)}")


def meant(word: str, known: list[str]) -> str:
    """The word that was perhaps meant, in brackets; "" when none is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], *, summary: str, about: str, epilog: str
) -> Parser:
    """The parser of a new command."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_config(parser: Parser) -> None:
    """Where the settings come from."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/bulkhead/config.toml, if it exists")


def add_podman_socket(parser: Parser) -> None:
    """Which podman services are asked."""
    parser.add_argument(
        "--podman-socket",
        action="append",
        metavar="[USER=]PATH",
        help="a podman service to ask, unix://PATH or PATH; USER= for a rootless user's; "
        "may be repeated; default /run/podman/podman.sock",
    )


def add_state_dir(parser: Parser) -> None:
    """Where counts are kept."""
    parser.add_argument("--state-dir", metavar="DIR", help="where durable counts are kept; default /var/lib/bulkhead")


def add_collector_socket(parser: Parser, meaning: str) -> None:
    """Where collector and front meet."""
    parser.add_argument(
        "--socket", type=Path, default=_COLLECTOR_SOCKET, metavar="PATH", help=f"{meaning}: {_COLLECTOR_SOCKET}"
    )


def add_web(parser: Parser) -> None:
    """Where and how pages are served."""
    parser.add_argument(
        "--listen",
        "--web.listen-address",
        action="append",
        metavar="HOST:PORT",
        help="where to serve, may be repeated; default 127.0.0.1:9946 and [::1]:9946, this host alone",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=os.path.abspath,
        metavar="FILE",
        help="TLS, users and headers, in the format of Prometheus' exporters; default: none, plain HTTP for everybody",
    )


def add_systemd_socket(parser: Parser) -> None:
    """Whether systemd has opened the sockets already."""
    parser.add_argument(
        "--web.systemd-socket",
        dest="systemd_socket",
        action="store_true",
        help="serve on the sockets that systemd passes (LISTEN_FDS), and on no other",
    )


def add_log(parser: Parser) -> None:
    """How much is logged, and in what form."""
    parser.add_argument(
        "--log.level", dest="log_level", metavar="LEVEL", help="debug, info, warning or error; default info"
    )
    parser.add_argument("--log.format", dest="log_format", metavar="FORMAT", help="logfmt or json; default logfmt")


def add_settings(parser: Parser) -> None:
    """Every setting that has a flag."""
    add_config(parser)
    add_web(parser)
    add_state_dir(parser)
    add_podman_socket(parser)


def settings(arguments: argparse.Namespace) -> Config:
    """The configuration: the file's, and over it the flags that this command has."""
    flags = {
        "listen": getattr(arguments, "listen", None),
        "state_dir": getattr(arguments, "state_dir", None),
        "podman_sockets": getattr(arguments, "podman_socket", None),
        "web.config_file": getattr(arguments, "web_config_file", None),
        "log.level": getattr(arguments, "log_level", None),
        "log.format": getattr(arguments, "log_format", None),
    }
    # Only what reads a host needs its libraries: --help and --version work without them.
    from exporter.app.vocabulary import VOCABULARY  # noqa: PLC0415 - see above

    return load(arguments.config, flags, vocabulary=VOCABULARY)


def complain(sentence: str) -> None:
    """Say on stderr what is wrong."""
    print(f"bulkhead: {sentence}", file=sys.stderr)


def wants_colours() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody asked for none (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
