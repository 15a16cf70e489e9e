from __future__ import annotations

import json

from exporter.present.findings.document import document
from tests.present.findings.examinations import EXAMINATION, OF_HOSTILE, QUADLET


def test_the_document_holds_everything_worst_first() -> None:
    found = json.loads(document(EXAMINATION, "0.1.0"))
    assert list(found) == ["version", "product_version", "title", "summary", "problems", "subjects", "checks"]
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


def test_hostile_text_is_valid_and_bounded() -> None:
    text = document(OF_HOSTILE, "0.1.0")
    assert text.isascii()
    json.loads(text)["subjects"][0]["name"].encode("utf-8")
    assert len(text) < 8000
