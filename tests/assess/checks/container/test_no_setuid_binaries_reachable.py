from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.no_setuid_binaries_reachable import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import DATA, IN_THE_DARK, PROCESSES, ROOT, SECURE, passes, verdict, with_process


def test_no_new_privileges_for_every_process_passes_whatever_the_image_holds() -> None:
    assert passes(CHECK)


def test_one_process_that_can_gain_privileges_makes_it_unknown_and_never_a_failure() -> None:
    subject = with_process(no_new_privileges=False)
    assert verdict(CHECK, subject) is Verdict.UNKNOWN
    assert "worker (4002)" in CHECK.examine(subject).detail


def test_mounts_that_are_all_nosuid_pass_without_it() -> None:
    subject = with_process(no_new_privileges=False)
    assert subject.processes
    root = replace(ROOT, options=("ro", "nosuid"))
    assert passes(CHECK, replace(subject, processes=replace(subject.processes, mounts=(root, DATA))))
    assert verdict(CHECK, replace(subject, processes=replace(subject.processes, mounts=()))) is Verdict.UNKNOWN


def test_a_process_that_could_not_be_read_is_unknown() -> None:
    unread = replace(PROCESSES, unreadable=("4003: Permission denied",))
    assert verdict(CHECK, replace(SECURE, processes=unread)) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
