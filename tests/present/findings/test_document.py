from __future__ import annotations

import json

from exporter.present.findings.document import document
from tests.present.findings.examinations import EXAMINATION, OF_HOST, OF_HOSTILE, OF_WAIVED, QUADLET


def test_the_document_holds_everything_worst_first() -> None:
    found = json.loads(document(EXAMINATION, "0.1.0"))
    assert list(found) == [
        "version",
        "product_version",
        "title",
        "summary",
        "problems",
        "subjects",
        "waivers",
        "checks",
    ]
    assert (found["version"], found["product_version"], found["title"]) == (1, "0.1.0", "lab.example.org")
    assert found["summary"] == {
        "subjects": 3,
        "checks": 4,
        "verdicts": {"pass": 3, "fail": 2, "not_applicable": 1, "unknown": 1, "waived": 0},
        "failed": {"critical": 1, "warning": 1, "info": 0},
        "drift": 1,
    }
    assert [subject["name"] for subject in found["subjects"]] == ["bad", "gone", "good01"]
    assert found["subjects"][0]["findings"][1] == {
        "check": "all_capabilities_dropped",
        "severity": "critical",
        "verdict": "fail",
        "reason": "a process has capabilities",
        "detail": "httpd (811)",
        "drift": True,
        "place": None,
        "waiver": None,
    }
    assert found["checks"][0]["id"] == "rootful"


def test_a_quadlet_has_its_file_and_the_line() -> None:
    examination = EXAMINATION.__class__(EXAMINATION.checks, (QUADLET,))
    subject = json.loads(document(examination, ""))["subjects"][0]
    assert (subject["kind"], subject["file"]) == ("file", "quadlets/web 1.container")
    assert [finding["place"] for finding in subject["findings"]] == [
        {"file": "quadlets/web 1.container", "line": 12},
        None,
    ]


def test_the_host_s_own_checks_have_their_own_way_to_mend() -> None:
    found = json.loads(document(OF_HOST, ""))
    assert (found["subjects"][0]["kind"], found["subjects"][0]["name"]) == ("host", "host")
    assert found["checks"][-1]["fix_host"] == "kernel.dmesg_restrict = 1 in /etc/sysctl.d"


def test_a_waived_failure_has_its_waiver_and_every_waiver_its_state() -> None:
    found = json.loads(document(OF_WAIVED, ""))
    waived = found["subjects"][1]["findings"][0]
    assert (waived["verdict"], waived["waiver"]) == (
        "waived",
        {"reason": "writes its cache there", "until": "2025-11-24"},
    )
    assert [(one["container"], one["check"], one["until"], one["state"]) for one in found["waivers"]] == [
        ("worker", "read_only_*", "2025-11-24", "active"),
        (None, "dmesg_restricted", "2025-11-23", "expired"),
        ("old*", "rootful", None, "unmatched"),
    ]
    assert found["problems"] == []


def test_hostile_text_is_valid_and_bounded() -> None:
    text = document(OF_HOSTILE, "0.1.0")
    assert text.isascii()
    json.loads(text)["subjects"][0]["name"].encode("utf-8")
    assert len(text) < 8000
