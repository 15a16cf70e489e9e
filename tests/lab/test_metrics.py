"""The figures of /metrics are those of the guest's kernel and of ZFS at that moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.agent import URL, Page, by_collector, by_container, metrics, parse
from tests.lab.containers import ALL
from tests.lab.machine import Machine

pytestmark = pytest.mark.core

SLACK_BYTES = 2 << 20
"""The kernel charges memory to a cgroup in batches of 64 pages for each CPU, and a shell forks now and then."""

# Reads what the kernel says around one scrape; the payload's cgroup is found through /proc, not as the agent does.
AROUND_A_SCRAPE = f"""
import glob, json, os, re, urllib.request
def text(path):
    try:
        return open(path).read()
    except OSError:
        return None
def number(path):
    said = text(path)
    return None if said is None or said.strip() == "max" else int(said)
def paths():
    found = {{}}
    for file in glob.glob("/proc/[0-9]*/cgroup"):
        path = (text(file) or "").partition("::")[2].strip()
        name = re.search(r"/libpod-(?:payload-)?([0-9a-f]{{64}})(?:\\.scope)?(?:/|$)", path)
        if name:
            found[name[1]] = path
    return found
def level(path):
    at = "/sys/fs/cgroup" + path + "/"
    stat = dict(line.split() for line in (text(at + "memory.stat") or "inactive_file 0").splitlines())
    return dict(path=path, current=number(at + "memory.current"), max=number(at + "memory.max"),
                high=number(at + "memory.high"), inactive=int(stat["inactive_file"]))
def levels(path):
    result = []
    while path != "/":
        result.append(level(path))
        path = os.path.dirname(path)
    return result
here = paths()
before = {{id: levels(path) for id, path in here.items()}}
page = urllib.request.urlopen("{URL}/metrics", timeout=60).read().decode()
after = {{id: levels(path) for id, path in here.items()}}
print(json.dumps(dict(before=before, page=page, after=after)))
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """One scrape, and by container what the kernel said of its levels just before and just after; payload first."""

    page: Page
    kernel: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def moment(agent: Machine) -> Moment:
    said = json.loads(agent.ssh("python3 -", stdin=AROUND_A_SCRAPE.encode(), timeout_seconds=180))
    page = parse(said["page"])
    names = {labels["id"]: labels["container"] for labels, _ in page["bulkhead_container_info"] if labels["id"]}
    assert set(said["before"]) <= set(names), "a running container that the page does not know"
    return Moment(page, {names[one]: (said["before"][one], said["after"][one]) for one in said["before"]})


def working_set(level: dict[str, Any]) -> int:
    return max(0, int(level["current"]) - int(level["inactive"]))


def nearest_ratio(levels: list[dict[str, Any]]) -> float:
    return max(working_set(level) / int(level["max"]) for level in levels if level["max"] is not None)


def binding_level(levels: list[dict[str, Any]]) -> str:
    smallest = min((level for level in levels if level["max"] is not None), key=lambda level: level["max"])
    if smallest is levels[0]:
        return "payload"
    own_slice = next(level["path"] for level in levels if level["path"].endswith(".slice"))
    if smallest["path"] == own_slice:
        return "slice"
    return "service" if smallest["path"].startswith(own_slice) else "ancestor"


def test_every_container_that_runs_at_boot_is_there(moment: Moment) -> None:
    expected = {one.name for one in ALL if one.at_boot} - {"missing1"}
    assert expected | {"inpod1", "podrestart", "alice/rootless1"} <= set(moment.kernel)
    running = {
        labels["container"]
        for labels, value in moment.page["bulkhead_container_state"]
        if labels["state"] == "running" and value == 1
    }
    assert set(moment.kernel) <= running


def test_usage_and_working_set_equal_the_cgroup_files(moment: Moment) -> None:
    usage = by_container(moment.page, "bulkhead_container_memory_usage_bytes")
    working = by_container(moment.page, "bulkhead_container_memory_working_set_bytes")
    for name, (before, after) in moment.kernel.items():
        for shown, told in (
            (usage[name], [before[0]["current"], after[0]["current"]]),
            (working[name], [working_set(before[0]), working_set(after[0])]),
        ):
            assert min(told) - SLACK_BYTES <= shown <= max(told) + SLACK_BYTES, (name, shown, told)


def test_the_limit_is_the_smallest_on_the_way_up_and_absent_where_there_is_none(moment: Moment) -> None:
    for metric, key in (
        ("bulkhead_container_memory_limit_bytes", "max"),
        ("bulkhead_container_memory_high_bytes", "high"),
    ):
        told = {
            name: min(level[key] for level in before if level[key] is not None)
            for name, (before, _) in moment.kernel.items()
            if any(level[key] is not None for level in before)
        }
        shown = by_container(moment.page, metric)
        assert {name: value for name, value in shown.items() if name in moment.kernel} == told


