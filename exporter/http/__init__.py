"""HTTP: /metrics, the landing page at /, /-/healthy and /-/ready."""

from exporter.http.connections import Patience
from exporter.http.gate import Gate
from exporter.http.listen import NoIpv6Loopback, ServeError, opened, passed_by_systemd, reaches_beyond_this_host
from exporter.http.server import Server
from exporter.http.tls import TlsError

__all__ = [
    "Gate",
    "NoIpv6Loopback",
    "Patience",
    "ServeError",
    "Server",
    "TlsError",
    "opened",
    "passed_by_systemd",
    "reaches_beyond_this_host",
]
