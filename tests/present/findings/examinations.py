"""Examinations made by hand, of the checks of the hand-made reports."""

from __future__ import annotations

from dataclasses import replace

from exporter.report.examination import Examination, Examined, Place, SubjectKind
from exporter.report.findings import Verdict, WaiverReport, WaiverState
from tests.present.agents import NOW_SECONDS
from tests.present.checks import CAPABILITIES, DMESG, READ_ONLY, ROOTFUL, SELINUX, finding

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
HOST = Examined(
    "host",
    (finding(DMESG, Verdict.FAIL, "anybody may read the kernel's log", "kernel.dmesg_restrict is 0"),),
    kind=SubjectKind.HOST,
)
WAIVED = replace(
    finding(READ_ONLY, Verdict.WAIVED, "root file system writable", "/ is rw"),
    waiver="writes its cache there",
    waiver_ends_at_seconds=NOW_SECONDS + 86_400,
)
WAIVERS = (
    WaiverReport("worker", "read_only_*", "writes its cache there", NOW_SECONDS + 86_400, WaiverState.ACTIVE),
    WaiverReport("", "dmesg_restricted", "over", NOW_SECONDS, WaiverState.EXPIRED),
    WaiverReport("old*", "rootful", "gone & forgotten", None, WaiverState.UNMATCHED),
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
OF_HOST = replace(EXAMINATION, checks=(*EXAMINATION.checks, DMESG), subjects=(GOOD, HOST))
OF_WAIVED = replace(
    EXAMINATION, subjects=(BAD, Examined("worker", (WAIVED, *GOOD.findings[:2]), state="running")), waivers=WAIVERS
)
OF_HOSTILE = replace(EXAMINATION, subjects=(HOSTILE,), problems=(f"zfs: {HOSTILE_NAME}",), title=HOSTILE_NAME)
