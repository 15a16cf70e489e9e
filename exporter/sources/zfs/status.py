"""What `zpool status -p POOL` prints of errors and of the last scrub; the same text since OpenZFS 0.8.

      pool: tank
     state: ONLINE
      scan: scrub repaired 0B in 00:00:01 with 0 errors on Wed Nov 25 16:01:02 2026
    config:

        NAME        STATE     READ WRITE CKSUM
        tank        ONLINE       0     0     0
              mirror-0  ONLINE       0     0     0
                vdb     ONLINE       0     0     7
                vdc     ONLINE       0     0     0

    errors: No known data errors

`-j` has no more than this and is of 2.3 alone. Times are in the zone of the command: `Commands` says UTC.
A pool remembers one scan: while a scrub runs, and after a resilver, nobody knows when the last scrub ended.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from exporter.facts.storage import DeviceErrors, PoolStatus

_SCAN = re.compile(r" *scan: (.*)")
_FINISHED = re.compile(r"(scrub repaired|resilvered) .* with (\d{1,20}) errors on (.+)", re.ASCII)
# Of the rebuild of one device, its name stands in brackets.
_UNFINISHED = re.compile(r"(scrub|resilver)(?: \(.*\))? (in progress|paused|canceled) (?:since|on) .*")
_ENDINGS = {"in progress": "running", "paused": "paused", "canceled": "canceled"}
_GOING_ON = frozenset({"scrub_running", "scrub_paused", "resilver_running"})
_TABLE = re.compile(r"\tNAME +STATE +READ +WRITE +CKSUM.*")
# Devices may have spaces in their names; what is wrong with one follows its figures.
_DEVICE = re.compile(r"\t( *)(\S.*?) +[A-Z_]+ +(\d{1,20}) +(\d{1,20}) +(\d{1,20})(?: .*)?", re.ASCII)
_ERRORS = re.compile(r"errors: (?:(No known)|(\d{1,20})) data errors(?:,.*)?", re.ASCII)


def parse_status(raw: bytes) -> PoolStatus:
    """The errors and the scan of one pool; what is not told is None."""
    lines = raw.decode("utf-8", "replace").split("\n")
    scan, ended_at_seconds, errors = _scan(lines)
    return PoolStatus(
        device_errors=_device_errors(lines),
        data_errors=_data_errors(lines),
        scan=scan,
        scrub_ended_at_seconds=ended_at_seconds,
        scrub_errors=errors,
    )


def _scan(lines: list[str]) -> tuple[str, float | None, int | None]:
    # A rebuild of a device has a line of its own beside that of the last scan: what goes on now is told first.
    told = [_scan_line(found[1]) for line in lines if (found := _SCAN.fullmatch(line))]
    if not told:
        # Since 2.2 there is no line where there was no scan.
        return ("none" if any(map(_TABLE.fullmatch, lines)) else ""), None, None
    return next((one for one in told if one[0] in _GOING_ON), told[0])


def _scan_line(words: str) -> tuple[str, float | None, int | None]:
    finished, unfinished = _FINISHED.fullmatch(words), _UNFINISHED.fullmatch(words)
    if unfinished is not None:
        return f"{unfinished[1]}_{_ENDINGS[unfinished[2]]}", None, None
    if finished is None:
        return "none" if words == "none requested" else "", None, None
    if finished[1] == "resilvered":
        return "resilver_finished", None, None
    return "scrub_finished", _seconds(finished[3]), int(finished[2])


def _seconds(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _device_errors(lines: list[str]) -> DeviceErrors | None:
    """The sum over all devices; what a mirror or raidz counts beside them is what it could not repair."""
    begin = next((number for number, line in enumerate(lines) if _TABLE.fullmatch(line)), len(lines))
    rows = []
    for line in lines[begin + 1 :]:
        if not line.startswith("\t"):
            break
        if found := _DEVICE.fullmatch(line):
            rows.append((len(found[1]), int(found[3]), int(found[4]), int(found[5])))
    deeper = [*(row[0] for row in rows[1:]), 0]
    leaves = [row for row, depth_below in zip(rows, deeper, strict=False) if depth_below <= row[0]]
    if not leaves:
        return None
    read, write, checksum = (sum(row[column] for row in leaves) for column in (1, 2, 3))
    return DeviceErrors(read, write, checksum)


def _data_errors(lines: list[str]) -> int | None:
    for line in lines:
        if found := _ERRORS.fullmatch(line):
            return 0 if found[1] else int(found[2])
    return None
