from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.assess.checks.container import CHECKS, memory_limited
from exporter.assess.quadlets import examine_quadlets, place_of
from exporter.facts.quadlet_file import Origin, QuadletFile, QuadletProblem, Request
from exporter.report.examination import Examination, Place
from exporter.report.findings import Verdict
from exporter.sources.quadlet.files import read_quadlets
from tests.assess.secure import CONTAINER, UNIT
from tests.lab.containers import ALL, files
from tests.lab.test_checks import FAILING

FILE = "web.container"
# What only a start decides is open.
ASKED = replace(
    CONTAINER,
    security=replace(
        CONTAINER.security,
        uid_map=(),
        gid_map=(),
        selinux_process_label="system_u:system_r:container_t:s0:c?,c?",
        apparmor_profile="containers-default",
    ),
)
GOOD = QuadletFile(
    FILE,
    "objects02.service",
    ASKED,
    UNIT,
    (Request("[Container]", Origin(FILE, 1)), Request("[Service]", Origin(FILE, 9))),
    "quadlets",
)

DECLARED = {
    **{name: FAILING.get(name, set()) for name in (one.name for one in ALL)},
    # What is asked for is judged as on a host that enforces, has swap or AppArmor: the lab's does not and has neither.
    "bad-host-pid": FAILING["bad-host-pid"] | {"selinux_confined"},
    "bad-label-disable": {"selinux_confined"},
    "privileged1": FAILING["privileged1"] | {"selinux_confined", "apparmor_confined"},
    "bad-no-memory-limit": FAILING["bad-no-memory-limit"] | {"swap_limited"},
    # It never runs, so no verdict of what runs is there to be equal to.
    "missing1": {"restart_paced"},
    # Whose ids it gets is decided where it runs.
    "rootless1": FAILING["alice/rootless1"] - {"user_namespace_disjoint"} | {"swap_limited"},
}
"""By container of the lab: the checks that fail by what its quadlet asks for."""


JUDGED = {check for checks in FAILING.values() for check in checks} | {
    *("selinux_confined", "swap_limited", "apparmor_confined")
}
"""The checks that the lab's table speaks of."""


