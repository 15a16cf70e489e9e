"""Podman's containers, through its REST API over unix sockets."""

from exporter.sources.podman.source import PodmanSource

__all__ = ["PodmanSource"]
