"""A real Prometheus with the shipped rules, quicker, and the page of the recorded host as its only target."""

from __future__ import annotations

import functools
import json
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.promql import RULE_FILES
from tests.real_programs import asked, eventually, free_port, program

GOLDEN = Path(__file__).parents[1] / "golden"

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="NOT SHOWN: prometheus not installed")


class Page(SimpleHTTPRequestHandler):
    extensions_map = {".prom": "text/plain; version=0.0.4"}  # noqa: RUF012 - as the base class has it

    def log_message(self, *_: object) -> None:
        pass


def test_every_rule_is_evaluated_without_an_error_on_a_whole_hosts_page(tmp_path: Path) -> None:
    for path in RULE_FILES:
        (tmp_path / path.name).write_text(
            re.sub(r"^    interval: \w+", "    interval: 1s", path.read_text(), flags=re.MULTILINE)
        )
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Page, directory=GOLDEN))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    target = {"static_configs": [{"targets": [f"127.0.0.1:{server.server_address[1]}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["bulkhead-*.yml"],
        "scrape_configs": [{"job_name": "bulkhead", "metrics_path": "/recorded-host.prom", **target}],
    }
    (tmp_path / "prometheus.json").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    rules: list[dict[str, Any]] = []

    def evaluated() -> bool:
        groups = asked(f"http://{address}/api/v1/rules")["data"]["groups"]
        rules[:] = [rule for group in groups for rule in group["rules"]]
        # The recorded host has failing checks: once those are there, the page was there for all others too.
        has_failing = any(rule["name"] == "BulkheadCheckFailing" and rule["alerts"] for rule in rules)
        return has_failing and all(rule["health"] != "unknown" for rule in rules)

    options = ("--config.file=prometheus.json", "--storage.tsdb.path=data", f"--web.listen-address={address}")
    try:
        with program(tmp_path, "prometheus", *options):
            assert eventually(evaluated)
            # Once more, now that every group has seen the page.
            seen = {rule["name"]: rule["lastEvaluation"] for rule in rules}
            assert eventually(
                lambda: evaluated() and all(seen[rule["name"]] < rule["lastEvaluation"] for rule in rules)
            )
    finally:
        server.shutdown()
        server.server_close()
    assert len(rules) == sum(len(re.findall(r"- (?:alert|record): ", path.read_text())) for path in RULE_FILES)
    assert not [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"]
    # Pending ones too: what has never stood on the example host wakes nobody, what happens there does.
    pages = {rule["name"] for rule in rules if rule.get("labels", {}).get("severity") == "critical" and rule["alerts"]}
    assert pages == {"BulkheadRestartLoop", "BulkheadUnitFailed"}
