"""How long a reading of ZFS takes in the emulated host, beside `zfs list` of the same, and what it does to fsync.

    LAB_NAME=dev .venv/bin/python -m tests.lab.bench_zfs 10 1000 10000

A pool of its own in a file, destroyed at the end. The guest is emulated: only ratios of two figures mean anything.
"""

from __future__ import annotations

import subprocess
import sys

from tests.lab.agent import packed
from tests.lab.machine import Machine

DIRECTORY = "/var/tmp/bench-zfs"
IN_GUEST = r"""
import os, resource, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from libzfs_core import lzc_create
from exporter.facts.reading import Unreadable
from exporter.sources.zfs import MountedDatasetSource, ZfsSource
from exporter.sources.zfs.listing import ALL_FIELDS, dataset_columns

POOL, FILE = "bench", "/var/tmp/bench-zfs/disk"
COLUMNS = dataset_columns(ALL_FIELDS)

def run(*words):
    return subprocess.run(words, check=True, capture_output=True).stdout

class Fsync(threading.Thread):
    # Writes and waits for the disk, over and over, and notes how long each took.
    def __init__(self):
        super().__init__(daemon=True)
        self.took, self.ends = [], threading.Event()
    def run(self):
        with open("/var/tmp/bench-zfs/mount/file", "wb", buffering=0) as file:
            while not self.ends.is_set():
                began = time.monotonic()
                file.write(b"x" * 4096)
                os.fsync(file.fileno())
                self.took.append(time.monotonic() - began)
                time.sleep(0.02)

def beside(title, work):
    fsync = Fsync()
    fsync.start()
    time.sleep(0.2)
    began = time.monotonic()
    try:
        note = work()
    except Unreadable as error:
        note = error
    took = time.monotonic() - began
    fsync.ends.set()
    fsync.join()
    times = sorted(fsync.took)
    shown = " ".join(f"{1000 * times[min(len(times) - 1, int(len(times) * share))]:6.0f}" for share in (0.5, 0.95, 1))
    print(f"  {title:30} {took:7.2f} s; fsync {len(times):5} times: {shown} ms; {note or ''}", flush=True)
    return str(note)

class OnlyThisPool(type(Path())):
    def iterdir(self):
        return (one for one in super().iterdir() if self.name != "zfs" or one.name == POOL)

def source(**bounds):
    return ZfsSource(OnlyThisPool("/proc/spl/kstat/zfs"), **bounds)

def told(reader):
    found = reader.read()
    count = len(found) if isinstance(found, tuple) else len(found.datasets)
    return f"{count} datasets {' '.join(reader.problems)}"

def listed():
    run("zfs", "list", "-Hp", "-o", COLUMNS, "-t", "filesystem,volume", "-r", POOL)
    return f"largest child so far {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MiB"

run("truncate", "-s", "2G", FILE)
run("zpool", "create", "-f", "-O", "mountpoint=none", POOL, FILE)
try:
    run("zfs", "create", "-o", "mountpoint=/var/tmp/bench-zfs/mount", f"{POOL}/fsync")
    made = 2
    for count in map(int, sys.argv[1:]):
        began = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            names = [f"{POOL}/d{number:05}".encode() for number in range(made, count)]
            list(pool.map(lambda name: lzc_create(name, "zfs", {b"quota": 64 << 20}), names))
        made = max(made, count)
        print(f"{count} datasets, made in {time.monotonic() - began:.0f} s; fsync: median, 95 %, most", flush=True)
        beside("nothing", lambda: time.sleep(5))
        beside("zfs list -Hp, all columns", listed)
        if count <= 1000:
            reader = source(budget_seconds=1e6, deadline_seconds=1e6)
            beside("ZfsSource, names and figures", lambda: told(reader))
            beside("ZfsSource, figures", lambda: told(reader))
        shipped = source()
        note = beside("ZfsSource, bounds as shipped", lambda: told(shipped))
        for _ in range(30):
            if note.startswith(f"{count} "):
                break
            time.sleep(20)
            note = beside("  its next reading", lambda: told(shipped))
        mounted = frozenset(f"{POOL}/d{number:05}" for number in range(2, min(count, 42)))
        quick = MountedDatasetSource(lambda: mounted)
        told(quick)
        beside("MountedDatasetSource, pyzfs", lambda: told(quick))
finally:
    subprocess.run(("zpool", "destroy", POOL))
"""


def main() -> int:
    """Run it with the numbers of the command line."""
    counts = [str(int(word)) for word in sys.argv[1:]] or ["10", "1000"]
    lab = Machine.named()
    lab.run(f"rm -rf {DIRECTORY} && mkdir -p {DIRECTORY} && tar -C {DIRECTORY} --no-same-owner -x", stdin=packed())
    try:
        run = f"cd {DIRECTORY} && python3 - {' '.join(counts)}"
        return subprocess.run(lab.ssh_command(run), check=False, input=IN_GUEST.encode(), timeout=7200).returncode
    finally:
        lab.run(f"rm -rf {DIRECTORY}", check=False)


if __name__ == "__main__":
    sys.exit(main())
