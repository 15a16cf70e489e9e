"""ZFS: datasets, quotas, pools and I/O, by the cheapest way that does not stall the pool.

Three ways, each for what it is good at (measured on OpenZFS 2.3.9, the same emulated host):

- kernel statistics below /proc/spl/kstat/zfs: pool state and I/O; no root, no fork, answers even
  while a pool hangs; knows no sizes (`kstat`).
- `zfs list`, `zpool list` and `zpool status` on a slow clock, for each pool on its own: everything;
  `zfs list` holds the pool's configuration lock for one dataset at a time. It costs as much for a
  name alone as for all figures of it, so names are listed seldom where there are thousands, and
  figures for 200 of them at a time, within a bound on time (`command`, `listing`, `status`,
  `named`, `roll`, `rota`, `storage`).
- a channel program through pyzfs for the few datasets that containers mount: no fork, but it
  holds that lock for its whole run and so stalls the pool's sync: hence few properties, batches
  of 20, a bound on time (`program`, `mounted`).

**A pool that hangs costs its own figures and nothing else.** A command or ioctl on it may sleep in
the kernel where no signal reaches it. So a pool whose kernel statistics say `suspended` is not
asked at all, nothing is waited for beyond its deadline, and while one call to a pool still sleeps
no second one is started. Its state and I/O are served all the while; its datasets are not
(absent, not stale) and the source's `problems` say why.
"""

from exporter.sources.zfs.kstat import KSTAT_DIRECTORY
from exporter.sources.zfs.mounted import MountedDatasetSource
from exporter.sources.zfs.program import load_pyzfs
from exporter.sources.zfs.storage import ZfsSource

__all__ = ["KSTAT_DIRECTORY", "MountedDatasetSource", "ZfsSource", "load_pyzfs"]
