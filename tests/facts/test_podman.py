"""Where podman listens, in words and as a path."""

import pytest

from exporter.facts.podman import PodmanSocket


@pytest.mark.parametrize(
    ("url", "path", "place"),
    [
        ("unix:///run/podman/podman.sock", "/run/podman/podman.sock", "/run/podman/podman.sock (user alice)"),
        ("unix:///run/a?b#c", "/run/a?b#c", "/run/a?b#c (user alice)"),
        ("unix://other.host/run/podman.sock", "", "unix://other.host/run/podman.sock (user alice)"),
        ("tcp://192.0.2.1:8080", "", "tcp://192.0.2.1:8080 (user alice)"),
    ],
)
def test_a_socket_names_its_place(url: str, path: str, place: str) -> None:
    where = PodmanSocket(url, "alice")
    assert (where.path, where.place) == (path, place)
