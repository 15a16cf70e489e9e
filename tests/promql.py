"""What a PromQL expression asks for, found by its shape: enough to compare it with the names that are served."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exporter.present.metrics.catalogue import FAMILIES

# Prometheus itself makes these for every target.
OF_PROMETHEUS = {"up", "scrape_duration_seconds"}
OF_TARGET = {"instance", "job"}
SERVED = {family.name: set(family.labels) for family in FAMILIES}

_SELECTOR = re.compile(r"\b(bulkhead_\w+|up|scrape_\w+)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_LABEL_LIST = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def unknown_names(expr: str) -> Iterator[str]:
    """Every metric and label in the expression that no page has, in words."""
    without_strings = re.sub(r'"[^"]*"', '""', expr)
    for name, matchers in _SELECTOR.findall(without_strings):
        if name not in SERVED and name not in OF_PROMETHEUS:
            yield f"metric {name}"
        for label in _MATCHER.findall(matchers):
            if label not in SERVED.get(name, set()) | OF_TARGET:
                yield f"label {label} of {name}"
    every_label = OF_TARGET.union(*SERVED.values())
    for labels in _LABEL_LIST.findall(without_strings):
        for label in re.findall(r"\w+", labels):
            if label not in every_label:
                yield f"label {label}"
