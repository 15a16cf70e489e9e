from __future__ import annotations

import pytest

from exporter.present.metrics.catalogue import FAMILIES
from exporter.present.reference import BEGIN, END, metric_reference, with_reference


def test_the_reference_has_one_row_a_family() -> None:
    reference = metric_reference()
    for family in FAMILIES:
        assert reference.count(f"| `{family.name}` |") == 1
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert all(row.replace(r"\|", "").count("|") == 6 for row in rows)


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    document = with_reference(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert document.startswith(f"before\n{BEGIN}\n### ")
    assert document.endswith(f"\n{END}\nafter\n")
    assert "old" not in document.splitlines()
    assert with_reference(document) == document


@pytest.mark.parametrize("document", ["", BEGIN, f"{END}\n{BEGIN}"])
def test_a_document_without_its_markers_is_an_error(document: str) -> None:
    with pytest.raises(ValueError, match="metrics:begin"):
        with_reference(document)
