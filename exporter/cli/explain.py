"""bulkhead explain: what a check looks at, why, and how to mend what fails. Needs the standard library alone."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from exporter.assess.checks.check import ContainerCheck, HostCheck
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS
from exporter.cli.command import MISUSED, OK, add_command, complain, meant
from exporter.cli.findings import paper
from exporter.present.findings.text import BOLD, COLOURS, DIM, Paper, count
from exporter.report.findings import CheckInfo, Severity

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_INDENT = 12
_ALL: tuple[ContainerCheck | HostCheck, ...] = (*CHECKS, *HOST_CHECKS)

_ABOUT = """\
Tells what a check looks at (what was declared, and what is in force), why it matters, how to
mend what fails (in a quadlet and with podman, or on the host), what it refers to, and the
query that shows it in Prometheus. Without CHECK: every check there is, of containers and of
the host itself.
"""

_EPILOG = """\
examples:
  bulkhead explain
  bulkhead explain all_capabilities_dropped
  bulkhead explain kernel_lockdown

exit codes:
  0  told
  2  there is no such check
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "explain",
        run,
        summary="tell what a check is, why, and how to mend what fails",
        about=_ABOUT,
        epilog=_EPILOG,
    )
    parser.add_argument("check", nargs="?", metavar="CHECK", help="a check's id, as `bulkhead audit` shows it")


def run(arguments: argparse.Namespace) -> int:
    """Print one check, or all; the exit code."""
    catalogue = {check.id: check for check in _ALL}
    if arguments.check is None:
        lines = _everything(paper())
    elif arguments.check in catalogue:
        lines = _one(catalogue[arguments.check], paper())
    else:
        hint = meant(arguments.check, list(catalogue))
        complain(f"there is no check {arguments.check}{hint}; bulkhead explain lists all {len(catalogue)}")
        return MISUSED
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    return OK


def _everything(page: Paper) -> Iterator[str]:
    widest = max(len(check.id) for check in _ALL) + 4
    sections: tuple[tuple[str, Sequence[ContainerCheck | HostCheck]], ...] = (
        ("each container", CHECKS),
        ("the host itself", HOST_CHECKS),
    )
    for what, checks in sections:
        for severity in Severity:
            chosen = [check for check in checks if check.severity is severity]
            if chosen:
                heading = f"{severity}, of {what} ({count(len(chosen), 'check')})"
                yield page.ink(heading, BOLD, COLOURS[severity])
                for check in chosen:
                    yield from page.lines(check.title, widest, f"  {check.id}")
                yield ""
    yield page.ink("bulkhead explain CHECK tells more of one", DIM)


def _one(check: ContainerCheck | HostCheck, page: Paper) -> Iterator[str]:
    severity = page.ink(check.severity, COLOURS[check.severity])
    yield f"{page.ink(check.id, BOLD)} ({severity}): {check.title}"
    for heading, paragraphs in (
        ("what", _what(check)),
        ("why", (check.why,)),
        *_fixes(check.info),
        ("references", check.references),
        ("query", (f'{_metric(check.info)}{{check="{check.id}"}} == 0',)),
    ):
        first = heading
        for paragraph in paragraphs:
            yield from page.lines(paragraph, _INDENT, first, BOLD)
            first = ""


def _fixes(check: CheckInfo) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if check.is_of_host:
        return (("mend", (check.fix_host,)),)
    return ("quadlet", (check.fix_quadlet,)), ("podman", (check.fix_podman,))


def _metric(check: CheckInfo) -> str:
    return "bulkhead_host_hardening_check" if check.is_of_host else "bulkhead_container_hardening_check"


def _what(check: ContainerCheck | HostCheck) -> tuple[str, ...]:
    """The head of the check's own file: it says what is declared and what is in force. Nothing under python -OO."""
    module = inspect.getmodule(check.examine)
    told = (inspect.getdoc(module) or check.title).split("\n")
    paragraphs: list[str] = []
    for line in told:
        continues = paragraphs and line and paragraphs[-1] and not line.startswith(("Declared:", "In force:", " "))
        if continues:
            paragraphs[-1] += f" {line}"
        else:
            paragraphs.append(line)
    return tuple(paragraph for paragraph in paragraphs if paragraph)
