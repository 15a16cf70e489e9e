"""The image is named by its digest, so that what runs is what was chosen.

Declared and in force are one: podman resolves the name when it makes the container. A tag of a registry may be moved
by whoever may push there. An image that was built on this host has no registry: its tag moves only here, by
root's hand, and the check does not apply.

    docker.io/library/redis@sha256:9f3c...       pinned
    docker.io/library/redis:7                    not pinned
    localhost/objects:1                          built here
"""

from __future__ import annotations

import re

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity

_DIGEST = re.compile(r".+@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})")
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")
# `oci:5000/team/app` is a registry of that name, with its port: no path of a transport is taken for granted there.
_TRANSPORT = re.compile(r"(containers-storage|dir|docker-archive|docker-daemon|oci|oci-archive|sif):(?![0-9]{1,5}/).+")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the image's name."""
    if subject.container is None:
        return unknown("podman did not say")
    image = subject.container.image.removeprefix("docker://")
    if not image or image.startswith("/"):
        return not_applicable("no image: its root is a directory")
    if _DIGEST.fullmatch(image) or _IMAGE_ID.fullmatch(image):
        return passed("image named by digest")
    if image.startswith("localhost/"):
        return not_applicable("built on this host: no registry can move it")
    if _TRANSPORT.fullmatch(image):
        return not_applicable("from no registry")
    return failed("image named by a tag that can move", image[:200])


CHECK = Check(
    id="image_pinned",
    title="Image is pinned",
    severity=Severity.WARNING,
    why="Whoever may push to the registry may put another image under a tag; under a digest nobody can.",
    fix_quadlet="Image=NAME@sha256:..., as podman image inspect --format '{{.RepoDigests}}' NAME tells",
    fix_podman="podman run NAME@sha256:...",
    references=("podman-pull(1)", "OCI image specification: digests", "CIS Docker 4.5"),
    examine=examine,
    declared=examine,
    causes=("Image", "[Container]"),
)
