from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.present.page import EXAMPLE_BANNER, landing_page
from exporter.present.style import CONTENT_SECURITY_POLICY, STYLE
from exporter.report.container import ContainerReport, MemoryJudgement
from exporter.report.host import Report
from tests.present.agents import NOW_SECONDS
from tests.present.checks import CAPABILITIES
from tests.present.reports import FAILING, container, counts, rich_report

_VOID = frozenset({"meta", "rect", "path", "br"})


class _Outline(HTMLParser):
    """The tags, attributes and words of a page; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_is_whole_and_takes_nothing_from_elsewhere() -> None:
    outline = _Outline(landing_page(rich_report()))
    assert {"script", "link", "img", "iframe", "form", "base", "object"}.isdisjoint(outline.tags)
    assert {value for name, value in outline.attributes if name == "href"} == {"/metrics", "/-/healthy", "/-/ready"}
    assert not [name for name, _ in outline.attributes if name in {"src", "style"} or name.startswith("on")]
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_the_policy_lets_nothing_in_but_the_style_sheet() -> None:
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert f"<style>{STYLE}</style>" in landing_page(rich_report())


def test_the_example_is_told_in_a_banner_and_in_the_title() -> None:
    example = _Outline(landing_page(rich_report(is_example=True))).text
    assert EXAMPLE_BANNER in example
    assert example.startswith("Example: lab.example.org")
    assert EXAMPLE_BANNER not in landing_page(rich_report())


def killed(name: str, seconds_ago: float) -> ContainerReport:
    told = counts(name, oom_kills=2, last_oom_kill_seconds=NOW_SECONDS - seconds_ago)
    return container(name, oom_kills=2, counts=told, findings=(), datasets=())


@pytest.mark.parametrize(
    ("seconds_ago", "words"),
    [(-5, "2 0 s ago"), (59, "2 59 s ago"), (600, "2 10 min ago"), (7200, "2 2 h ago"), (864_000, "2 10 d ago")],
)
def test_the_last_kill_is_told_by_its_age(seconds_ago: float, words: str) -> None:
    page = landing_page(rich_report(containers=(killed("web", seconds_ago),)))
    assert words in _Outline(page).text


def test_a_failed_check_tells_its_reason_and_its_fix() -> None:
    text = _Outline(landing_page(rich_report())).text
    assert "2 of 2 fail 1 unknown" in text
    assert CAPABILITIES.title in text
    assert "capabilities in force : pid 811 (httpd): CAP_CHOWN, CAP_NET_RAW" in text.replace("force:", "force :")
    assert "DropCapability=all" in text
    assert "--cap-drop all" in text


def test_a_check_that_could_not_be_judged_is_named_after_the_failures_with_why() -> None:
    page = landing_page(rich_report())
    text = _Outline(page).text
    assert "critical checks unknown" in text
    assert text.index("Failed checks and their fixes: 1 critical, 1 warning") < text.index("Not judged: 1 critical")
    assert "label not readable : /proc/811/attr/current: permission denied" in text.replace("readable:", "readable :")
    assert '<span class="badge warning">critical, unknown</span>' in page


def test_a_container_of_which_nothing_fails_and_something_is_unknown_says_what() -> None:
    report = rich_report(containers=(container("web", findings=FAILING[2:3]),))
    text = _Outline(landing_page(report)).text
    assert "Not judged: 1 critical" in text.partition("The host")[0]
    assert "Failed checks" not in text.partition("The host")[0]


def test_a_check_that_is_not_in_the_catalogue_is_named_by_its_id() -> None:
    report = rich_report(containers=(container(findings=FAILING),), checks=())
    assert "all_capabilities_dropped" in _Outline(landing_page(report)).text


def test_a_quadlet_without_a_unit_is_named_with_its_line_and_why() -> None:
    text = _Outline(landing_page(rich_report())).text
    assert "no unit /etc/containers/systemd/job.container:4 neither Image= nor Rootfs= is there." in text
    assert "no unit /etc/containers/systemd/<late>.container quadlet made no unit of it." in text
    assert "no unit" not in landing_page(rich_report(unmade_quadlets=()))


def test_a_failing_source_says_why() -> None:
    text = _Outline(landing_page(rich_report())).text
    assert "failing 310.0 s 5.0 s 7, 1 lost D-Bus at /run/dbus/system_bus_socket did not answer" in text
    assert "not on this host" in text


def test_before_the_first_reading_the_page_says_so() -> None:
    text = _Outline(landing_page(Report(NOW_SECONDS, (), ()))).text
    assert "No container is known yet" in text


def tiles_of(report: Report) -> dict[str, str]:
    page = landing_page(report)
    tiles = _Outline(page[page.index('<dl class="tiles">') : page.index("</dl>") + len("</dl>")])
    assert tiles.tags.count("dt") == tiles.tags.count("dd")
    return dict(zip(tiles.words[::2], tiles.words[1::2], strict=True))


NOT_KNOWN = "\N{EN DASH}"
UNREAD = container(
    "dark", state="", oom_kills=None, restarts=None, memory=MemoryJudgement(), datasets=(), findings=FAILING[2:3]
)


@pytest.mark.parametrize("containers", [(), (UNREAD,), (UNREAD, replace(UNREAD, findings=()))])
def test_what_is_known_of_no_container_is_no_zero_in_a_tile(containers: tuple[ContainerReport, ...]) -> None:
    tiles = tiles_of(rich_report(containers=containers, collectors=()))
    assert tiles.pop("sources failing") == "0"
    assert tiles.pop("critical checks unknown") == ("1" if containers else NOT_KNOWN)  # so much is known of the dark
    assert set(tiles.values()) == {NOT_KNOWN}


def test_a_tile_counts_the_containers_of_which_something_is_known() -> None:
    killed_twice = container(oom_kills=2, restarts=1, findings=FAILING)
    tiles = tiles_of(rich_report(containers=(UNREAD, killed_twice, container("calm"))))
    assert tiles["containers running"] == "2 of 3"
    assert tiles["OOM kills"] == "2"
    assert tiles["automatic restarts"] == "1"
    assert tiles["critical checks failing"] == "1"


def test_nothing_that_went_wrong_is_a_zero_in_each_tile() -> None:
    tiles = tiles_of(rich_report(containers=(container(),), datasets=(), collectors=()))
    assert tiles.pop("containers running") == "1 of 1"
    assert set(tiles.values()) == {"0"}


def test_what_is_left_out_is_told() -> None:
    assert "12 more containers" in _Outline(landing_page(rich_report(dropped_containers=12))).text


def test_a_ratio_beyond_one_keeps_the_bar_in_its_frame() -> None:
    over = rich_report(containers=(container(memory=MemoryJudgement(ratio=1.7, limit_bytes=1)),), datasets=())
    page = landing_page(over)
    assert 'class="fill" width="100.0"' in page
    assert "170%" in page


@given(st.text())
def test_whatever_a_container_says_stays_text(text: str) -> None:
    hostile = f"<script>{text}</script><b onclick='x'>\"&"
    one = container("x")
    assert one.container is not None
    findings = tuple(
        replace(finding, outcome=replace(finding.outcome, reason=hostile, detail=hostile)) for finding in FAILING
    )
    named = replace(one, name=hostile, container=replace(one.container, image=hostile, health=hostile))
    page = landing_page(rich_report(containers=(replace(named, findings=findings, state=hostile),)))
    outline = _Outline(page)
    assert {"script", "b"}.isdisjoint(outline.tags)
    assert "onclick" not in {name for name, _ in outline.attributes}
    page.encode("utf-8")


def test_a_container_that_starts_is_shown_as_starting_and_not_as_unknown() -> None:
    page = landing_page(rich_report(containers=(container("web", findings=(), is_starting=True),)))
    assert '<span class="badge">starting</span>' in page
