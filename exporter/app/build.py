"""Which program this is, and how much of a host it shows: facts for the report that no source has."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace

from exporter import __version__
from exporter.assess.assessment import Build
from exporter.config import Config


def build_of(
    config: Config, is_web_exposed: Callable[[], bool | None] = lambda: None, *, is_example: bool = False
) -> Callable[[], Build]:
    """This program, and how much of a host it shows: as it is at each call, for a reload can change who reads it."""
    at_start = Build(
        product_version=__version__,
        python_version=platform.python_version(),
        is_example=is_example,
        max_containers=config.series.max_containers,
    )
    return lambda: replace(at_start, is_web_exposed=is_web_exposed())
