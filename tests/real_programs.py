"""Real programs on loopback for tests: started, waited for, and ended."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def eventually(holds: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        try:
            if holds():
                return True
        except OSError:
            pass  # it is still starting
        time.sleep(0.1)
    return False


@contextmanager
def program(directory: Path, *arguments: str) -> Iterator[None]:
    with (directory / f"{arguments[0]}.log").open("wb") as told:
        process = subprocess.Popen(arguments, cwd=directory, stdout=told, stderr=told)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def alertmanager(directory: Path, config_file: str) -> Iterator[str]:
    """A real Alertmanager with a configuration that is in the directory; its address."""
    address = f"127.0.0.1:{free_port()}"
    with program(
        directory,
        "prometheus-alertmanager",
        f"--config.file={config_file}",
        "--storage.path=alertmanager-data",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ):
        assert eventually(lambda: asked(f"http://{address}/api/v2/status") is not None)
        yield f"http://{address}"
