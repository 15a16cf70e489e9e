from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.checks.container.image_pinned import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import IN_THE_DARK, fails, passes, verdict, with_container

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "image",
    [
        f"docker.io/library/redis@{DIGEST}",
        f"docker.io/library/redis:7@{DIGEST}",
        f"docker://docker.io/library/redis@{DIGEST}",
        f"localhost/lab@{DIGEST}",
        "sha512:".join(("registry.example.org:5000/a/b@", "b" * 128)),
        DIGEST,
        "b" * 64,
    ],
)
def test_a_digest_and_an_id_pass(image: str) -> None:
    assert passes(CHECK, with_container(image=image))


@pytest.mark.parametrize(
    "image",
    [
        "redis",
        "docker.io/library/redis:7",
        "docker.io/library/redis:latest",
        "localhost:5000/redis:7",
        "oci:5000/team/app:latest",
        "dir:5000/team/app",
        "sif:443/a:1",
        "quay.io/a/b@sha256:short",
        "x" * 5000,
    ],
)
def test_a_tag_fails(image: str) -> None:
    subject = with_container(image=image)
    assert fails(CHECK, subject)
    assert len(CHECK.examine(subject).detail) <= 200


@pytest.mark.parametrize(
    "image", ["localhost/objects:1", "localhost/objects", "/srv/root", "", "oci:/srv/image", "dir:5000", "oci:./5000/a"]
)
def test_what_comes_from_no_registry_is_not_judged(image: str) -> None:
    assert verdict(CHECK, with_container(image=image)) is Verdict.NOT_APPLICABLE


@given(st.text())
def test_a_text_without_a_digest_never_passes(image: str) -> None:
    assert verdict(CHECK, with_container(image=image)) is not Verdict.PASS


def test_without_podman_it_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
