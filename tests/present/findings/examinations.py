"""Examinations made by hand, of the checks of the hand-made reports."""

from __future__ import annotations

from dataclasses import replace

from exporter.assess.examination import Examination, Examined, Place, SubjectKind
from exporter.assess.report import Verdict
from tests.present.reports import CAPABILITIES, READ_ONLY, ROOTFUL, SELINUX, finding

GOOD = Examined(
    "good01",
    tuple(finding(check, Verdict.PASS, "stands") for check in (CAPABILITIES, SELINUX, READ_ONLY)),
    state="running",
)
BAD = Examined(
    "bad",
    (
        finding(READ_ONLY, Verdict.FAIL, "root file system writable", "/ is rw"),
        finding(CAPABILITIES, Verdict.FAIL, "a process has capabilities", "httpd (811)", drift=True),
        finding(SELINUX, Verdict.UNKNOWN, "processes not readable", "811: permission denied"),
        finding(ROOTFUL, Verdict.NOT_APPLICABLE, "no podman"),
    ),
    state="running",
)
GONE = Examined("gone", (), state="missing")
QUADLET = Examined(
    "web.container",
    (finding(READ_ONLY, Verdict.FAIL, "writable"), finding(CAPABILITIES, Verdict.FAIL, "not dropped")),
    file="quadlets/web 1.container",
    places=((READ_ONLY.id, Place("quadlets/web 1.container", 12)),),
    kind=SubjectKind.FILE,
)
HOSTILE_NAME = "evil\x1b[2J\x00\ud800\ufffe<&\"'\u202e\nname"
HOSTILE = replace(
    BAD,
    name=HOSTILE_NAME,
    findings=(finding(READ_ONLY, Verdict.FAIL, "writable", f"{HOSTILE_NAME} " + "x" * 9000),),
)
EXAMINATION = Examination(
    checks=(ROOTFUL, READ_ONLY, CAPABILITIES, SELINUX), subjects=(GOOD, BAD, GONE), title="lab.example.org"
)
OF_HOSTILE = replace(EXAMINATION, subjects=(HOSTILE,), problems=(f"zfs: {HOSTILE_NAME}",), title=HOSTILE_NAME)
