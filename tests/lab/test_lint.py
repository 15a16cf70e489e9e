"""What we take quadlets to come to is what the lab's own generator makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.lab.machine import Machine
from tests.sources.quadlet.generator import FILES, Comparable, generated, ours

GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator --dryrun"
DEPLOYED = "/etc/containers/systemd"


def placed(flags: Comparable, directory: str, here: Path) -> Comparable:
    """Flags of files in the guest's directory, as if they lay here."""
    return sorted((name, value.replace(directory, str(here))) for name, value in flags)


def test_the_deployed_quadlets_come_to_what_the_generator_makes(lab: Machine, tmp_path: Path) -> None:
    here = tmp_path / "containers/systemd"  # where users/ is the users' own
    lab.fetch(DEPLOYED, here)
    theirs = generated(lab.ssh(f"{GENERATOR} 2>/dev/null"))
    assert len(theirs) > 30
    assert ours(here) == theirs


def test_odd_quadlets_come_to_what_the_generator_makes(lab: Machine) -> None:
    directory = lab.ssh("mktemp -d").strip()
    try:
        lab.push(FILES, directory)
        theirs = generated(lab.ssh(f"QUADLET_UNIT_DIRS={directory} {GENERATOR} 2>/dev/null"))
    finally:
        lab.ssh(f"rm -rf {directory}")
    assert ours(FILES) == {unit: placed(flags, directory, FILES) for unit, flags in theirs.items()}
