"""Settings: the defaults, /etc/bulkhead/config.toml, and the flags of the command line, in this order.

    listen = ":9946"
    podman_sockets = ["/run/podman/podman.sock", "alice=/run/user/1000/podman/podman.sock"]

    [clocks]
    zfs_seconds = 300

    [thresholds]
    memory_warning_ratio = 0.85

Whatever is wrong is told together, each with its line, what was found and what is allowed.
"""

from exporter.config.alertmanagers import Alertmanager, alertmanager_url
from exporter.config.reader import DEFAULT_PATH, ConfigError, Problem, load
from exporter.config.settings import Alerts, Config, Log, Series, Vocabulary, Web, Zfs
from exporter.config.values import NotAllowed, listen_address
from exporter.config.waivers import CheckIds

__all__ = [
    "DEFAULT_PATH",
    "Alertmanager",
    "Alerts",
    "CheckIds",
    "Config",
    "ConfigError",
    "Log",
    "NotAllowed",
    "Problem",
    "Series",
    "Vocabulary",
    "Web",
    "Zfs",
    "alertmanager_url",
    "listen_address",
    "load",
]
