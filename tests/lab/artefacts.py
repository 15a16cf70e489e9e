"""What is slow to make is made once, kept by what it was made from, and used only if it is still whole.

A layer is a directory KIND-KEY in the cache. It is filled under another name, sealed, flushed to the disk and then
renamed, so a half-made layer is never used. Its seal lists every file with size, times and digest:

    {"root.img": {"size": 6442450944, "changed_ns": 1796000000000000000, "sha256": "9f2c..."}}

A file that still has size and change time (ctime, which no program can set) of the seal was not written since; any
other file is read and compared. A damaged layer is removed and made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.engine import LabError

CACHE = "LAB_CACHE"
READY = "LAB_READY"
"""Variables: the folder of everything that is kept, and a read-only folder with ready-made parts."""

KEPT_UNUSED_SECONDS = 3 * 86400
"""A layer that nobody used for so long is removed; a guest that runs from it keeps its open files."""

SEAL = "seal.json"
_CHUNK = 1 << 20


def cache_directory() -> Path:
    """Where every slow part is kept, outside the repository."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bulkhead-lab"


def ready_directory() -> Path:
    """Where somebody may have laid ready-made parts: `shared/lab` beside the checkout, if nothing else is said."""
    chosen = os.environ.get(READY)
    return Path(chosen) if chosen else Path(__file__).resolve().parents[3] / "shared" / "lab"


def say(text: str) -> None:
    """Progress, for a person who waits."""
    print(f"      {text}", flush=True)


def key(*parts: object) -> str:
    """A name for what these parts make."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def need_space(mib: int, what: str) -> None:
    """Raise a LabError unless the cache's disk has so much room for `what`."""
    free_mib = shutil.disk_usage(cache_directory()).free >> 20
    if free_mib < mib:
        raise LabError(
            f"{what} needs {mib} MiB below {cache_directory()}, and its disk has {free_mib} MiB left:"
            f" make room, or set {CACHE} to a folder on another disk"
        )


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Two makers at once would write the same files: the second waits, and then finds them made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as problem:
        raise LabError(
            f"the lab cannot write below {directory} ({problem}): set {CACHE} to a folder of your own"
        ) from problem
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another lab command that works in {directory}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: list[str], log: Path, what: str) -> None:
    """Run a step with its output in `log`; a LabError that names the log if it fails.

    Its mounts are in a namespace of their own and it ends with this process: however a build ends, nothing stays.
    """
    apart = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"]
    if os.geteuid() != 0:
        apart = []
    with log.open("ab") as output:
        done = subprocess.run(
            [*apart, *command], check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode:
        said = log.read_text(errors="replace").strip().splitlines() or [""]
        why = next((line for line in said if line.startswith("E: ")), said[-1])[:200]  # apt's own errors come first
        raise LabError(f"{what} failed ({command[0]} exited {done.returncode}: {why}); its output is in {log}")


def remove(directory: Path) -> None:
    """Remove a layer; never crosses into a mounted file system."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=True)


def layer(
    kind: str, of: str, make: Callable[[Path, Path], None], *, what: str, estimate_seconds: int, mib: int
) -> Path:
    """The directory of a layer with key `of`; `make(directory, log)` fills it if it is not there whole.

    `what`, `estimate_seconds` and `mib` say to a person what is being made, for how long and how large.
    """
    directory = cache_directory() / f"{kind}-{of}"
    problem = damage(directory) if directory.exists() else "it is not there"
    if problem is None:
        os.utime(directory)
        _remove_unused(kind, directory)
        return directory
    if os.geteuid() != 0:
        raise LabError(
            f"{what} can be made by root alone ({problem}): run `sudo make lab-build` with {CACHE} set alike"
        )
    if directory.exists():
        say(f"{what}: {directory.name} is damaged ({problem}) and is made anew")
        remove(directory)
    need_space(mib, what)
    say(f"{what}: about {_minutes(estimate_seconds)}")
    began = time.monotonic()
    partial = cache_directory() / f"{kind}-{of}.partial"
    remove(partial)
    partial.mkdir(parents=True)
    log = cache_directory() / f"{kind}.log"
    log.unlink(missing_ok=True)
    try:
        make(partial, log)
        seal(partial)
        os.sync()
        partial.rename(directory)
    except OSError as error:
        remove(partial)
        raise LabError(f"{what} failed: {error}") from error
    except BaseException:
        remove(partial)
        raise
    say(f"{what}: made in {_minutes(time.monotonic() - began)}")
    _remove_unused(kind, directory)
    return directory


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _remove_unused(kind: str, used: Path) -> None:
    for old in cache_directory().glob(f"{kind}-*"):
        if old != used and time.time() - old.stat().st_mtime > KEPT_UNUSED_SECONDS:
            remove(old)


def seal(directory: Path) -> None:
    """Write the seal of a directory that is complete; its files are not to be written any more."""
    found = {str(path.relative_to(directory)): path for path in sorted(directory.rglob("*")) if _is_sealed(path)}
    for path in found.values():
        path.chmod(path.stat().st_mode & 0o555)
    _write_seal(directory, {name: _look(path) | {"sha256": _digest(path)} for name, path in found.items()})


def damage(directory: Path) -> str | None:
    """What is wrong with a sealed directory, in words; None if it is as it was sealed."""
    try:
        sealed = json.loads((directory / SEAL).read_bytes())
    except (OSError, ValueError):
        return "it has no readable seal"
    looks = {}
    for name, wanted in sealed.items():
        try:
            looks[name] = look = _look(directory / name)
            if look["size"] != wanted["size"]:
                return f"{name} has {look['size']} bytes instead of {wanted['size']}"
            if look["changed_ns"] != wanted["changed_ns"] and _digest(directory / name) != wanted["sha256"]:
                return f"{name} is not what was written"
        except OSError as problem:
            return f"{name} cannot be read: {problem.strerror}"
    if any(looks[name]["changed_ns"] != wanted["changed_ns"] for name, wanted in sealed.items()):
        _write_seal(directory, {name: sealed[name] | look for name, look in looks.items()})
    return None


def _is_sealed(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.name != SEAL


def _look(path: Path) -> dict[str, int | str]:
    found = path.stat()
    return {"size": found.st_size, "changed_ns": found.st_ctime_ns}


def _write_seal(directory: Path, sealed: dict[str, dict[str, int | str]]) -> None:
    partial = directory / f"{SEAL}.partial"
    partial.write_text(json.dumps(sealed, indent=1))
    partial.rename(directory / SEAL)


def _digest(path: Path) -> str:
    """Digest of size and data; holes of a sparse file are passed over and count by where they are."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // _CHUNK * _CHUNK
            except OSError:  # ENXIO: only a hole is left
                break
            data = os.pread(file.fileno(), _CHUNK, at)
            if data.count(0) != len(data):  # a copy may have turned a hole into zeros
                digest.update(at.to_bytes(8, "little"))
                digest.update(data)
            at += _CHUNK
        digest.update(size.to_bytes(8, "little"))
    return digest.hexdigest()
