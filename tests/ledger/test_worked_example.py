"""The worked example of docs/ledger.md: its table has the numbers that the ledger has."""

from __future__ import annotations

from pathlib import Path

from tests.ledger.test_kill_guards import SHARED, Host, Slice

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()


def claims(of: dict[str, int]) -> str:
    names = {"?": "nobody"}
    return ", ".join(f"{names.get(holder, holder)} {count}" for holder, count in sorted(of.items())) or "-"


def row(moment: str, host: Host, *, boot: str = "boot1") -> str:
    """A row of the table: the book of /system.slice in this boot, and the totals."""
    book = next(book for book in host.ledger._state.slices.values() if (book.path, book.boot) == (SHARED, boot))
    totals = ", ".join(f"{name or 'unattributed'} {count}" for name, count in sorted(host.kills.items())) or "-"
    numbers = (book.last, book.counted, claims(book.proven), claims(book.unproven), book.open, book.unexplained, totals)
    return f"| {moment} | " + " | ".join(str(number) for number in numbers) + " |"


def test_the_table_has_the_numbers_that_the_ledger_has() -> None:
    host = Host()
    rows = []
    host.settle({SHARED: Slice(0)}, own={"mail": 0, "dns": 0})
    rows.append(row("1. the first reading", host))
    host.settle({SHARED: Slice(1)}, own={"mail": 1, "dns": 0})
    rows.append(row("2. mail loses a process", host))
    host.settle({SHARED: Slice(2)}, host.line("dns"), own={"mail": 1})
    rows.append(row("3. dns is killed and its cgroup is gone", host))
    host.settle({SHARED: Slice(3)}, own={"mail": 1})
    rows.append(row("4. a kill without any evidence", host))
    host.settle({SHARED: Slice(3)}, own={"mail": 1}, after=31)
    rows.append(row("5. 31 s later", host))
    host.settle({SHARED: Slice(3)}, host.line("dns", ago=32), own={"mail": 1})
    rows.append(row("6. its line comes late", host))
    told = host.line("mail")
    host.reboot()
    host.settle({SHARED: Slice(0)}, told)
    rows.append(row("7. a kill just before a reboot, the book of before", host))
    rows.append(row("8. the book of after the reboot", host, boot="boot2"))
    shown = [line for line in PAGE.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert shown == rows
