"""What a PromQL expression asks for, found by its shape: enough to compare it with the names that are served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from exporter.present.metrics.catalogue import FAMILIES

# Prometheus itself makes these for every target.
OF_PROMETHEUS = {"up", "scrape_duration_seconds"}
OF_TARGET = {"instance", "job"}
SERVED = {family.name: set(family.labels) for family in FAMILIES}

RULE_FILES = sorted((Path(__file__).parents[1] / "alerts" / "rules").glob("*.yml"))
# What recording rules make: the name tells whose it is, its labels are those of what it is made of.
RECORDED = {name for file in RULE_FILES for name in re.findall(r"^ +- record: (\S+)$", file.read_text(), re.MULTILINE)}

_RECORDED = re.compile(r"\b\w+:\w+:\w+")
_SELECTOR = re.compile(r"\b(bulkhead_\w+|up|scrape_\w+)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_LABEL_LIST = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def unknown_names(expr: str) -> Iterator[str]:
    """Every metric and label in the expression that no page has, in words."""
    without_strings = re.sub(r'"[^"]*"', '""', expr)
    for name in _RECORDED.findall(without_strings):
        if name not in RECORDED:
            yield f"recorded {name}"
    without_strings = _RECORDED.sub("", without_strings)
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
