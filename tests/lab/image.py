"""The one container image of the lab, made without a registry: busybox, its links, and `hold`.

Every byte is decided here, so its digest is known before the guest exists and quadlets can pin it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

from tests.lab.containers import IMAGE

HOLD = b"""#!/bin/sh
# Hold $1 MiB of anonymous memory until told to end: dd has read its whole block when the pipe, which nobody reads,
# stops it.
trap 'exit 0' TERM
dd if=/dev/zero bs="${1}M" count=1 2>/dev/null | sleep 2147483647 &
wait
"""


def _add(archive: tarfile.TarFile, name: str, data: bytes = b"", *, link: str = "", directory: bool = False) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o755
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif directory:
        entry.type = tarfile.DIRTYPE
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _layer(busybox: bytes, applets: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "data", "dev", "etc", "proc", "run", "shared", "sys", "tmp"):
            _add(archive, directory, directory=True)
        _add(archive, "bin/busybox", busybox)
        _add(archive, "bin/hold", HOLD)
        for applet in sorted(set(applets) - {"busybox"}):
            _add(archive, f"bin/{applet}", link="busybox")
        _add(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
        _add(archive, "etc/group", b"root:x:0:\n")
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def archive(busybox: bytes, applets: list[str]) -> tuple[bytes, str]:
    """An OCI archive for `podman load`, and the reference by digest under which the guest then has it."""
    layer = _layer(busybox, applets)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/hold", "1"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created_by": "bulkhead lab"}],
        }
    ).encode()
    oci = "application/vnd.oci.image"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{oci}.manifest.v1+json",
            "config": {"mediaType": f"{oci}.config.v1+json", "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": f"{oci}.layer.v1.tar", "digest": _digest(layer), "size": len(layer)}],
        }
    ).encode()
    pointer = {
        "mediaType": f"{oci}.manifest.v1+json",
        "digest": _digest(manifest),
        "size": len(manifest),
        "annotations": {"org.opencontainers.image.ref.name": f"{IMAGE}:1"},
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as bundle:
        _add(bundle, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(bundle, "index.json", json.dumps({"schemaVersion": 2, "manifests": [pointer]}).encode())
        for blob in (layer, config, manifest):
            _add(bundle, "blobs/sha256/" + _digest(blob).removeprefix("sha256:"), blob)
    return buffer.getvalue(), f"{IMAGE}@{_digest(manifest)}"
