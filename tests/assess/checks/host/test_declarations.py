from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from exporter.assess.checks import host
from exporter.assess.checks.check import HostCheck
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS
from exporter.facts.host import Host
from exporter.report.findings import Verdict
from tests.assess.checks.host.sound import IN_THE_DARK, SOUND, SOUND_HOST, turned

FILES = {path.stem for path in Path(str(host.__file__)).parent.glob("[!_]*.py")}


def test_every_file_is_a_check_of_that_name_once_and_none_of_a_container() -> None:
    ids = [check.id for check in HOST_CHECKS]
    assert sorted(ids) == sorted(FILES)
    assert not set(ids) & {check.id for check in CHECKS}


@pytest.mark.parametrize("check", HOST_CHECKS, ids=lambda check: check.id)
def test_a_check_tells_what_why_and_how_to_mend(check: HostCheck) -> None:
    assert check.title
    assert check.why.endswith(".")
    assert check.fix_host
    assert check.references
    for subject in (SOUND, IN_THE_DARK):
        assert 0 < len(check.examine(subject).reason) <= 60


def test_the_sound_host_passes_and_darkness_never_does() -> None:
    assert turned(SOUND) == {}
    dark = {check.id: Verdict.UNKNOWN for check in HOST_CHECKS}
    assert turned(IN_THE_DARK) == dark | {"waivers_current": Verdict.NOT_APPLICABLE}, "the configuration is no source"


def test_an_older_recording_without_the_newer_facts_is_unknown_and_neither_fails_nor_passes() -> None:
    newer = ("lockdown", "module_signatures", "kernels", "reboot_required", "updates", "clock_synchronised")
    defaults = {field.name: field.default for field in fields(Host)}
    older = replace(SOUND_HOST, **{name: defaults[name] for name in newer})  # type: ignore[arg-type]  # real fields
    assert turned(replace(SOUND, host=older)) == dict.fromkeys(
        (
            "kernel_lockdown",
            "modules_locked_or_signed",
            "automatic_updates",
            "reboot_not_pending",
            "clock_synchronised",
        ),
        Verdict.UNKNOWN,
    )
