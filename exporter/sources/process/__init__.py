"""What the kernel has in force for every process of a container, and every conmon: /proc.

https://docs.kernel.org/filesystems/proc.html. `parse` turns texts into facts, `source` reads the
processes of containers, `conmon` finds the monitors that name them.
"""

from exporter.sources.process.source import ProcessSource

__all__ = ["ProcessSource"]
