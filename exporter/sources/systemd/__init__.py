"""What systemd says of the units that run containers: its D-Bus API, asked through pydbus.

org.freedesktop.systemd1(5). Two calls: `Manager.ListUnitsByNames` gives a row a unit, and `Properties.GetAll` of the
type's own interface gives the rest, read again only when the unit has changed:

    ("a.service", "A", "loaded", "active", "running", "", "/org/freedesktop/systemd1/unit/a_2eservice", 0, "", "/")
    {"NRestarts": 4, "Result": "success", "MemoryMax": 512000000, "RestartUSec": 10000000, ...}
"""

from exporter.sources.systemd.source import SystemdSource

__all__ = ["SystemdSource"]
