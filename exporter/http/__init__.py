"""HTTP: /metrics, the landing page at /, /-/healthy and /-/ready."""

from exporter.http.connections import Patience
from exporter.http.listen import ServeError
from exporter.http.server import Server

__all__ = ["Patience", "ServeError", "Server"]
