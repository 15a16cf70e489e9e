"""What the schema of SARIF 2.1.0 requires is asserted here; the schema itself is too long to be kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from exporter.present.findings.sarif import sarif
from exporter.report.examination import Examination, SubjectKind
from exporter.report.findings import Verdict
from tests.present.checks import DMESG, READ_ONLY, finding
from tests.present.findings.examinations import (
    BAD,
    EXAMINATION,
    GOOD,
    HOSTILE,
    OF_HOST,
    OF_HOSTILE,
    OF_WAIVED,
    QUADLET,
    WAIVED,
)


def run_of(examination: Examination) -> dict[str, Any]:
    log = json.loads(sarif(examination, "0.1.0"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def results_of(examination: Examination) -> dict[str, Any]:
    return {result["ruleId"]: result for result in run_of(examination)["results"]}


def test_every_check_is_a_rule_with_help() -> None:
    driver = run_of(EXAMINATION)["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("Bulkhead", "0.1.0")
    rule = driver["rules"][1]
    assert (rule["id"], rule["name"]) == ("read_only_rootfs", "ReadOnlyRootfs")
    assert rule["shortDescription"] == {"text": READ_ONLY.title}
    assert "Quadlet: ReadOnly=true" in rule["help"]["text"]
    assert [rule["defaultConfiguration"]["level"] for rule in driver["rules"]] == ["note", "warning", "error", "error"]


def test_a_failure_has_its_level_and_where_it_is() -> None:
    result = results_of(EXAMINATION)["all_capabilities_dropped"]
    assert (result["kind"], result["level"], result["ruleIndex"]) == ("fail", "error", 2)
    assert result["message"] == {
        "text": "bad: a process has capabilities; httpd (811); declared and in force differ",
    }
    assert result["locations"] == [
        {"logicalLocations": [{"name": "bad", "fullyQualifiedName": "container/bad", "kind": "container"}]}
    ]


def test_a_check_of_the_host_is_helped_with_on_the_host() -> None:
    rule = run_of(OF_HOST)["tool"]["driver"]["rules"][-1]
    assert rule["help"] == {
        "text": f"{DMESG.why}\n\nHost: {DMESG.fix_host}\n\nReferences: ",
        "markdown": f"{DMESG.why}\n\n- Host: {DMESG.fix_host}\n\nReferences: ",
    }
    assert rule["properties"]["tags"] == ["security", "host"]
    (location,) = results_of(OF_HOST)["dmesg_restricted"]["locations"]
    assert location["logicalLocations"] == [{"name": "host", "fullyQualifiedName": "host/host", "kind": "host"}]


def test_a_waived_failure_is_suppressed_and_the_others_say_that_they_are_not() -> None:
    told = {
        (result["message"]["text"].split(":")[0], result["ruleId"]): (result["kind"], result["suppressions"])
        for result in run_of(OF_WAIVED)["results"]
    }
    assert told == {
        ("bad", "read_only_rootfs"): ("fail", []),
        ("bad", "all_capabilities_dropped"): ("fail", []),
        ("bad", "selinux_confined"): ("open", []),
        ("worker", "read_only_rootfs"): (
            "fail",
            [{"kind": "external", "justification": "until 2025-11-24: writes its cache there"}],
        ),
    }


def test_without_waivers_no_result_speaks_of_them() -> None:
    assert not [result for result in run_of(EXAMINATION)["results"] if "suppressions" in result]


def test_a_waiver_without_a_date_is_for_ever() -> None:
    forever = replace(GOOD, findings=(replace(WAIVED, waiver_ends_at_seconds=None),))
    (suppression,) = results_of(replace(EXAMINATION, subjects=(forever,)))["read_only_rootfs"]["suppressions"]
    assert suppression["justification"] == "for ever: writes its cache there"


def test_the_unknown_is_open_and_the_rest_is_left_out() -> None:
    results = results_of(EXAMINATION)
    assert sorted(results) == ["all_capabilities_dropped", "read_only_rootfs", "selinux_confined"]
    assert (results["selinux_confined"]["kind"], results["selinux_confined"]["level"]) == ("open", "none")
    assert run_of(replace(EXAMINATION, subjects=(GOOD,)))["results"] == []


def test_what_lint_finds_is_in_a_file_at_a_line() -> None:
    results = results_of(replace(EXAMINATION, subjects=(QUADLET,)))
    uri = "quadlets/web%201.container"
    assert results["read_only_rootfs"]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 12}}}
    ]
    assert results["all_capabilities_dropped"]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": uri}}}
    ]


def test_an_absolute_path_is_a_file_uri() -> None:
    subject = replace(QUADLET, file="/etc/a:b\udcff.container", places=())
    location = results_of(replace(EXAMINATION, subjects=(subject,)))["read_only_rootfs"]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "file:///etc/a%3Ab%FF.container"


def test_a_fingerprint_outlives_a_new_reason_and_differs_between_subjects() -> None:
    def fingerprint(subject: Any) -> str:
        prints = results_of(replace(EXAMINATION, subjects=(subject,)))["read_only_rootfs"]["partialFingerprints"]
        return str(prints["subjectAndCheck/v1"])

    first = fingerprint(BAD)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert fingerprint(replace(BAD, findings=(finding(READ_ONLY, Verdict.FAIL, "another reason"),))) == first
    assert fingerprint(replace(BAD, name="other")) != first
    assert fingerprint(replace(BAD, kind=SubjectKind.HOST)) != first
    moved = replace(QUADLET, places=())
    assert fingerprint(moved) == fingerprint(QUADLET)


def test_what_could_not_be_read_makes_the_run_unsuccessful() -> None:
    assert run_of(EXAMINATION)["invocations"][0]["executionSuccessful"] is True
    (invocation,) = run_of(replace(EXAMINATION, problems=("zfs: denied",)))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"] == [{"level": "error", "message": {"text": "zfs: denied"}}]


def test_hostile_text_is_valid_and_bounded() -> None:
    text = sarif(OF_HOSTILE, "0.1.0")
    (result,) = results_of(replace(EXAMINATION, subjects=(HOSTILE,))).values()
    result["message"]["text"].encode("utf-8")
    assert text.isascii()
    assert len(text) < 8000
