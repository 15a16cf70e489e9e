"""What was told line by line: the kernel's log, and the journal that keeps it and systemd's own words."""

from exporter.sources.log.journal import JournalSource
from exporter.sources.log.kernel import KernelLogSource

__all__ = ["JournalSource", "KernelLogSource"]
