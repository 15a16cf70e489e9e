"""What a client takes: Accept and Accept-Encoding with their q-values. RFC 9110, 12.5.

Accept of Prometheus 3:

    application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,
    application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_OPENMETRICS_VERSIONS = frozenset({"", "0.0.1", "1.0.0"})
_TEXT_VERSIONS = frozenset({"", "0.0.4"})


@dataclass(frozen=True, slots=True)
class _Offer:
    name: str
    version: str
    weight: float


def accepts_openmetrics(accept: str | None) -> bool:
    """Whether OpenMetrics 1.0 is asked for by name, and no less than the classic text format."""
    openmetrics = text = 0.0
    for offer in _offers(accept):
        match offer.name:
            case "application/openmetrics-text" if offer.version in _OPENMETRICS_VERSIONS:
                openmetrics = max(openmetrics, offer.weight)
            case "text/plain" | "text/*" | "*/*" if offer.version in _TEXT_VERSIONS:
                text = max(text, offer.weight)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is taken, and no less than the plain body."""
    weights = {offer.name: offer.weight for offer in _offers(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _offers(header: str | None) -> Iterator[_Offer]:
    for part in (header or "").split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name:
            pairs = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
            weight = pairs.get("q", "1")
            yield _Offer(name, pairs.get("version", ""), float(weight) if _WEIGHT.fullmatch(weight) else 0.0)
