"""What was told line by line: the kernel's log, the journal that keeps it and systemd's own words, and auditd's log."""

from exporter.sources.log.audit import AuditLogSource
from exporter.sources.log.denial import located
from exporter.sources.log.journal import JournalSource
from exporter.sources.log.journald import JournaldSource
from exporter.sources.log.kernel import KernelLogSource

__all__ = ["AuditLogSource", "JournalSource", "JournaldSource", "KernelLogSource", "located"]
