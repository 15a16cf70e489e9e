from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from exporter.present.findings.junit import junit
from exporter.report.examination import Examination
from exporter.report.findings import Verdict
from tests.present.checks import READ_ONLY, finding
from tests.present.findings.examinations import BAD, EXAMINATION, GOOD, OF_HOST, OF_HOSTILE, OF_WAIVED, QUADLET


def suites_of(examination: Examination) -> dict[str | None, ET.Element]:
    root = ET.fromstring(junit(examination))
    assert root.tag == "testsuites"
    return {suite.get("name"): suite for suite in root}


def cases_of(suite: ET.Element) -> dict[str | None, ET.Element]:
    return {case.get("name"): case for case in suite.iter("testcase")}


def test_a_subject_is_a_suite_and_a_check_is_a_case() -> None:
    suites = suites_of(EXAMINATION)
    assert list(suites) == ["container bad", "container gone", "container good01"]
    assert dict(suites["container bad"].items()) == {
        "name": "container bad",
        "tests": "4",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
    }
    assert {case.get("classname") for case in suites["container bad"]} == {"container bad"}
    assert all(len(case) == 0 for case in suites["container good01"])


def test_each_verdict_is_what_ci_knows_for_it() -> None:
    cases = cases_of(suites_of(EXAMINATION)["container bad"])
    failure = cases["all_capabilities_dropped"][0]
    assert (failure.tag, failure.get("type"), failure.get("message")) == (
        "failure",
        "critical",
        "a process has capabilities",
    )
    assert failure.text is not None
    assert failure.text.splitlines() == [
        "httpd (811)",
        "declared and in force differ",
        "A process without capabilities cannot do what root can.",
        "mend: DropCapability=all",
    ]
    assert (cases["selinux_confined"][0].tag, cases["rootful"][0].tag) == ("error", "skipped")


def test_a_pass_with_drift_says_so_and_passes() -> None:
    drifted = replace(GOOD, findings=(finding(READ_ONLY, Verdict.PASS, drift=True),))
    (case,) = suites_of(replace(EXAMINATION, subjects=(drifted,)))["container good01"]
    assert [(inner.tag, inner.text) for inner in case] == [("system-out", "declared and in force differ")]


def test_a_quadlet_s_case_has_its_file_and_line() -> None:
    cases = cases_of(suites_of(replace(EXAMINATION, subjects=(QUADLET,)))["file web.container"])
    assert cases["read_only_rootfs"].get("line") == "12"
    assert cases["all_capabilities_dropped"].get("file") == "quadlets/web 1.container"


def test_the_host_is_a_suite_and_is_mended_in_its_own_way() -> None:
    (case,) = suites_of(OF_HOST)["host"]
    assert case.get("classname") == "host"
    assert (case[0].text or "").splitlines()[-1] == "mend: kernel.dmesg_restrict = 1 in /etc/sysctl.d"


def test_a_waived_failure_is_skipped_with_its_reason() -> None:
    suite = suites_of(OF_WAIVED)["container worker"]
    (skipped,) = cases_of(suite)["read_only_rootfs"]
    assert (skipped.tag, skipped.get("message")) == ("skipped", "waived: writes its cache there")
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")


def test_what_could_not_be_read_is_an_error_and_is_counted() -> None:
    examination = replace(EXAMINATION, problems=("zfs: denied",))
    (case,) = suites_of(examination)["sources"]
    assert (case[0].tag, case[0].get("message")) == ("error", "zfs: denied")
    root = ET.fromstring(junit(examination))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "2",
        "errors": "2",
        "skipped": "1",
    }


def test_hostile_text_is_bounded() -> None:
    assert len(junit(OF_HOSTILE)) < 4000


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_is_legal_xml(text: str) -> None:
    subject = replace(BAD, name=text, file=text, findings=(finding(READ_ONLY, Verdict.FAIL, text, text),))
    (suite,) = ET.fromstring(junit(replace(EXAMINATION, subjects=(subject,))).encode("utf-8"))
    assert suite.get("failures") == "1"
