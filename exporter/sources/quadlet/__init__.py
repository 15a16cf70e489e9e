"""Quadlets: what the generator made of them on this host, what not, and what their files say before deployment."""

from exporter.sources.quadlet.generated import QuadletSource
from exporter.sources.quadlet.unmade import UnmadeQuadletSource

__all__ = ["QuadletSource", "UnmadeQuadletSource"]
