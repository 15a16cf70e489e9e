"""bulkhead export: writes the rules, runbooks, dashboards and sample configuration that this version comes with.

An installed package carries them in its directory `shipped`; in a checkout they are where they are kept:

    alerts/rules/bulkhead-containers.yml
    alerts/runbooks/BulkheadOomKill.md
    dashboards/host.json
    dashboards/provisioning/dashboards/bulkhead.yml
    systemd/config.toml.example
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.cli.command import FAILED, OK, add_command, complain

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Writes what the agent does not need and its users do: Prometheus rules with runbooks and
their tests, sample configurations of Prometheus and Alertmanager, Grafana dashboards with
provisioning files, systemd units and a configuration with every setting. All are of this
version: the rules and dashboards ask for the series that it serves.

Each path that was written is a line on stdout.
"""

_EPILOG = """\
examples:
  bulkhead export ./bulkhead
  bulkhead export --force /usr/local/share/bulkhead
        once more, after an upgrade; files of yours beside them stay

exit codes:
  0  all files are written
  1  one could not be, or the directory is not empty and --force is not given
  2  wrong usage
"""

_PARTS = ("alerts", "dashboards", "systemd")
_NOT_FOR_USERS = {".py", ".png"}  # in a checkout: what builds the dashboards, and pictures of the README


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "export",
        run,
        summary="write rules, runbooks, dashboards and sample configuration",
        about=_ABOUT,
        epilog=_EPILOG,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to; it is made if it is not there")
    parser.add_argument(
        "--force", action="store_true", help="write into a directory that is not empty, over files of the same names"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write every file and say its path; the exit code."""
    directory: Path = arguments.directory
    with as_file(files("exporter") / "shipped") as packed:
        root = packed if packed.is_dir() else Path(str(files("exporter"))).parent
        shipped = list(_shipped(root))
        if not shipped:
            complain("this installation came without the files: install the package bulkhead-exporter as a wheel")
            return FAILED
        try:
            if not arguments.force and directory.is_dir() and any(directory.iterdir()):
                complain(f"{directory} is not empty; --force writes over files of the same names and leaves the others")
                return FAILED
        except OSError as error:
            complain(f"cannot read {directory}: {error.strerror}")
            return FAILED
        for done, file in enumerate(shipped):
            target = directory / file.relative_to(root)
            try:
                _write(target, file.read_bytes())
            except OSError as error:
                complain(f"cannot write {target}: {error.strerror}; {done} of {len(shipped)} files are written")
                return FAILED
            print(target)
    return OK


def _shipped(root: Path) -> Iterator[Path]:
    for part in _PARTS:
        for file in sorted((root / part).rglob("*")):
            if file.is_file() and file.suffix not in _NOT_FOR_USERS and "__pycache__" not in file.parts:
                yield file


def _write(target: Path, content: bytes) -> None:
    """The whole file or none of it: one that is there is replaced when the new one is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
