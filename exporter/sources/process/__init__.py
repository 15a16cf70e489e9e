"""What the kernel has in force for every process of a container, and every conmon: /proc.

https://docs.kernel.org/filesystems/proc.html. `parse` turns texts into facts, `source` reads the
processes of containers, `traffic` what goes through their interfaces, `conmon` finds the monitors
that name them.
"""

from exporter.sources.process.source import ProcessSource
from exporter.sources.process.traffic import TrafficSource

__all__ = ["ProcessSource", "TrafficSource"]
