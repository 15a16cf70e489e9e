from __future__ import annotations

import re
from collections import Counter

from exporter.present.metrics.catalogue import FAMILIES
from exporter.present.metrics.family import Kind
from exporter.present.metrics.guard import kind_of
from tests.present.reports import rich_report

_NAME = re.compile(r"bulkhead_[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
# What every client library of Prometheus says of its process, and dashboards look for under these names.
_OF_A_PROCESS = {
    *("process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes"),
    *("process_start_time_seconds", "process_open_fds", "process_max_fds"),
}
_LABEL = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
# The encoders append these to a histogram's name, or OpenMetrics keeps them for itself.
_RESERVED_ENDINGS = ("_bucket", "_sum", "_count", "_created")
_FOREIGN_UNITS = re.compile(r"_(?:ms|milliseconds|minutes|hours|kb|mb|gb|kib|mib|percent|percentage)(?:_|$)")


def test_every_name_is_there_once() -> None:
    assert [name for name, count in Counter(family.name for family in FAMILIES).items() if count > 1] == []


def test_a_counter_shares_its_bare_name_with_a_gauge_only_where_the_contract_wants_it() -> None:
    bare = Counter(family.name.removesuffix("_total") for family in FAMILIES)
    assert [name for name, count in bare.items() if count > 1] == ["bulkhead_zfs_dataset_written_bytes"]


def test_the_agents_own_process_has_the_standard_names() -> None:
    assert {family.name for family in FAMILIES if not family.name.startswith("bulkhead_")} == _OF_A_PROCESS


def test_a_name_is_lower_case_words_after_bulkhead() -> None:
    names = [family.name for family in FAMILIES if family.name not in _OF_A_PROCESS]
    assert [name for name in names if not _NAME.fullmatch(name)] == []
    assert [name for name in names if name.endswith(_RESERVED_ENDINGS)] == []
    assert [name for name in names if _FOREIGN_UNITS.search(name)] == []


def test_a_counter_ends_in_total_and_nothing_else_does() -> None:
    assert [one.name for one in FAMILIES if one.name.endswith("_total") != (one.kind is Kind.COUNTER)] == []


def test_labels_are_lower_case_words_each_there_once() -> None:
    for family in FAMILIES:
        assert all(_LABEL.fullmatch(label) for label in family.labels), family.name
        assert len(set(family.labels)) == len(family.labels), family.name
        assert not {"le", "quantile", "job", "instance"} & set(family.labels), family.name


def test_only_info_series_carry_ids() -> None:
    ids = {"id", "image", "image_id"}
    assert [one.name for one in FAMILIES if ids & set(one.labels) and not one.name.endswith("_info")] == []


def test_a_metric_of_a_container_or_dataset_has_its_label_first() -> None:
    for subject, start in (("container", "bulkhead_container_"), ("dataset", "bulkhead_zfs_dataset_")):
        wrong = [one.name for one in FAMILIES if (one.labels[:1] == (subject,)) != one.name.startswith(start)]
        assert wrong == []


def test_only_details_have_a_label_with_any_number_of_values_a_container() -> None:
    closed = {"state", "mode", "level", "event", "limit", "reason", "resource", "source", "kind", "check", "severity"}
    of_one = {"bulkhead_container_info", "bulkhead_container_selinux_info"}
    for family in FAMILIES:
        if kind_of(family) == "container" and family.name not in of_one:
            new = set(family.labels[1:]) - closed
            assert not new, f"{family.name}: add {new} to OPEN_LABELS of present/metrics/guard.py, or to the list here"


def test_a_help_is_a_sentence_on_one_line() -> None:
    sentence = re.compile(r"[A-Z0-9](?:(?!  )[^\n])*\.")
    assert [one.name for one in FAMILIES if not sentence.fullmatch(one.help)] == []


def test_the_cardinality_is_told() -> None:
    assert [one.name for one in FAMILIES if not re.match(r"(?:up to )?\d+", one.cardinality)] == []


def test_every_sample_of_the_rich_host_has_a_value_for_each_label() -> None:
    report = rich_report(is_example=True)
    for family in FAMILIES:
        samples = tuple(family.samples(report))
        assert samples, f"the rich host has nothing to show for {family.name}"
        for sample in samples:
            names = (*family.labels, "le") if sample.suffix == "_bucket" else family.labels
            assert len(sample.labels) == len(names), family.name
            assert all(isinstance(value, str) for value in sample.labels), family.name
        assert len({(sample.suffix, sample.labels) for sample in samples}) == len(samples), family.name
