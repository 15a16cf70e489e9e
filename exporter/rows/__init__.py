"""Rows that outlive the agent, in a SQLite file: what the ledger counts, and the alerts that are still to be sent."""

from exporter.rows.file import Damaged, OtherFormat, Rows, Unavailable, Words, decoded
from exporter.rows.pages import Salvage

__all__ = ["Damaged", "OtherFormat", "Rows", "Salvage", "Unavailable", "Words", "decoded"]
