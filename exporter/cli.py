"""The command line: bulkhead serve, bulkhead doctor. Puts the parts together and turns errors into sentences."""

from __future__ import annotations

import argparse
import difflib
import importlib.metadata
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from exporter import __version__, logs, service
from exporter.config import Config, ConfigError, load
from exporter.facts.reading import SourceError

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

_REPORT_TO = "https://github.com/bulkhead-exporter/bulkhead/issues"
_LIBRARIES = ("prometheus-client", "podman", "pydbus", "PyGObject", "msgspec", "requests", "pyzfs")
_PACKAGE_OF_MODULE = {
    "gi": "python3-gi",
    "msgspec": "python3-msgspec",
    "podman": "python3-podman",
    "prometheus_client": "python3-prometheus-client",
    "pydbus": "python3-pydbus",
    "requests": "python3-requests",
}

_EXIT_CODES = """\
exit codes:
  0  ended as asked (serve: by SIGTERM, SIGINT or Ctrl-C)
  1  could not do it; one sentence on stderr says why and what to do
  2  wrong usage or configuration; nothing was started

Unexpected errors are one line too; BULKHEAD_DEBUG=1 shows where they came from.
"""

_ABOUT = """\
Watches the walls between hardened podman containers: memory against limits, OOM kills,
restart loops, ZFS quotas, and whether every hardening practice is in force.
"""

_EXAMPLES = """\
examples:
  bulkhead doctor             what can be read on this host, and what to install or grant
  bulkhead serve              serve this host at http://localhost:9946/
  bulkhead serve --example    serve a recorded host that moves: needs neither podman nor root

"""

_ABOUT_SERVE = """\
Serves /metrics for Prometheus, a page for people at /, /-/healthy and /-/ready.

Settings come from /etc/bulkhead/config.toml, if there is one; flags win over the file.
Run it as root: other accounts may read neither podman's socket nor /proc of containers.
What cannot be read is left out and told by its own series; the rest is served.
SIGTERM and SIGINT end it; SIGHUP does not (except from a closing terminal): the
configuration is read at the start only.
"""

_EXAMPLES_SERVE = """\
examples:
  bulkhead serve --listen 127.0.0.1:9946
        for this host alone, as behind a reverse proxy
  bulkhead serve --podman-socket /run/podman/podman.sock \\
                 --podman-socket alice=/run/user/1000/podman/podman.sock
        root's containers and those of alice
  bulkhead serve --config ./bulkhead.toml
        try a configuration

"""

_ABOUT_DOCTOR = """\
Asks every source once, as `bulkhead serve` would, and says of each:

  ok        it was read, and what was found
  not here  this host has no such thing: nothing to do
  cannot    it is here and cannot be read: what to install or grant
"""

_EXAMPLES_DOCTOR = """\
examples:
  sudo bulkhead doctor
  bulkhead doctor --format json | jq '.findings[] | select(.state == "cannot")'

exit codes:
  0  all that is here can be read
  1  something that is here cannot be read
  2  wrong usage or configuration
"""


