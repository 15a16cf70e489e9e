"""The command line. Puts the parts together and turns errors into sentences; each command is a module of its own."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import sys
import traceback
from collections.abc import Sequence

from exporter import __version__
from exporter.cli.command import EXIT_CODES, FAILED, INTERRUPTED, MISUSED, OK, Parser, complain
from exporter.config import ConfigError
from exporter.facts.reading import SourceError

_COMMANDS = {
    "serve": "serve",
    "collector": "collector",
    "front": "front",
    "doctor": "doctor",
    "audit": "audit",
    "explain": "explain",
    "lint": "lint",
    "alert-test": "trial_alert",
    "export": "export",
}
"""The module of each command. A module is imported when its command is asked for: the front must not load what others
need to read and judge a host."""
_REPORT_TO = "https://github.com/bulkhead-exporter/bulkhead/issues"
_LIBRARIES = ("prometheus-client", "podman", "pydbus", "PyGObject", "msgspec", "requests", "pyzfs", "PyYAML", "bcrypt")
_PACKAGE_OF_MODULE = {
    "bcrypt": "python3-bcrypt",
    "gi": "python3-gi",
    "msgspec": "python3-msgspec",
    "podman": "python3-podman",
    "prometheus_client": "python3-prometheus-client",
    "pydbus": "python3-pydbus",
    "requests": "python3-requests",
    "yaml": "python3-yaml",
}

_ABOUT = """\
Watches the walls between hardened podman containers: memory against limits, OOM kills,
restart loops, ZFS quotas, and whether every hardening practice is in force.
"""

_EXAMPLES = """\
examples:
  bulkhead doctor             what can be read on this host, and what to install or grant
  bulkhead audit              which walls stand, container by container, and how to mend those that do not
  bulkhead lint DIRECTORY     which walls these quadlets would have, before they are deployed
  bulkhead alert-test         whether each configured Alertmanager takes this host's alerts
  bulkhead export DIRECTORY   rules, runbooks, dashboards and sample configuration, as files
  bulkhead serve              serve this host at http://localhost:9946/
  bulkhead serve --example    serve a recorded host that moves: needs neither podman nor root

"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem))
        return MISUSED
    except SourceError as error:
        complain(str(error))
    except ModuleNotFoundError as error:
        complain(_missing_library(error))
    except BrokenPipeError:  # `bulkhead doctor | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user gets a sentence, not a traceback
        complain(
            f"unexpected {type(error).__name__}: {error}; please report this, "
            f"with what BULKHEAD_DEBUG=1 bulkhead {' '.join(arguments)} prints, at {_REPORT_TO}"
        )
        if os.environ.get("BULKHEAD_DEBUG") == "1":
            traceback.print_exc()
    return FAILED


def _run(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="bulkhead",
        description=_ABOUT,
        epilog=_EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="say the versions of Bulkhead, Python and the libraries")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    asked = argv[:1] if argv and argv[0] in _COMMANDS else _COMMANDS
    for name in asked:
        importlib.import_module(f"exporter.cli.{_COMMANDS[name]}").add_to(commands)

    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        commands.choices.get(arguments.command, parser).refuse(unknown)
    if arguments.version:
        print(versions())
        return OK
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return MISUSED
    exit_code: int = arguments.run(arguments)
    return exit_code


def _missing_library(error: ModuleNotFoundError) -> str:
    module = (error.name or "").partition(".")[0]
    package = _PACKAGE_OF_MODULE.get(module)
    how = f"apt install {package}, or " if package else ""
    return f"the Python library {module} is not installed: {how}pip install bulkhead-exporter brings what pip can"


def versions() -> str:
    """Bulkhead's own version, Python's, and those of the libraries that its answers depend on."""
    lines = [f"bulkhead {__version__}", f"python {platform.python_version()}"]
    for library in _LIBRARIES:
        try:
            lines.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{library} not installed")
    return "\n".join(lines)
