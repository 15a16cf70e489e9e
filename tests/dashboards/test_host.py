from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from dashboards.build import HOST_JSON, rendered
from exporter.assess.limits import Limits
from tests.promql import unknown_names

BOARD: dict[str, Any] = json.loads(HOST_JSON.read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES: list[tuple[str, str]] = [
    (f"{panel['title']} {target['refId']}", target["expr"]) for panel in PANELS for target in panel["targets"]
]
PROVISIONING = HOST_JSON.parent / "provisioning"


def test_the_file_is_what_the_generator_writes() -> None:
    assert HOST_JSON.read_text() == rendered(), "run `python -m dashboards.build` and read the diff"


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES])
def test_a_query_asks_for_what_is_served_on_the_chosen_hosts(query: str) -> None:
    assert not list(unknown_names(query))
    selectors = re.findall(r"(?:bulkhead_\w+|scrape_\w+)(\{[^}]*\})?", query)
    assert all('job=~"$job"' in selector and 'instance=~"$instance"' in selector for selector in selectors)


def test_variables_choose_source_job_host_and_container_by_names_that_are_served() -> None:
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance", "container"]
    for name in ("job", "instance", "container"):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variables[name]["query"])
        assert found is not None
        assert found[2] == name
        assert not list(unknown_names(found[1]))
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {"${datasource}"}


def test_panels_do_not_overlap_and_stay_within_the_grid() -> None:
    for panel in BOARD["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in combinations(BOARD["panels"], 2):
        first, second = one["gridPos"], other["gridPos"]
        beside = first["x"] + first["w"] <= second["x"] or second["x"] + second["w"] <= first["x"]
        above = first["y"] + first["h"] <= second["y"] or second["y"] + second["h"] <= first["y"]
        assert beside or above, f"{one['title']} overlaps {other['title']}"


def test_panels_are_numbered_told_apart_and_explained() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    titles = [panel["title"] for panel in PANELS if panel["type"] != "stat"]
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]


def test_numbers_have_a_unit() -> None:
    for panel in PANELS:
        if panel["type"] != "table":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_every_column_of_a_table_is_a_label_or_a_query() -> None:
    for panel in PANELS:
        if panel["type"] == "table":
            organize = panel["transformations"][-1]["options"]
            refs = [target["refId"] for target in panel["targets"]]
            values = {f"Value #{ref}" for ref in refs} if len(refs) > 1 else {"Value"}
            used = set(organize["renameByName"]) | set(organize["excludeByName"])
            assert values <= used, panel["title"]
            assert panel["options"]["sortBy"][0]["displayName"] in organize["renameByName"].values(), panel["title"]


def test_containers_are_sorted_by_how_near_their_limit_they_are() -> None:
    table = next(panel for panel in PANELS if panel["title"] == "Containers")
    assert table["options"]["sortBy"] == [{"displayName": "Memory of limit", "desc": True}]
    bars = next(panel for panel in PANELS if panel["type"] == "bargauge")
    assert bars["targets"][0]["expr"].startswith("sort_desc(")


def test_colours_change_at_the_default_thresholds() -> None:
    limits = Limits()
    bars = next(panel for panel in PANELS if panel["type"] == "bargauge")
    steps = [step["value"] for step in bars["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    assert steps == [None, limits.memory_target_ratio, limits.memory_warning_ratio, limits.memory_critical_ratio]


def test_every_query_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__range", "6h").replace("$__rate_interval", "1m")}
        for number, (_, query) in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))  # JSON is YAML
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_provisioning_examples_name_what_they_provision() -> None:
    texts = {path.relative_to(PROVISIONING).as_posix(): path.read_text() for path in PROVISIONING.rglob("*.yml")}
    assert set(texts) == {"dashboards/bulkhead.yml", "datasources/prometheus.yml"}
    assert "host.json" in texts["dashboards/bulkhead.yml"]
    interval = re.findall(r"timeInterval: (\w+)", texts["datasources/prometheus.yml"])
    sample = (HOST_JSON.parents[1] / "alerts/prometheus.yml").read_text()
    assert interval == re.findall(r"scrape_interval: (\w+)", sample)
