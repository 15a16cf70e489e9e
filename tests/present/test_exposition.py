from __future__ import annotations

import functools
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.present.metrics.catalogue import FAMILIES
from exporter.present.metrics.exposition import DeclarationError, Exposition, render
from exporter.present.metrics.family import Family, Kind, Sample
from exporter.present.metrics.guard import Bounds, kind_of
from exporter.present.metrics.itself import SERIES_DROPPED
from exporter.report.container import ContainerReport, MemoryJudgement
from exporter.report.host import Report
from tests.present.agents import NOW_SECONDS
from tests.present.pages import OPENMETRICS, Samples, parsed, samples, states, value
from tests.present.reports import container, crowd, dataset, rich_report


def test_both_formats_carry_the_same_samples() -> None:
    text, text_type = render(rich_report(), None)
    openmetrics, openmetrics_type = render(rich_report(), OPENMETRICS)
    assert text_type == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert openmetrics.endswith(b"# EOF\n")
    assert parsed(text) == parsed(openmetrics)


def test_a_counter_named_as_a_gauge_keeps_its_name_in_openmetrics() -> None:
    page = render(rich_report(), OPENMETRICS)[0].decode()
    assert page.count("# TYPE bulkhead_zfs_dataset_written_bytes ") == 1
    assert "# TYPE bulkhead_zfs_dataset_written_bytes_total unknown\n" in page
    assert "# TYPE bulkhead_zfs_dataset_written_bytes_total counter\n" in render(rich_report(), None)[0].decode()