def test_the_level_that_binds_is_told_also_where_it_is_not_the_payload(moment: Moment) -> None:
    shown = {
        labels["container"]: labels["level"]
        for labels, value in moment.page["bulkhead_container_memory_limit_level"]
        if value == 1 and labels["container"] in moment.kernel
    }
    assert shown == {
        name: binding_level(before)
        for name, (before, _) in moment.kernel.items()
        if any(level["max"] is not None for level in before)
    }
    assert (shown["service-binds"], shown["slice-binds"], shown["objects02"]) == ("service", "slice", "payload")


def test_the_ratio_is_that_of_the_level_nearest_to_its_limit(moment: Moment) -> None:
    shown = by_container(moment.page, "bulkhead_container_memory_ratio")
    for name, (before, after) in moment.kernel.items():
        limits = [level["max"] for level in before if level["max"] is not None]
        if not limits:
            assert name not in shown
            continue
        told = [nearest_ratio(before), nearest_ratio(after)]
        slack = SLACK_BYTES / min(limits)
        assert min(told) - slack <= shown[name] <= max(told) + slack, (name, shown[name], told)
    # Here the payload's own limit would say a quarter less.
    for name in ("service-binds", "slice-binds"):
        payload = moment.kernel[name][0][0]
        assert shown[name] > 1.2 * working_set(payload) / payload["max"]


PROPERTIES = ("used", "available", "referenced", "quota", "refquota")


def zfs_figures(lab: Machine, datasets: set[str]) -> dict[tuple[str, str], float]:
    """What `zfs get` says by dataset and property, less a quota that is not set: it is printed as 0."""
    asked = f"zfs get -Hp -o name,property,value {','.join(PROPERTIES)} {' '.join(sorted(datasets))}"
    rows = [line.split("\t") for line in lab.ssh(asked).splitlines()]
    return {(name, key): float(value) for name, key, value in rows if "quota" not in key or value != "0"}


def page_figures(page: Page, datasets: set[str]) -> dict[tuple[str, str], float]:
    """The page's figures in the shape of `zfs_figures`."""
    return {
        (labels["dataset"], key): value
        for key in PROPERTIES
        for labels, value in page.get(f"bulkhead_zfs_dataset_{key}_bytes", [])
        if labels["dataset"] in datasets
    }


def test_quota_figures_equal_zfs_get_for_every_dataset_that_a_container_mounts(agent: Machine, moment: Moment) -> None:
    mounted = {(labels["container"], labels["dataset"]) for labels, _ in moment.page["bulkhead_container_dataset_info"]}
    owners = {one.name for one in ALL if one.own_dataset and one.at_boot and one.name in moment.kernel}
    assert {(name, f"tank/containers/{name}") for name in owners if name != "bad-no-dataset"} <= mounted
    datasets = {dataset for _, dataset in mounted}

    told: dict[tuple[str, str], float] = {}
    shown: dict[tuple[str, str], float] = {}

    def same() -> bool:
        nonlocal told, shown
        told, shown = zfs_figures(agent, datasets), page_figures(metrics(agent), datasets)
        return told == shown

    # The page shows what ZFS said some seconds ago; between two writes of the pool both say the same.
    try:
        agent.wait(same, "same figures", timeout_seconds=120, pause_seconds=1)
    finally:
        assert told == shown
    assert ("tank/containers/objects02", "quota") in shown
    assert ("tank/containers/bad-no-quota", "quota") not in shown


def test_a_container_that_a_quadlet_expects_and_podman_lacks_is_missing(moment: Moment) -> None:
    states = {
        labels["state"]: value
        for labels, value in moment.page["bulkhead_container_state"]
        if labels["container"] == "missing1"
    }
    assert [state for state, value in states.items() if value == 1] == ["missing"]
    assert "missing1" not in by_container(moment.page, "bulkhead_container_memory_usage_bytes")


def test_a_rootless_container_is_found_though_nobody_asks_its_podman(moment: Moment) -> None:
    users = {labels["container"]: labels["user"] for labels, _ in moment.page["bulkhead_container_info"]}
    assert users["alice/rootless1"] == "alice"
    assert by_container(moment.page, "bulkhead_container_memory_usage_bytes")["alice/rootless1"] > 0


def test_every_source_is_present_on_this_host(moment: Moment) -> None:
    assert set(by_collector(moment.page, "bulkhead_scrape_collector_present").values()) == {1}


def test_promtool_finds_nothing_to_say_of_the_page(agent: Machine) -> None:
    said = agent.run(f"curl -sSf -m 60 {URL}/metrics | promtool check metrics 2>&1", check=False)
    assert (said.returncode, said.stdout.decode()) == (0, "")
