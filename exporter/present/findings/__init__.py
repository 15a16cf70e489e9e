"""An examination in every form that people and programs take: a table, JSON, SARIF, JUnit XML."""

from exporter.present.findings.document import document
from exporter.present.findings.junit import junit
from exporter.present.findings.sarif import sarif
from exporter.present.findings.table import table

__all__ = ["document", "junit", "sarif", "table"]
