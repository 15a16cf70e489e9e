from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboards.build import BOARDS, DIRECTORY, Board, path_of, rendered
from dashboards.terms import RUNBOOKS
from exporter.report.thresholds import Thresholds
from tests.dashboards.boards import BY_NAME, QUERIES, panels
from tests.promql import unknown_names

ALERTS = DIRECTORY.parent / "alerts"
PROVISIONING = DIRECTORY / "provisioning"
every_board = pytest.mark.parametrize("board", BY_NAME.values(), ids=list(BY_NAME))


@pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
def test_the_file_is_what_the_generator_writes(board: Board) -> None:
    assert path_of(board).read_text() == rendered(board), "run `python -m dashboards.build` and read the diff"


def test_every_file_is_of_a_dashboard_that_is_built() -> None:
    assert {path.name for path in DIRECTORY.glob("*.json")} == {path_of(board).name for board in BOARDS}
    assert len({board["uid"] for board in BY_NAME.values()}) == len(BY_NAME)
    assert len({board["title"] for board in BY_NAME.values()}) == len(BY_NAME)


@every_board
def test_variables_choose_by_names_that_are_served(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables)[:3] == ["datasource", "job", "instance"]
    assert "container" in variables or board["uid"] == "bulkhead-fleet"
    for name in {"job", "instance", "container"} & set(variables):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variables[name]["query"])
        assert found is not None
        assert found[2] == name
        assert not list(unknown_names(found[1]))
    used = set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(board["panels"])))
    assert used <= set(variables)
    assert set(variables) - used <= {"runbooks"}


@every_board
def test_all_jobs_are_spelt_out_since_other_jobs_have_up_as_well(board: dict[str, Any]) -> None:
    job = next(variable for variable in board["templating"]["list"] if variable["name"] == "job")
    assert "allValue" not in job


def test_one_container_is_chosen_where_all_is_about_one() -> None:
    variables = {variable["name"]: variable for variable in BY_NAME["container"]["templating"]["list"]}
    assert not variables["container"]["multi"]
    assert not variables["instance"]["multi"]
    assert not variables["container"].get("includeAll", False)


@every_board
def test_every_panel_and_query_asks_the_chosen_data_source(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}, panel["title"]


@every_board
def test_panels_do_not_overlap_and_stay_within_the_grid(board: dict[str, Any]) -> None:
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in combinations(board["panels"], 2):
        first, second = one["gridPos"], other["gridPos"]
        beside = first["x"] + first["w"] <= second["x"] or second["x"] + second["w"] <= first["x"]
        above = first["y"] + first["h"] <= second["y"] or second["y"] + second["h"] <= first["y"]
        assert beside or above, f"{one['title']} overlaps {other['title']}"


@every_board
def test_panels_are_numbered_told_apart_and_explained(board: dict[str, Any]) -> None:
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    titles = [(panel["type"], panel["title"]) for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]


@every_board
def test_numbers_have_a_unit_and_courses_begin_at_0(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] != "table":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["min"] == 0, panel["title"]


@every_board
def test_a_ratio_is_shown_as_a_share_bytes_as_bytes_and_seconds_as_time(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] not in {"timeseries", "stat"}:
            continue
        unit = panel["fieldConfig"]["defaults"]["unit"]
        first = panel["targets"][0]["expr"]
        if re.fullmatch(r"(max [^(]*\([^(]*\) )?\(?bulkhead_\w+_ratio\{[^}]*\}\)?", first):
            assert unit == "percentunit", panel["title"]
        if re.match(r"bulkhead_\w+_bytes\{", first) and " / " not in first:
            assert unit == "bytes", panel["title"]
        if re.match(r"rate\(bulkhead_\w+_bytes_total\{", first):
            assert unit == "Bps", panel["title"]
        if re.match(r"(bulkhead|scrape)_\w+_seconds\{", first):
            assert unit == "s", panel["title"]


@every_board
def test_every_column_of_a_table_is_a_label_or_a_query(board: dict[str, Any]) -> None:
    for panel in panels(board):
        organize = panel["transformations"][-1]["options"] if panel["type"] == "table" else {}
        if "renameByName" in organize:
            refs = [target["refId"] for target in panel["targets"]]
            values = {f"Value #{ref}" for ref in refs} if len(refs) > 1 else {"Value"}
            used = set(organize["renameByName"]) | set(organize["excludeByName"])
            assert values <= used, panel["title"]
            assert panel["options"]["sortBy"][0]["displayName"] in organize["renameByName"].values(), panel["title"]


@every_board
def test_a_text_for_an_empty_table_is_not_put_into_its_cells(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] == "table" and panel["fieldConfig"]["defaults"].get("noValue"):
            (only,) = panel["targets"]
            # Every label that is shown is one that the query leaves on every series.
            shown = set(panel["transformations"][-1]["options"]["renameByName"]) - {"Value"}
            grouped = re.findall(r"\bby \(([^)]*)\)", only["expr"])[0].split(", ")
            assert shown <= {*grouped, "problem"}, panel["title"]


