"""Quadlets: what the generator made of them on this host, and what their files say before they are deployed."""

from exporter.sources.quadlet.generated import QuadletSource

__all__ = ["QuadletSource"]
