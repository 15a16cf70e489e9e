"""Runs `zfs` and `zpool`: with a deadline, bounded output, and none on a pool where one hangs.

LC_ALL=C TZ=UTC0 zfs list -Hp -o name,used -t filesystem,volume -r tank
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.facts.reading import Unreadable
from exporter.sources.deadline import SEARCH_PATH, NotEnded, NotInstalled, ProgramError, Programs

MAX_OUTPUT_BYTES = 16 << 20  # about 150,000 datasets
_MAX_COMPLAINT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed. `zfs list A B` prints A and fails when B is gone, so both may hold."""

    output: bytes
    complaint: str  # first line of standard error, bounded; "" when it ended well


class Commands:
    """Runs ZFS commands, none on a pool where an earlier one still hangs."""

    def __init__(
        self,
        search_path: str = SEARCH_PATH,
        grace_seconds: float = 1.0,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        self._search_path = search_path
        self._max_output_bytes = max_output_bytes
        self._programs = Programs(search_path, max_output_bytes, grace_seconds)

    def run(self, pool: str, command: tuple[str, ...], deadline_seconds: float) -> Answer:
        """The command's answer. Raises Unreadable: not installed, too slow, too much, or an earlier one still hangs."""
        name = " ".join(command[:2])
        try:
            ended = self._programs.run(pool, command, deadline_seconds)
        except NotInstalled as error:
            raise Unreadable(
                f"The zfs module is loaded but {self._search_path} has no `{command[0]}`: "
                "install zfsutils-linux (Debian) or zfs (OpenZFS's RPM packages)"
            ) from error
        except NotEnded as error:
            raise Unreadable(f"Pool {pool}: `{name}` {error}: see `dmesg` for what its devices do") from error
        except ProgramError as error:
            raise Unreadable(f"Pool {pool}: `{name}` {error}") from error
        if not ended.status:
            return Answer(ended.output, "")
        complaint = first_line(ended.complaint.strip().decode("ascii", "replace"))
        return Answer(ended.output, complaint or f"exit status {ended.status}")


def first_line(text: str) -> str:
    """The first line of what a command or a library complains of, bounded and printable."""
    line = text.split("\n", 1)[0][:_MAX_COMPLAINT_CHARACTERS]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
