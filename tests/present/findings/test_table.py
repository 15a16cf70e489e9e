from __future__ import annotations

import re
from dataclasses import replace

import pytest

from exporter.present.findings.table import table
from exporter.present.findings.text import Paper
from exporter.report.examination import STARTING, Examination, Examined
from exporter.report.findings import Verdict
from tests.present.checks import CAPABILITIES, READ_ONLY, SELINUX, finding
from tests.present.findings.examinations import (
    BAD,
    EXAMINATION,
    GOOD,
    HOST,
    OF_HOST,
    OF_HOSTILE,
    OF_WAIVED,
    QUADLET,
    WAIVED,
    WAIVERS,
)

PLAIN = Paper(width=80)


def of(*subjects: Examined) -> Examination:
    return replace(EXAMINATION, subjects=subjects)


def test_a_person_reads_the_worst_first_with_why_and_how_to_mend() -> None:
    assert table(EXAMINATION, PLAIN) == (
        "Bulkhead looked at lab.example.org: 3 containers.\n"
        "\n"
        "bad  1 critical, 1 warning, 1 critical unknown\n"
        "  critical  No process has any capability (all_capabilities_dropped)  DRIFT\n"
        "            a process has capabilities: httpd (811)\n"
        "            mend: DropCapability=all\n"
        "  warning   The root file system is read-only (read_only_rootfs)\n"
        "            root file system writable: / is rw\n"
        "            mend: ReadOnly=true\n"
        "  unknown   processes not readable: 811: permission denied [selinux_confined]\n"
        "  0 pass; not applicable: rootful (no podman)\n"
        "\n"
        "Nothing found\n"
        "  good01\n"
        "\n"
        "Not judged, as nothing of it runs\n"
        "  gone (missing)\n"
        "\n"
        "3 containers, 4 checks: 2 fail (1 critical, 1 warning, 0 info),\n"
        "3 pass, 1 not applicable, 1 unknown, 0 waived; 1 with DRIFT (declared and in force differ)\n"
        "bulkhead explain CHECK tells what, why and how to mend\n"
    )


def test_a_container_that_starts_is_named_and_not_said_to_stand_still() -> None:
    shown = table(of(Examined("web", (), state=STARTING)), PLAIN)
    assert "Not judged yet, as it is starting\n  web\n" in shown
    assert "nothing of it runs" not in shown


def test_colours_are_all_that_a_terminal_adds() -> None:
    coloured = table(EXAMINATION, replace(PLAIN, colours=True))
    assert "\x1b[31mcritical" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == table(EXAMINATION, PLAIN)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_is_told_stays_within_the_terminal(width: int) -> None:
    told = replace(BAD, findings=(finding(READ_ONLY, Verdict.UNKNOWN, "because", "word " * 100),))
    lines = table(of(told), Paper(width)).splitlines()
    long = [line for line in lines if "word" in line]
    assert len(long) > 2
    assert max(map(len, long)) <= width


def test_what_most_share_is_told_once_with_its_names() -> None:
    selinux = finding(SELINUX, Verdict.FAIL, "does not enforce", "the host is permissive")
    crowd = [Examined(f"c{number}", (*GOOD.findings[:1], selinux)) for number in range(5)]
    text = table(of(BAD, *crowd), PLAIN)
    assert text.count("does not enforce") == 1
    assert "(selinux_confined)  on 5\n            does not enforce: the host is permissive" in text
    assert "            c0, c1, c2, c3, c4\n" in text
    assert "Nothing but what most share\n  c0, c1, c2, c3, c4\n" in text


def test_what_most_share_for_different_details_is_a_line_each() -> None:
    crowd = [
        Examined(f"c{number}", (finding(CAPABILITIES, Verdict.FAIL, "has some", f"sh ({number})"),))
        for number in range(3)
    ]
    text = table(of(*crowd), PLAIN)
    assert "            has some\n            c0: sh (0)\n            c1: sh (1)\n            c2: sh (2)\n" in text


def test_what_two_share_is_told_of_each() -> None:
    text = table(of(BAD, replace(BAD, name="worse")), PLAIN)
    assert text.count("a process has capabilities") == 2
    assert "Shared by most" not in text


