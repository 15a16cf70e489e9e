from __future__ import annotations

from pathlib import Path

from exporter.app.example import build_example_agent
from exporter.app.reload import Standards
from exporter.config import Config
from exporter.facts.podman import PodmanSocket


def test_the_example_host_says_whether_the_host_beneath_it_has_podman_as_it_is_then(tmp_path: Path) -> None:
    socket = tmp_path / "podman.sock"
    config = Config(podman_sockets=(PodmanSocket(f"unix://{socket}"),))
    agent = build_example_agent(config, Standards(config))
    assert agent.report().has_podman is False
    socket.touch()
    assert agent.report().has_podman is True
