"""The reference of all metrics as Markdown, made from the tables that serve them."""

from __future__ import annotations

from exporter.present.metrics.catalogue import SECTIONS
from exporter.present.metrics.family import Family

BEGIN = "<!-- metrics:begin -->"
END = "<!-- metrics:end -->"


def metric_reference() -> str:
    """One table a section: name, type, labels, cardinality, meaning."""
    return "\n\n".join(f"### {title}\n\n{_table(families)}" for title, families in SECTIONS)


def with_reference(document: str) -> str:
    """The document with the reference between its two markers. Raises ValueError when they are not there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} followed by {END}")
    return f"{before}{BEGIN}\n{metric_reference()}\n{END}{after}"


def _table(families: tuple[Family, ...]) -> str:
    head = "| name | type | labels | series | meaning |\n|---|---|---|---|---|"
    return "\n".join((head, *(_row(family) for family in families)))


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    cells = (f"`{family.name}`", family.kind.value, labels, family.cardinality, family.help.replace("|", r"\|"))
    return f"| {' | '.join(cells)} |"
