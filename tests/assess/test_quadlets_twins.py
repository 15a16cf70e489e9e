"""What lint says of a quadlet is what podman and systemd say of the container that a real host made of it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.quadlets import examine_quadlets
from exporter.assess.storage.volumes import AskedSources, holder_of
from exporter.report.findings import Verdict
from exporter.sources.example.recording import load_recording
from exporter.sources.quadlet.files import read_quadlets
from tests.lab.containers import files

HOST_DECIDES = {
    # Without AppArmor podman asks for no profile; which ids and labels are free is decided at the start.
    *("apparmor_confined", "user_namespace_disjoint", "selinux_unique_label"),
}
Verdicts = dict[tuple[str, str], Verdict]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Of the lab's quadlets, by container and check."""
    (image,) = {one.image for one in load_recording().podman if one.name == "objects02"}
    root = tmp_path_factory.mktemp("lab") / "etc/containers/systemd"
    guest = Path(__file__).parents[1] / "lab/guest/etc/containers/systemd"
    copied = {str(path.relative_to(guest)): path.read_text() for path in guest.glob("*.*")}
    made = {Path(name).name: text for name, text in files(image).items() if name.endswith(".container")}
    root.mkdir(parents=True)
    for name, text in {**copied, **made}.items():
        (root / name).write_text(text)
    return {
        (Path(subject.file).stem, finding.check): finding.outcome.verdict
        for subject in examine_quadlets(*read_quadlets([root])).subjects
        for finding in subject.findings
    }


@pytest.fixture(scope="module")
def made() -> Verdicts:
    """Of what inspect and systemd said of the containers of these quadlets."""
    recording = load_recording()
    units = {unit.name: unit for unit in recording.systemd}
    in_slice: defaultdict[str, list[str]] = defaultdict(list)
    for one in recording.podman:
        if one.unit in units:
            in_slice[units[one.unit].slice].append(one.name)
    holders = {one.id: holder_of(one.name, one, None) for one in recording.podman}
    sources = AskedSources(holders.values())
    found: Verdicts = {}
    for one in recording.podman:
        unit = units.get(one.unit)
        if unit is None or one.is_infra:
            continue
        others = tuple(name for name in in_slice[unit.slice] if name != one.name)
        subject = ContainerSubject(
            name=one.name,
            user=one.user,
            container=one,
            processes=None,
            cgroups=None,
            unit=unit,
            host=None,
            other_occupants=others,
            asked_by_others=sources.of_others(holders[one.id]),
        )
        found |= {(one.name, check.id): check.declared(subject).verdict for check in CHECKS if check.declared}
    return found


def test_every_wall_is_asked_for_in_the_file_as_in_the_container_that_it_makes(asked: Verdicts, made: Verdicts) -> None:
    both = {key for key in asked.keys() & made.keys() if key[1] not in HOST_DECIDES}
    assert len(both) > 600
    differing = {key for key in both if asked[key] is not made[key]}
    # podman says that it asks for ids of its own, and gives it those of its pod; the file names the pod.
    of_ids = ("private_user_namespace", "no_host_namespaces", "shared_volumes_idmapped")
    assert differing == {("inpod1", check) for check in of_ids}
