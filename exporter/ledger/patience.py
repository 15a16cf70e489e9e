"""How long the ledger waits for late facts before it decides without them: all waits of this package, with reasons.

Times are microseconds of CLOCK_MONOTONIC. Each wait begins with the event in the second column.

    after     since                            the ledger ...                                    constant
    0.05 s    a count of the kernel changed    reads again; later if that takes much of a CPU    keeper._BURST_SECONDS
    1 s       a kill, and no start reported    takes the kill for one of the run before          START_REPORT_US
    5 s       the last settlement              settles, though nothing was heard                 keeper.TICK_SECONDS
    10 s      a line of the kernel's log       looks for its kill in slices further up           COUNT_US
    10 s      a container ended                decides on the reason of the exit                 EXIT_REASON_US
    10 s      `podman kill`                    takes an end for something nobody asked for       PODMAN_KILL_US
    30 s      a kill was counted               calls it unattributed; its limit unknown          EVIDENCE_US
    30 s      a unit lost a process            uses systemd's hint                               EVIDENCE_US
    30 s      NRestarts was read               counts restarts that the journal did not report   RESTART_DOUBT_US
    30 s      podman answered                  (keeps the cursor of podman so far behind it)     keeper._CURSOR_SECONDS
    60 s      a line of the kernel's log       takes its kill for one that was counted before    LATE_EVIDENCE_US
    60 s      a container ended                no longer connects a kill or a result to it       EXIT_CAUSE_US
    60 s      the start of the agent           counts without sources that have not answered     ANSWERS_US
    60 s      a container without a name       uses the head of its id as its name               NAME_US
    90 s      the last settlement              is reported as failed                             app.ledger
    120 s     a unit lost a process            forgets systemd's hint                            HINT_US
    120 s     a restart of an unknown unit     drops it: the unit runs no container              RESTART_OWNER_US
    150 s     a line of the kernel's log       forgets that this line makes a hint needless      LINE_US
    180 s     a SELinux denial                 calls it unattributed                             DENIAL_OWNER_US
    300 s     the journal fell silent          decides without what the journal may still report JOURNAL_US
    300 s     a stop job of a unit             takes an end for something nobody asked for       STOP_US
    600 s     NRestarts was read               gives later restarts no time (it is not known)    RESTART_TIME_US
    600 s     the start of the agent           names owners without systemd's slices             UNITS_US
    1 h       evidence in a container's life   forgets a life of which all is counted            LIFE_US
    7 days    a container was last seen        forgets the container (configuration: forget_days) config
"""

from __future__ import annotations

_SECOND_US = 1_000_000

# --- who is who

ANSWERS_US = 60 * _SECOND_US
"""How long all sources are waited for after the start. A podman that hangs is no reason to count nothing."""

NAME_US = 60 * _SECOND_US
"""How long a container may be without a name. podman, or conmon's command line, has it within a second or two."""

UNITS_US = 600 * _SECOND_US
"""How long systemd's answer for the units of all quadlets is waited for. Until then kills in slices that may be shared
stay open; a systemd that does not answer for so long is no reason to leave kills without a name, or unreported."""

# --- kills

COUNT_US = 10 * _SECOND_US
"""How long a line of the kernel's log waits for the count of its own slice.

The kernel prints its line before it counts the kill. The keeper reads every 5 s, so two readings lie in this time.
"""

EVIDENCE_US = 30 * _SECOND_US
"""How long an open kill waits for evidence of its container, and a given one for the limit that fired.

kmsg is read at once and the journal within seconds; a host that is short of memory is slower.
"""

LATE_EVIDENCE_US = 2 * EVIDENCE_US
"""After this time, evidence is of a kill that was given without evidence: none that is still open is so old."""

HINT_US = 4 * EVIDENCE_US
"""How long a hint of systemd's is kept. systemd may see a kill many seconds late, and a hint is used after a wait."""

LINE_US = HINT_US + EVIDENCE_US
"""How long the times of a life's lines are kept: as long as a hint of the same kill may come and be used."""

LIFE_US = 3600 * _SECOND_US
"""How long the evidence of a life is kept once all of it is counted: the journal may report a kill again."""

# --- exits

START_REPORT_US = 1 * _SECOND_US
"""podman reports a start when the first process may have been killed already."""

EXIT_REASON_US = 10 * _SECOND_US
"""How long an exit waits for systemd's result, a stop job, or a kill that would be its reason."""

PODMAN_KILL_US = 10 * _SECOND_US
"""`podman kill` asked for an end that follows within this time; `podman kill -s HUP` ends nothing."""

EXIT_CAUSE_US = 60 * _SECOND_US
"""An end and what may be its cause (a kill, a unit's result) lie no further apart than this."""

STOP_US = 300 * _SECOND_US
"""A stop job may take its TimeoutStopSec (90 s by default) until the container has ended."""

# --- restarts

RESTART_DOUBT_US = 30 * _SECOND_US
"""How long the journal may lag behind NRestarts."""

RESTART_OWNER_US = 120 * _SECOND_US
"""How long a restart waits for the container of its unit: podman is asked every minute."""

RESTART_TIME_US = 600 * _SECOND_US
"""Restarts between two readings of NRestarts that are further apart are counted without a time."""

# --- SELinux denials

DENIAL_OWNER_US = 180 * _SECOND_US
"""How long a denial waits for its container: podman is asked every minute, and a busy podman may take another."""

# --- the journal

JOURNAL_US = 300 * _SECOND_US
"""How long everything waits for a journal that is not caught up; each move of its cursor begins the wait anew."""
