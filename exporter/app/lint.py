"""Composition of `bulkhead lint`: quadlet files, read as podman's generator reads them, and judged as declared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exporter.assess.quadlets import examine_quadlets
from exporter.report.examination import Examination
from exporter.sources.quadlet.files import read_quadlets

_MOST_SHOWN = 3


def linted(paths: Sequence[Path]) -> Examination:
    """The verdicts on every quadlet in these files and directories, with a problem for each that cannot be read."""
    files, problems = read_quadlets(list(paths))
    return examine_quadlets(files, problems, _title(paths))


def _title(paths: Sequence[Path]) -> str:
    names = [str(path) for path in paths[:_MOST_SHOWN]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
