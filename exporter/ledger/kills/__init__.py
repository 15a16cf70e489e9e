"""OOM kills, each counted once: slices say how many, evidence says of whom.

A settlement takes the counts of all slices, read parents first, and of living containers, and does this:

1. What a slice's oom_kill rose by, less what its child slices rose by, is *open* in the slice (`books`).
2. Evidence (a container's own oom_kill, lines of the kernel's log) is a lower bound of the kills in one life
   (`evidence`). What of it is not credited yet claims what is open in the slice above (`attribution`).
3. What is left open in a slice of one container is claimed by that container, without evidence. In a slice of several
   it stays open for a while (a line may be late). Then a hint of systemd's claims it (`hints`), or it is unattributed.
4. Evidence that comes after that is used up by what was claimed without evidence: it adds nothing.
5. Where no slice was read (an old boot after its last reading, no memory controller), evidence is the count.
6. Which limit fired is found out separately, for kills that are counted already (`limits`).
"""

from exporter.ledger.kills.attribution import hear_oomd, settle
from exporter.ledger.kills.evidence import called_by, hear_kernel, hear_name, slices_to_ask
from exporter.ledger.kills.hints import hear_hint

__all__ = ["called_by", "hear_hint", "hear_kernel", "hear_name", "hear_oomd", "settle", "slices_to_ask"]
