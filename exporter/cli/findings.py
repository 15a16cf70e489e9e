"""What the commands that judge have in common: --format, --fail-on, how findings are printed, the exit code."""

from __future__ import annotations

import argparse
import shutil
import sys

from exporter import __version__
from exporter.assess.examination import has_verdict
from exporter.cli.command import FAILED, OK, Parser, wants_colours
from exporter.present.findings import document, junit, sarif, table
from exporter.present.findings.text import Paper
from exporter.report.examination import Examination
from exporter.report.findings import Severity, Verdict

UNJUDGED = 3

_NEVER = "never"
_FORMATS = ("table", "json", "sarif", "junit")
_WIDTH_OF_FILES = 100
_WIDEST = 120

EXIT_CODES = """\
exit codes:
  0  every check of the severity of --fail-on or a graver one was judged, and none fails
  1  one of them fails
  2  wrong usage or configuration; nothing was read
  3  none of them fails, but one of them could not be judged, or something that is here could
     not be read: no reason to fail was found, and none to trust it. Unknown is never a pass.

--fail-on never looks at no check: then 0, or 3 when something that is here could not be read.
"""


def add_flags(parser: Parser) -> None:
    """How findings are shown, and which of them set the exit code."""
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="table",
        help="table (default), for people; json; sarif (2.1.0), for code scanning; junit (XML), for CI",
    )
    parser.add_argument(
        "--fail-on",
        choices=(*(severity.value for severity in Severity), _NEVER),
        default=Severity.WARNING.value,
        help="the exit code is 1 if a check of this severity or a graver one fails; default warning",
    )


def show(examination: Examination, arguments: argparse.Namespace) -> int:
    """Print the findings as asked; the exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout.write(_written(examination, arguments.format))
    sys.stdout.flush()  # so that a reader that has seen enough is noticed here, not at the interpreter's end
    return exit_code(examination, None if arguments.fail_on == _NEVER else Severity(arguments.fail_on))


def exit_code(examination: Examination, fail_on: Severity | None) -> int:
    """What the findings mean to a script. None: no check's verdict matters."""
    if fail_on is not None and has_verdict(examination, Verdict.FAIL, fail_on):
        return FAILED
    unknown = fail_on is not None and has_verdict(examination, Verdict.UNKNOWN, fail_on)
    return UNJUDGED if unknown or examination.problems else OK


def paper() -> Paper:
    """Stdout as it is now."""
    width = shutil.get_terminal_size((_WIDTH_OF_FILES, 0)).columns
    return Paper(min(width, _WIDEST), wants_colours())


def _written(examination: Examination, form: str) -> str:
    match form:
        case "json":
            return document(examination, __version__)
        case "sarif":
            return sarif(examination, __version__)
        case "junit":
            return junit(examination)
        case _:
            return table(examination, paper())
