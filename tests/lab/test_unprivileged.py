"""Without root, what can be read is served, and what is missing is named once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.agent import by_container, curl, metrics, page_when, parse
from tests.lab.machine import Machine
from tests.lab.test_failures import CHECK, USAGE, another_agent, assert_same_containers, judged, succeeds

AS_NOBODY = "http://127.0.0.1:9948"


@pytest.fixture(scope="module")
def as_nobody(agent: Machine) -> Iterator[str]:
    yield from another_agent(agent, "bulkhead-as-nobody", AS_NOBODY, "User=nobody")


def test_without_root_what_can_be_read_is_served(agent: Machine, as_nobody: str) -> None:
    root_sees, page = metrics(agent), metrics(agent, as_nobody)
    assert succeeds(page, "podman") == 0
    assert succeeds(page, "cgroup") == 1
    assert_same_containers(agent, root_sees, page)
    assert by_container(page, USAGE)["objects02"] > 0
    # Nothing passes that could not be seen. Without podman, a container is judged a minute after the first look at it.
    page = page_when(agent, lambda page: "bad-seccomp-unconfined" in judged(page), "its verdicts", as_nobody)
    seccomp = {labels["container"]: value for labels, value in page[CHECK] if labels["check"] == "seccomp_filtered"}
    assert seccomp.get("bad-seccomp-unconfined") != 1


def test_without_root_what_is_missing_is_named_once_and_not_at_each_scrape(agent: Machine, as_nobody: str) -> None:
    for _ in range(3):
        text = curl(agent, f"{as_nobody}/metrics")
        assert text is not None
        assert parse(text)
    log = agent.ssh("journalctl -u bulkhead-as-nobody.service --no-pager -o cat -I")
    assert log.count("not run as root") == 1
    told = [line for line in log.splitlines() if '"source cannot be read" collector=podman' in line]
    assert len(told) == 1, log
