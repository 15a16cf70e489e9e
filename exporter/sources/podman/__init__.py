"""Podman's containers, through its REST API over unix sockets."""

from exporter.facts.podman import PodmanSocket
from exporter.sources.podman.source import PodmanSource

__all__ = ["PodmanSocket", "PodmanSource"]