def test_one_silence_is_one_line_for_all_the_checks_that_wanted_it() -> None:
    silent = tuple(finding(check, Verdict.UNKNOWN, "processes not readable") for check in (CAPABILITIES, SELINUX))
    assert "  unknown   processes not readable [all_capabilities_dropped, selinux_confined]\n" in table(
        of(Examined("dark", silent)), PLAIN
    )


def test_a_pass_with_drift_is_told() -> None:
    drifted = Examined("odd", (finding(READ_ONLY, Verdict.PASS, "read-only", drift=True), *BAD.findings[:1]))
    assert "1 pass; of which with DRIFT: read_only_rootfs" in table(of(drifted), PLAIN)


def test_a_quadlet_s_place_stands_with_the_reason() -> None:
    assert "writable (quadlets/web 1.container:12)" in table(of(QUADLET), PLAIN)


def test_the_host_is_told_by_what_it_is_and_how_to_mend_it() -> None:
    text = table(OF_HOST, PLAIN)
    assert text.startswith("Bulkhead looked at lab.example.org: 1 container and the host itself.\n")
    assert (
        "the host itself  1 warning\n"
        "  warning   The log of the kernel is for root alone (dmesg_restricted)\n"
        "            anybody may read the kernel's log: kernel.dmesg_restrict is 0\n"
        "            mend: kernel.dmesg_restrict = 1 in /etc/sysctl.d\n"
    ) in text
    assert table(of(HOST), PLAIN).startswith("Bulkhead looked at lab.example.org: no container and the host itself.\n")


def test_the_host_is_none_of_those_who_share() -> None:
    crowd = [Examined(f"c{number}", (finding(SELINUX, Verdict.FAIL, "does not enforce"),)) for number in range(3)]
    text = table(of(HOST, *crowd), PLAIN)
    assert "(selinux_confined)  on 3\n            does not enforce\n            mend: " in text, "on all: no names"
    half = [replace(GOOD, name=f"g{number}") for number in range(3)]
    assert "(selinux_confined)  on 3\n" in table(of(HOST, *crowd, *half), PLAIN)


def test_what_is_waived_stands_apart_with_reason_and_last_day() -> None:
    text = table(OF_WAIVED, PLAIN)
    assert (
        "\nWaived\n"
        "  warning   The root file system is read-only (read_only_rootfs)\n"
        "            root file system writable\n"
        "            waived until 2025-11-24: writes its cache there\n"
        "            worker\n"
        "\n"
        "Nothing but what is waived\n"
        "  worker\n"
    ) in text
    assert "2 fail (1 critical, 1 warning, 0 info)" in text
    assert "1 waived;" in text


def test_who_fails_otherwise_too_names_what_is_waived_and_one_waiver_for_many_is_told_once() -> None:
    both = replace(BAD, findings=(WAIVED, *BAD.findings[1:]))
    text = table(of(both, replace(both, name="worse")), PLAIN)
    assert text.count("  0 pass; not applicable: rootful (no podman); waived, below: read_only_rootfs\n") == 2
    assert text.count("writes its cache there") == 1
    assert "            bad, worse\n" in text


def test_waivers_that_accept_nothing_are_told_last_and_those_that_do_are_not() -> None:
    assert (
        "\nWaivers to look at\n"
        "  - expired, its last day was 2025-11-23: dmesg_restricted of the host itself\n"
        "    (over)\n"
        "  - no container has such a name: rootful of old* (gone & forgotten)\n"
        "\n"
    ) in table(OF_WAIVED, PLAIN)
    assert "Waivers" not in table(replace(OF_WAIVED, waivers=WAIVERS[:1]), PLAIN)


def test_what_could_not_be_read_is_told_whole() -> None:
    text = table(replace(EXAMINATION, problems=("podman: no answer within 30 s", "zfs: denied")), PLAIN)
    assert "no verdict here is whole\n  - podman: no answer within 30 s\n  - zfs: denied\n" in text


def test_a_host_without_containers_says_so() -> None:
    assert table(of(), PLAIN).startswith("Bulkhead looked at lab.example.org: no container.\n")


def test_hostile_text_neither_moves_the_cursor_nor_fills_the_screen() -> None:
    text = table(OF_HOSTILE, PLAIN)
    text.encode("utf-8")
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "evil?[2J" in text
    assert len(text) < 4000
