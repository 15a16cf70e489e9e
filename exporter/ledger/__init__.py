"""The ledger: OOM kills, restarts, starts and exits, each counted exactly once, and remembered.

Nothing on a host remembers both how many and of whom. So for each thing counted, one source is the authority on
how many, others report of whom, and what they report is matched against it, never added to it. docs/ledger.md
explains this with an example.

    counted        authority on how many                    evidence of whom, and what covers its holes
    OOM kills      oom_kill of the slices' memory.events:   oom_kill of the container's own cgroups (read at once),
                   they outlive containers and services     lines of the kernel's log by /dev/kmsg and journal
                                                            (one kill, one stamp and pid: told twice, counted once),
                                                            systemd's word that a unit lost a process (used last)
    ... by limit   the same kills                           oom_memcg of the line; else memory.events.local oom of
                                                            the levels, if one alone rose; else unknown
    ... by oomd    the journal: N_PROCESSES                 (the kernel does not count systemd-oomd's kills)
    restarts       the journal's scheduled restarts, each   NRestarts on D-Bus says where to begin, and fills in what
                   with its number; podman's RestartCount   the journal has lost
                   by container id for its own policy
    starts, exits  podman's events, by time, id and action  systemd's unit results and stop jobs tell the reason
                   (an end told twice is one: a start lies
                   between two ends)
    SELinux        audit's time and serial number, told by    the label's MCS categories, and the process' cgroup, say
    denials        kernel's log, journal and audit.log        of whom (see `denials`)
    host           oom_kill of /proc/vmstat, boot by boot

Cases:

    a container with a slice of its own is killed      the slice rose: counted, also if it happened while nobody
                                                       watched, and whatever became of service, container and line
    one in a slice of several is killed                the slice rose: open; a line or the container's own count
                                                       says whose; else unattributed after 30 s, never guessed
    one is killed and its cgroup is gone at once       the line tells; rate-limited lines: as above
    a worker inside is killed, the container lives     as above: processes are counted, not containers
    a service beside it, no container, is killed       its line takes the kill from the slice; no container's
    the slice is stopped, or made anew                 another inode is another life; its parent slice still has the
                                                       sum of what was not read, for lines of that slice alone
    a line names a slice that was never read           waits until that slice was looked for
    the journal has not caught up                      nothing is called unattributed meanwhile, for 5 min at the most
    its name is not known yet                          open, as in a slice of several: an id is never used as a name
    NRestarts tells before the journal does            counted; what the journal tells late cancels against it
    a settlement fails half-way                        none of it holds; it is done again from where the disk is
    the agent was down                                 slices went on counting; the journal is read from its cursor
    the host was rebooted                              slices begin at 0; of the old boot, lines of a time after the
                                                       last reading are new, all others are told already
    a line comes late, or again                        it cancels against what was attributed without it, or its
                                                       stamp is known: nothing is added
    the unit is started by hand                        NRestarts and N_RESTARTS begin at 0: no restart is counted
    the state directory is full or read-only           counting goes on in memory; rows are written when they can be

Totals and the cursors of all sources are one transaction. Times are CLOCK_MONOTONIC: a wall clock may jump.
"""

from exporter.ledger.ledger import Batch, Ledger, Refused, RestartCount
from exporter.ledger.state import Identities, Now, State
from exporter.ledger.store import Store

__all__ = ["Batch", "Identities", "Ledger", "Now", "Refused", "RestartCount", "State", "Store"]
