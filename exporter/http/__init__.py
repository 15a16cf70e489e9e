"""HTTP: /metrics, the landing page at /, /-/healthy and /-/ready."""

from exporter.http.connections import Patience
from exporter.http.listen import NoIpv6Loopback, ServeError, opened, passed_by_systemd
from exporter.http.server import Server

__all__ = ["NoIpv6Loopback", "Patience", "ServeError", "Server", "opened", "passed_by_systemd"]
