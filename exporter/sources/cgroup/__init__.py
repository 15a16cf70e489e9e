"""What the kernel has in force and in use for every container: cgroup v2 files.

https://docs.kernel.org/admin-guide/cgroup-v2.html. `tree` finds the cgroups, `files` keeps their
files open, `parse` and `figures` turn the texts into facts, `source` does so on two clocks;
`slices` reads what containers that are not alive have left behind.
"""

from exporter.sources.cgroup.slices import SliceSource
from exporter.sources.cgroup.source import CgroupSource

__all__ = ["CgroupSource", "SliceSource"]