class _Parser(argparse.ArgumentParser):
    """Says a wrong usage in one sentence, with the word that was perhaps meant."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSED, f"{self.prog}: {message}{_meant(message)}; see {self.prog} --help\n")


def _meant(message: str) -> str:
    _, found, word = message.partition("unrecognized arguments: ")
    known = ("--config", "--listen", "--state-dir", "--podman-socket", "--example", "--auto-example", "--format")
    near = difflib.get_close_matches(word.split("=")[0].split(" ")[0], known, n=1) if found else []
    return f" (did you mean {near[0]}?)" if near else ""


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="bulkhead", description=_ABOUT, epilog=_EXAMPLES + _EXIT_CODES, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="store_true", help="say the versions of Bulkhead, Python and the libraries")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    serve = commands.add_parser(
        "serve",
        help="read this host and serve its metrics",
        description=_ABOUT_SERVE,
        epilog=_EXAMPLES_SERVE + _EXIT_CODES,
        formatter_class=raw,
        allow_abbrev=False,
    )
    _add_settings(serve)
    example = serve.add_mutually_exclusive_group()
    example.add_argument("--example", action="store_true", help="serve the embedded example host, not this one")
    example.add_argument(
        "--auto-example",
        action="store_true",
        help="serve the example host if this one has no podman socket and no running container",
    )

    doctor = commands.add_parser(
        "doctor",
        help="say what can be read here, and what to install or grant",
        description=_ABOUT_DOCTOR,
        epilog=_EXAMPLES_DOCTOR,
        formatter_class=raw,
        allow_abbrev=False,
    )
    _add_settings(doctor)
    doctor.add_argument("--format", choices=("text", "json"), default="text", help="text (default) or json")
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/bulkhead/config.toml, if it exists")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where to serve; default :9946, every address")
    parser.add_argument("--state-dir", metavar="DIR", help="where durable counts are kept; default /var/lib/bulkhead")
    parser.add_argument(
        "--podman-socket",
        action="append",
        metavar="[USER=]PATH",
        help="a podman service to ask, unix://PATH or PATH; USER= for a rootless user's; "
        "may be repeated; default /run/podman/podman.sock",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except ConfigError as error:
        for problem in error.problems:
            _complain(str(problem))
        return MISUSED
    except SourceError as error:
        _complain(str(error))
    except ModuleNotFoundError as error:
        _complain(_missing_library(error))
    except BrokenPipeError:  # `bulkhead doctor | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user gets a sentence, not a traceback
        _complain(
            f"unexpected {type(error).__name__}: {error}; please report this, "
            f"with what BULKHEAD_DEBUG=1 bulkhead {' '.join(arguments)} prints, at {_REPORT_TO}"
        )
        if os.environ.get("BULKHEAD_DEBUG") == "1":
            traceback.print_exc()
    return FAILED


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        print(versions())
        return OK
    match arguments.command:
        case "serve":
            return _serve(arguments, _settings(arguments))
        case "doctor":
            return _doctor(_settings(arguments), as_json=arguments.format == "json")
    parser.print_help(sys.stderr)
    return MISUSED


def _serve(arguments: argparse.Namespace, config: Config) -> int:
    # Only what reads a host needs its libraries: --help and --version work without them.
    from exporter.doctor import has_containers  # noqa: PLC0415 - see above
    from exporter.host_sources import build_agent, build_example_agent, build_sources  # noqa: PLC0415 - see above
    from exporter.serve import ServeError, Server  # noqa: PLC0415 - see above

    logs.start(config.log.level)
    example = arguments.example
    if arguments.auto_example and not has_containers(build_sources(config), config):
        _tell_example(config)
        example = True
    agent = build_example_agent(config) if example else build_agent(config)
    try:
        server = Server(config.listen, agent.report, agent.ready, max_series=config.series.max_series)
    except ServeError as error:
        _complain(str(error))
        return FAILED
    service.raise_open_files_limit()
    if not example:
        service.tell_what_root_would_add()
    ended_as_asked = service.run(agent, server, "the example host" if example else "this host")
    return OK if ended_as_asked else FAILED


def _tell_example(config: Config) -> None:
    sockets = ", ".join(socket.url.removeprefix("unix://") for socket in config.podman_sockets)
    print(
        f"There is no podman socket here ({sockets or 'none is configured'}) and no running container:\n"
        "this serves the embedded example host, a recording. To watch this host instead, install podman,\n"
        "enable its socket (systemctl enable --now podman.socket) and run this again.",
        file=sys.stderr,
    )


def _doctor(config: Config, *, as_json: bool) -> int:
    from exporter.doctor import State, as_document, as_line, examine, opening  # noqa: PLC0415 - as in _serve
    from exporter.host_sources import build_sources  # noqa: PLC0415 - as in _serve

    logs.start("error")
    service.raise_open_files_limit()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    findings = []
    if not as_json:
        print(opening(config), flush=True)
    for finding in examine(build_sources(config), config):
        findings.append(finding)
        if not as_json:
            print(as_line(finding, colours=_wants_colours()), flush=True)
    if as_json:
        print(as_document(findings, config))
    return FAILED if any(finding.state is State.CANNOT for finding in findings) else OK


def _wants_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _settings(arguments: argparse.Namespace) -> Config:
    flags = {
        "listen": arguments.listen,
        "state_dir": arguments.state_dir,
        "podman_sockets": arguments.podman_socket,
    }
    return load(arguments.config, flags)


def _complain(sentence: str) -> None:
    print(f"bulkhead: {sentence}", file=sys.stderr)


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