def failing(examination: Examination) -> dict[str, set[str]]:
    """By the file's stem: what fails."""
    return {
        Path(subject.file).stem: {one.check for one in subject.findings if one.outcome.verdict is Verdict.FAIL}
        for subject in examination.subjects
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    """The lab's quadlets, as its image is built with them."""
    root = tmp_path_factory.mktemp("lab")
    guest = Path(__file__).parents[1] / "lab/guest/etc/containers/systemd"
    copied = {f"etc/containers/systemd/{path.relative_to(guest)}": path.read_text() for path in guest.rglob("*.*")}
    for name, content in {**copied, **files("localhost/lab")}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return examine_quadlets(*read_quadlets([root / "etc/containers/systemd"]))


def test_the_lab_s_quadlets_fail_the_checks_that_their_containers_fail(lab: Examination) -> None:
    known = {check.id for check in CHECKS if check.declared}
    assert lab.problems == ()
    assert {name: checks & JUDGED for name, checks in failing(lab).items()} == {
        name: checks & known for name, checks in DECLARED.items()
    }


def test_nothing_that_is_asked_for_is_unknown(lab: Examination) -> None:
    unknown = {
        (subject.file, finding.check)
        for subject in lab.subjects
        for finding in subject.findings
        if finding.outcome.verdict is Verdict.UNKNOWN
    }
    assert unknown == set()


@pytest.mark.parametrize(
    ("name", "check", "line"),
    [
        ("bad-capability", "all_capabilities_dropped", "AddCapability=CAP_NET_BIND_SERVICE"),
        ("bad-host-pid", "selinux_confined", "PodmanArgs=--pid=host"),
        ("bad-host-pid", "no_host_namespaces", "PodmanArgs=--pid=host"),
        ("bad-host-path", "no_host_path_of_the_system", "Volume=/etc:/host/etc:ro"),
        ("privileged1", "not_privileged", "PodmanArgs=--privileged"),
        ("bad-kept", "auto_remove", "PodmanArgs=--rm=false"),
        ("bad-shared-slice", "own_slice", "Slice=services-together.slice"),
        ("bad-new-privileges", "no_new_privileges", "[Container]"),
        ("bad-no-memory-limit", "memory_limited", "[Service]"),
        ("bad-seccomp-unconfined", "seccomp_filtered", "SeccompProfile=unconfined"),
        ("inpod1", "private_user_namespace", "Pod=stack.pod"),
    ],
)
def test_a_finding_stands_at_the_line_that_causes_it(lab: Examination, name: str, check: str, line: str) -> None:
    (subject,) = (one for one in lab.subjects if Path(one.file).stem == name)
    place = dict(subject.places)[check]
    assert Path(place.file).read_text().splitlines()[place.line - 1] == line


def test_a_secure_quadlet_passes_every_check_that_can_be_declared() -> None:
    (subject,) = examine_quadlets([GOOD], []).subjects
    verdicts = {finding.check: finding.outcome.verdict for finding in subject.findings}
    assert {verdicts[check.id] for check in CHECKS if check.declared} <= {Verdict.PASS, Verdict.NOT_APPLICABLE}
    assert subject.places == ()


def test_a_check_that_what_is_asked_for_does_not_decide_does_not_apply() -> None:
    (subject,) = examine_quadlets([GOOD], []).subjects
    undecided = {check.id for check in CHECKS if check.declared is None}
    assert all(one.outcome.verdict is Verdict.NOT_APPLICABLE for one in subject.findings if one.check in undecided)


def test_two_quadlets_of_one_slice_are_told_of_each_other_only_beside_each_other() -> None:
    other = replace(GOOD, path="db.container", container=replace(ASKED, name="db", mounts=()))
    for tree, shared in (("quadlets", True), ("elsewhere", False)):
        examination = examine_quadlets([GOOD, replace(other, tree=tree)], [])
        assert ("own_slice" in failing(examination)["web"]) is shared


def test_two_quadlets_of_one_source_are_told_of_each_other_only_beside_each_other() -> None:
    other = replace(GOOD, path="db.container", container=replace(ASKED, name="db"))
    of_sources = {"shared_volumes_idmapped", "label_not_shared_twice"}
    for tree, found in (("quadlets", of_sources), ("elsewhere", set[str]())):
        examination = examine_quadlets([GOOD, replace(other, tree=tree)], [])
        assert failing(examination)["web"] & of_sources == found


def test_a_file_that_nobody_asked_for_counts_and_is_not_judged() -> None:
    other = replace(GOOD, path="db.container", container=replace(ASKED, name="db", mounts=()), asked=False)
    assert failing(examine_quadlets([GOOD, other], [])) == {"web": {"own_slice"}}


def test_problems_are_sentences_with_their_place() -> None:
    problems = [QuadletProblem(FILE, 3, "odd."), QuadletProblem(FILE, 0, "odd."), QuadletProblem(FILE, 3, "odd.")]
    assert examine_quadlets([], problems).problems == ("web.container:3: odd.", "web.container: odd.")


def test_what_is_lacking_is_lacking_in_the_file_not_in_a_drop_in_of_many() -> None:
    shared = Request("[Service]", Origin("container.d/all.conf", 1))
    assert place_of(memory_limited.CHECK, replace(GOOD, requests=(GOOD.requests[0], shared))) == Place(FILE, 1)
    limit = Request("MemoryMax", Origin("container.d/all.conf", 2))
    assert place_of(memory_limited.CHECK, replace(GOOD, requests=(*GOOD.requests, limit))).line == 2


def asked_of(root: Path, **files: str) -> dict[str, set[str]]:
    """What fails in quadlets of these lines of [Container]."""
    for stem, lines in files.items():
        (root / f"{stem}.container").write_text(f"[Container]\nImage=a/b\n{lines}\n")
    return failing(examine_quadlets(*read_quadlets([root])))


def test_ids_and_labels_that_two_files_ask_for_are_told(tmp_path: Path) -> None:
    mapped = "UIDMap=0:200000:1000\nGIDMap=0:200000:1000\n"
    level = "SecurityLabelLevel=s0:c1,c2\n"
    found = asked_of(tmp_path, a=mapped + level, b="UIDMap=0:200999:10\n" + level, c="UIDMap=0:201009:10\n")
    shared = {"user_namespace_disjoint", "selinux_unique_label"}
    assert {name: checks & shared for name, checks in found.items()} == {"a": shared, "b": shared, "c": set()}


@pytest.mark.parametrize(
    ("lines", "check", "fails"),
    [
        ("AddDevice=-/dev/fuse", "no_added_devices", True),
        ("Unmask=ALL", "paths_masked", True),
        ("Unmask=/proc/kcore:/sys/firmware", "paths_masked", True),
        ("Mask=/proc/cpuinfo", "paths_masked", False),
        ("PodmanArgs=--security-opt unmask=/proc/sys", "paths_masked", True),
        ("Unmask=/proc/*", "paths_masked", True),
        ("AppArmor=unconfined", "apparmor_confined", True),
        ("AppArmor=mine", "apparmor_confined", False),
        ("GlobalArgs=--root /srv/storage", "images_in_system_storage", True),
        ("GlobalArgs=--log-level=debug", "images_in_system_storage", False),
        ("Network=host", "no_host_namespaces", True),
        ("PodmanArgs=--uts=host", "no_host_namespaces", True),
        ("UserNS=auto", "no_host_namespaces", False),
        ("Volume=/run/podman/podman.sock:/x.sock", "no_host_path_of_the_system", True),
        ("Mount=type=bind,src=/etc/passwd,dst=/p,ro", "no_host_path_of_the_system", True),
        ("Volume=/etc/localtime:/etc/localtime:ro", "no_host_path_of_the_system", False),
        ("PodmanArgs=--memory=64m", "swap_limited", False),
        ("PodmanArgs=--memory=64m --memory-swap=-1", "swap_limited", True),
        ("PodmanArgs=--cgroup-conf=memory.high=32M", "memory_high_set", False),
        ("", "image_pinned", True),
        ("PodmanArgs=--gpus all", "no_added_devices", True),
        ("PodmanArgs=--device-cgroup-rule='c 1:3 rwm'", "no_added_devices", True),
        ("PodmanArgs=--cpus=1 --cgroups=disabled", "cpu_limited", True),
        ("PodmanArgs=--cpus=1", "cpu_limited", False),
    ],
)
def test_a_key_decides_its_check(tmp_path: Path, lines: str, check: str, fails: bool) -> None:  # noqa: FBT001
    assert (check in asked_of(tmp_path, a=lines)["a"]) is fails


WALLS_OF_NAMESPACES = {"no_host_namespaces"}
WALLS_OF_IDS = {"private_user_namespace", "user_namespace_disjoint"}
WALLS_OF_LABELS = {"selinux_confined", "selinux_unique_label"}
WALLS_OF_MOUNTS = {
    *("no_host_path_of_the_system", "volumes_labelled_private", "volumes_nosuid_nodev"),
    *("shared_volumes_idmapped", "label_not_shared_twice"),
}


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        ("UserNS=auto", set[str]()),
        ("UserNS=auto\nPodmanArgs=--volumes-from=db", WALLS_OF_MOUNTS),
        ("UserNS=auto\nNetwork=container:db", WALLS_OF_NAMESPACES | {"macvlan_network"}),
        ("UserNS=auto\nPodmanArgs=--network=ns:/proc/1/ns/net", WALLS_OF_NAMESPACES | {"macvlan_network"}),
        ("UserNS=auto\nPodmanArgs=--pid=container:db", WALLS_OF_NAMESPACES | WALLS_OF_LABELS),
        ("UserNS=container:db", WALLS_OF_NAMESPACES | WALLS_OF_IDS),
        ("PodmanArgs=--pod=x", WALLS_OF_NAMESPACES | WALLS_OF_IDS | WALLS_OF_LABELS | {"macvlan_network"}),
    ],
)
def test_a_wall_that_is_taken_from_another_container_is_unknown(tmp_path: Path, lines: str, unknown: set[str]) -> None:
    assert {check for check, verdict in verdicts_of(tmp_path, lines).items() if verdict is Verdict.UNKNOWN} == unknown


@pytest.mark.parametrize(
    ("lines", "check"),
    [
        ("PodmanArgs=--pod=x --pid=host", "no_host_namespaces"),
        ("Volume=/etc:/host:ro\nPodmanArgs=--volumes-from=db", "no_host_path_of_the_system"),
        ("SecurityLabelDisable=true\nPodmanArgs=--pid=container:db", "selinux_confined"),
    ],
)
def test_a_wall_that_is_opened_fails_whatever_else_is_taken_from_another(
    tmp_path: Path, lines: str, check: str
) -> None:
    assert verdicts_of(tmp_path, lines)[check] is Verdict.FAIL


def verdicts_of(root: Path, lines: str) -> dict[str, Verdict]:
    """What is found in a quadlet of these lines of [Container]."""
    (root / "a.container").write_text(f"[Container]\nImage=a/b\n{lines}\n")
    (subject,) = examine_quadlets(*read_quadlets([root])).subjects
    return {finding.check: finding.outcome.verdict for finding in subject.findings}
