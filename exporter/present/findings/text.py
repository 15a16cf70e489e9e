"""Text for a terminal: colours that can be left out, and paragraphs that hang below their heading."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.present.untrusted import printable
from exporter.report.findings import Finding, Severity, last_day

_NARROWEST = 40
# SGR parameters, console_codes(4).
BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA = "1", "2", "31", "32", "33", "34", "35"
COLOURS = {Severity.CRITICAL: RED, Severity.WARNING: YELLOW, Severity.INFO: BLUE}


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on: how wide it is, and whether it shows colours."""

    width: int = 100
    colours: bool = False

    def ink(self, text: str, *parameters: str) -> str:
        """The text in these colours."""
        return f"\033[{';'.join(parameters)}m{text}\033[0m" if self.colours and text else text

    def lines(self, text: str, indent: int = 0, first: str = "", colour: str = "") -> Iterator[str]:
        """The text, made safe and wrapped, hanging at the indent; `first` stands before its first line, in colour."""
        width = max(_NARROWEST, self.width) - indent
        lead = f"{self.ink(first, colour) if colour else first}{' ' * (indent - len(first))}"
        # A word is never broken: a query, an id or a path is there to be copied.
        wrapped = textwrap.wrap(printable(text), width, break_on_hyphens=False, break_long_words=False)
        for line in wrapped or [""]:
            yield f"{lead}{line}".rstrip()
            lead = " " * indent


def count(number: int, one: str, many: str = "") -> str:
    """The number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def waiver_in_words(finding: Finding) -> str:
    """Until when its failure is accepted, and why."""
    ends_at_seconds = finding.waiver_ends_at_seconds
    return f"{'for ever' if ends_at_seconds is None else f'until {last_day(ends_at_seconds)}'}: {finding.waiver}"