@pytest.mark.parametrize(
    "report", [rich_report(), rich_report(is_example=True), crowd(3)], ids=["rich", "example", "3"]
)
def test_promtool_finds_nothing(report: Report) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed: it comes with Debian's package prometheus"
    found = subprocess.run(
        [promtool, "check", "metrics"], input=render(report, None)[0], capture_output=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_only_the_example_says_that_it_is_one() -> None:
    assert value(samples(rich_report()), "example_host") is None
    assert value(samples(rich_report(is_example=True)), "example_host") == 1


def test_whether_the_pages_are_exposed_is_absent_where_nothing_is_served() -> None:
    found = [value(samples(rich_report(is_web_exposed=exposed)), "web_exposed") for exposed in (True, False, None)]
    assert found == [1, 0, None]


def test_a_family_without_samples_is_left_out() -> None:
    assert b"bulkhead_zfs_" not in render(rich_report(datasets=(), dataset_io=(), pools=()), None)[0]


@given(st.text(), st.text())
def test_any_label_value_makes_a_page_that_parses(name: str, slice_name: str) -> None:
    report = Report(NOW_SECONDS, (ContainerReport(name, "running", slice=slice_name, restarts=1),), ())
    for accept in (None, OPENMETRICS):
        page, _ = render(report, accept)
        assert parsed(page)


@pytest.mark.parametrize("name", ['quote"', "new\nline", "back\\slash", "tab\t", "sömmer", "本番", "\N{ROCKET}"])
def test_a_strange_name_is_escaped_and_comes_back_as_it_was(name: str) -> None:
    for accept in (None, OPENMETRICS):
        page = parsed(render(rich_report(containers=(container(name),)), accept)[0])
        assert value(page, "container_oom_kills_total", container=name) == 0


def test_undecodable_bytes_and_control_characters_are_replaced() -> None:
    page = samples(rich_report(containers=(container("a\udcffb\x00c\rd"),)))
    assert value(page, "container_oom_kills_total", container="a\ufffdb\ufffdc\ufffdd") == 0


def test_a_long_name_is_cut_and_two_that_begin_alike_stay_two() -> None:
    names = ("x" * 300 + "1", "x" * 300 + "2")
    page = samples(rich_report(containers=tuple(container(name) for name in names), gone=()))
    shown = {dict(labels)["container"] for name, labels in page if name == "bulkhead_container_oom_kills_total"}
    assert len(shown) == 2
    assert all(len(name) == 253 and "…" in name for name in shown)


def test_a_series_that_is_there_twice_is_served_once_and_counted() -> None:
    page = samples(rich_report(containers=(container(), container(oom_kills=7))))
    assert value(page, "container_oom_kills_total", container="objects02") == 0
    assert states(page, "series_dropped_total", "reason")["duplicate"] > 0


def _family(kind: Kind = Kind.GAUGE, *made: Sample) -> Family:
    return Family("bulkhead_x_total" if kind is Kind.COUNTER else "bulkhead_x", "X.", kind, ("a",), "1", lambda _: made)


@pytest.mark.parametrize(
    "family",
    [
        _family(Kind.GAUGE, Sample((), 1)),
        _family(Kind.GAUGE, Sample(("a", "b"), 1)),
        _family(Kind.GAUGE, Sample((None,), 1)),  # type: ignore[arg-type]
        _family(Kind.GAUGE, Sample(("a",), None)),  # type: ignore[arg-type]
        _family(Kind.GAUGE, Sample(("a",), 1, "_sum")),
        _family(Kind.COUNTER, Sample((), 1)),
        _family(Kind.HISTOGRAM, Sample(("a",), 1)),
        _family(Kind.HISTOGRAM, Sample(("a",), 1, "_bucket")),
    ],
)
def test_samples_that_do_not_fit_their_row_are_a_programming_error(family: Family) -> None:
    with pytest.raises(DeclarationError, match="bulkhead_x"):
        Exposition(families=(family,)).render(rich_report(), None)


def _shown(page: Samples, label: str = "container") -> set[str]:
    name = "bulkhead_container_info" if label == "container" else "bulkhead_zfs_dataset_used_bytes"
    return {dict(labels)[label] for sample, labels in page if sample == name}


def _page(exposition: Exposition, report: Report) -> Samples:
    return parsed(exposition.render(report, None)[0])


def test_every_reason_for_a_dropped_series_is_there_from_the_start_at_zero() -> None:
    assert states(samples(rich_report()), "series_dropped_total", "reason") == {
        "container_too_large": 0,
        "too_many_containers": 0,
        "too_many_details": 0,
        "too_many_datasets": 0,
        "duplicate": 0,
    }


def _without_details(report: Report) -> Report:
    containers = tuple(replace(one, datasets=(), volumes=(), networks=(), interfaces=()) for one in report.containers)
    return replace(report, containers=containers, datasets=())


def test_beyond_the_bound_whole_containers_are_left_out_the_last_come_first() -> None:
    few = _without_details(crowd(5))
    per_container = len(samples(few)) - len(samples(_without_details(crowd(4))))
    bound = len(samples(few)) + per_container // 2
    exposition = Exposition(Bounds(max_series=bound))
    assert len(_shown(_page(exposition, few))) == 5

    newcomer = replace(few.containers[0], name="aaa-newcomer")
    crowded = replace(few, containers=(newcomer, *few.containers))
    page = _page(exposition, crowded)
    assert _shown(page) == {one.name for one in few.containers}
    first = states(page, "series_dropped_total", "reason")["too_many_containers"]
    assert first > 50
    assert len(page) <= bound
    again = states(_page(exposition, crowded), "series_dropped_total", "reason")["too_many_containers"]
    assert again == 2 * first, "the counter counts what each page left out"


def test_a_container_of_roots_that_comes_last_stays_and_one_of_a_users_is_left_out() -> None:
    few = _without_details(crowd(5))
    users = tuple(replace(one, name=f"alice/{one.name}") for one in few.containers)
    exposition = Exposition(Bounds(max_series=len(samples(few))))
    assert len(_shown(_page(exposition, replace(few, containers=users)))) == 5
    roots = replace(few.containers[0], name="web")
    shown = _shown(_page(exposition, replace(few, containers=(*users, roots))))
    assert "web" in shown
    assert len(shown) == 5


def test_datasets_give_way_to_containers_and_unmounted_ones_first() -> None:
    report = replace(crowd(3), datasets=(*(dataset(f"scratch/{n}") for n in range(50)), *crowd(3).datasets))
    whole = len(samples(report))
    page = _page(Exposition(Bounds(max_series=whole - 200)), report)
    assert len(_shown(page)) == 3
    assert {f"tank/containers/container000{n}" for n in range(3)} < _shown(page, "dataset")
    dropped = states(page, "series_dropped_total", "reason")
    assert dropped["too_many_datasets"] >= 200
    assert dropped["too_many_containers"] == 0


def with_mounts(name: str, count: int) -> ContainerReport:
    one = container(name)
    return replace(one, datasets=tuple(replace(one.datasets[0], destination=f"/{n}") for n in range(count)))


def test_a_container_with_too_many_series_loses_its_details_and_nothing_else() -> None:
    honest = rich_report(containers=(container(), container("large")))
    hiding = rich_report(containers=(container(), with_mounts("large", 99)))
    exposition = Exposition(Bounds(max_series_per_container=150))
    page = _page(exposition, hiding)
    details = {family.name for family in FAMILIES if kind_of(family) == "details"}
    lost = {series for series in samples(honest) if series not in page}
    assert {name for name, _ in lost} <= details
    assert lost
    assert all(dict(labels)["container"] == "large" for _, labels in lost)
    dropped = exposition.details_dropped["large"]
    assert dropped > 99
    assert value(page, "container_details_dropped", container="large") == dropped
    assert value(page, "container_details_dropped", container="objects02") == 0
    assert states(page, "series_dropped_total", "reason")["container_too_large"] == dropped


def test_on_a_full_page_the_details_of_the_largest_container_go_before_any_container() -> None:
    report = rich_report(containers=(with_mounts("hiding", 400), with_mounts("web", 2), with_mounts("alice/x", 3)))
    whole = len(samples(report))
    exposition = Exposition(Bounds(max_series=whole - 50))
    page = _page(exposition, report)
    assert len(page) <= whole - 50
    assert _shown(page) == {"hiding", "web", "alice/x"}
    assert exposition.details_dropped.keys() == {"hiding"}
    assert states(page, "series_dropped_total", "reason")["too_many_details"] > 400
    assert len(_shown(page, "dataset")) == len(_shown(samples(report), "dataset"))


def test_on_a_full_page_no_users_container_takes_the_place_of_roots() -> None:
    users = tuple(container(f"{user}/{n}") for user, many in (("alice", 20), ("bob", 2)) for n in range(many))
    exposition = Exposition(Bounds(max_series=1500))
    _page(exposition, rich_report(containers=users))
    page = _page(exposition, rich_report(containers=(*users, container("web"))))
    shown = _shown(page)
    assert {"web", "bob/0", "bob/1", "alice/0", "alice/1"} <= shown
    assert len(page) <= 1500
    assert "alice/19" not in shown


def test_a_thousand_containers_come_and_gone_leave_no_memory_and_no_series() -> None:
    exposition = Exposition()
    for number in range(1000):
        report = Report(NOW_SECONDS, (ContainerReport(f"short-lived-{number}", "running"),), ())
        page, _ = exposition.render(report, None)
    assert page.count(b"short-lived-") == page.count(b"short-lived-999") > 0
    assert len(exposition._arrival) == 1


REPORTS = (
    rich_report(),
    rich_report(is_example=True),
    rich_report(containers=(container(memory=MemoryJudgement(ratio=0.5)),)),
    rich_report(containers=(), datasets=()),
    crowd(3),
)


@functools.cache
def without_memory(number: int, accept: str | None) -> tuple[bytes, str]:
    return render(REPORTS[number], accept)


@given(st.lists(st.tuples(st.sampled_from(range(len(REPORTS))), st.sampled_from([None, OPENMETRICS])), max_size=8))
def test_a_page_with_memory_is_the_page_without(asked: list[tuple[int, str | None]]) -> None:
    exposition = Exposition()
    for number, accept in asked:
        assert exposition.render(REPORTS[number], accept) == without_memory(number, accept)


def test_what_has_not_changed_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []

    def encode(page: Any) -> bytes:
        encoded.extend(metric.name for metric in page.collect())
        return b""

    exposition = Exposition()
    exposition.render(REPORTS[0], None)
    monkeypatch.setattr("exporter.present.metrics.exposition.text_page", encode)
    exposition.render(REPORTS[0], None)
    assert encoded == []
    exposition.render(rich_report(containers=(replace(REPORTS[0].containers[0], oom_kills=77),)), None)
    assert "bulkhead_container_oom_kills" in encoded
    assert "bulkhead_build_info" not in encoded


def test_the_families_of_a_page_come_in_the_order_of_the_catalogue() -> None:
    page = render(rich_report(is_example=True), None)[0].decode()
    shown = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert shown == [family.name for family in FAMILIES]
    assert SERIES_DROPPED.name in shown