@every_board
def test_links_lead_to_dashboards_and_runbooks_that_there_are(board: dict[str, Any]) -> None:
    runbooks, boards = set(), set()
    for url in re.findall(r'"url": "([^"]+)"', json.dumps(board)):
        if url.startswith("/d/"):
            boards.add(urlsplit(url).path.removeprefix("/d/"))
            assert "${datasource:queryparam}&${job:queryparam}&${__url_time_range}" in url
        elif url != "${runbooks}":
            runbooks.add(url.removeprefix("${runbooks}/"))
    assert boards <= {other["uid"] for other in BY_NAME.values()}
    written = {path.name for path in (ALERTS / "runbooks").glob("*.md")}
    assert runbooks - {"${__data.fields.Alert}.md"} <= written
    assert runbooks
    assert [link["type"] for link in board["links"]] == ["dashboards", "link"]
    assert board["links"][0]["tags"][0] in board["tags"]
    assert board["links"][0]["keepTime"]
    assert board["links"][0]["includeVars"]


def test_a_click_on_a_field_leads_on_by_columns_that_the_table_has() -> None:
    for board in BY_NAME.values():
        for panel in panels(board):
            used = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel)))
            shown = panel["transformations"][-1]["options"].get("renameByName", {}) if used else {}
            assert used <= set(shown.values()), panel["title"]


def test_every_dashboard_is_reached_from_a_table_of_another_one() -> None:
    reached = set(re.findall(r'"url": "/d/([\w-]+)', json.dumps(list(BY_NAME.values()))))
    assert reached == {board["uid"] for board in BY_NAME.values()} - {"bulkhead-fleet"}


def test_runbooks_are_where_the_rules_say() -> None:
    rules = "".join(path.read_text() for path in ALERTS.rglob("*.yml"))
    assert f'"{RUNBOOKS}"' in rules


def test_hosts_and_containers_are_sorted_worst_first() -> None:
    for name, title, worst in (("fleet", "Hosts", "Problems"), ("host", "Containers", "Memory of limit")):
        table = next(panel for panel in panels(BY_NAME[name]) if (panel["type"], panel["title"]) == ("table", title))
        assert table["options"]["sortBy"] == [{"displayName": worst, "desc": True}]


def test_bars_are_coloured_by_the_thresholds_of_their_own_hosts() -> None:
    bars = [panel for board in BY_NAME.values() for panel in panels(board) if panel["type"] == "bargauge"]
    assert bars
    for panel in bars:
        colours = {
            override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
            for override in panel["fieldConfig"]["overrides"]
        }
        assert colours == {"A": "red", "B": "orange", "C": "green"}
        compared = [re.findall(r'name="\w+_(warning|critical)_ratio"', target["expr"]) for target in panel["targets"]]
        assert compared == [["critical"], ["warning", "critical"], ["warning"]]


def test_cells_change_colour_at_the_default_thresholds() -> None:
    limits = Thresholds()
    table = next(panel for panel in panels(BY_NAME["host"]) if panel["title"] == "Containers")
    memory = next(each for each in table["fieldConfig"]["overrides"] if each["matcher"]["options"] == "Memory of limit")
    thresholds = next(each["value"] for each in memory["properties"] if each["id"] == "thresholds")
    steps = [step["value"] for step in thresholds["steps"]]
    assert steps == [None, limits.memory_target_ratio, limits.memory_warning_ratio, limits.memory_critical_ratio]


def test_a_container_is_marked_where_it_was_killed_and_restarted() -> None:
    marks = {mark["name"]: mark for mark in BY_NAME["container"]["annotations"]["list"]}
    assert set(marks) == {"OOM kills", "Restarts"}
    assert all(mark["useValueForTime"] and "* 1000" in mark["expr"] for mark in marks.values())
    assert len({mark["iconColor"] for mark in marks.values()}) == 2


def test_every_query_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query.chosen()} for number, query in enumerate(QUERIES)]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))  # JSON is YAML
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_provisioning_examples_name_what_they_provision() -> None:
    texts = {path.relative_to(PROVISIONING).as_posix(): path.read_text() for path in PROVISIONING.rglob("*.yml")}
    assert set(texts) == {"dashboards/bulkhead.yml", "datasources/prometheus.yml"}
    assert "*.json" in texts["dashboards/bulkhead.yml"]
    interval = re.findall(r"timeInterval: (\w+)", texts["datasources/prometheus.yml"])
    sample = (ALERTS / "prometheus.yml").read_text()
    assert interval == re.findall(r"scrape_interval: (\w+)", sample)
