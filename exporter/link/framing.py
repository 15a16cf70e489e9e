"""Frames on a stream socket: a head of nine bytes, and a body of a bounded length.

    B L K H  01  00 00 00 2a  <42 bytes of MessagePack>
    magic    version  length

Another version is refused by its head alone: the two processes are updated one after the other, and a page of another
version must not be guessed at.
"""

from __future__ import annotations

import socket
import struct
import time

VERSION = 1
_MAGIC = b"BLKH"
_HEAD = struct.Struct(">4sBI")


class FrameError(Exception):
    """The frame cannot be used. The message is one sentence: what came, and what to do."""


def send_frame(connection: socket.socket, body: bytes, ends_at: float) -> None:
    """Send a body. `ends_at` is of the monotonic clock. Raises OSError, TimeoutError among them."""
    # `sendall` keeps its timeout for all that it sends. Two calls: a page that is put behind its head is a page more.
    for piece in (_HEAD.pack(_MAGIC, VERSION, len(body)), body):
        connection.settimeout(_left(ends_at))
        connection.sendall(piece)


def receive_frame(connection: socket.socket, bytes_max: int, ends_at: float) -> bytes:
    """The body of the next frame. Raises FrameError, OSError; no more than `bytes_max` is ever kept."""
    magic, version, length = _HEAD.unpack(_receive(connection, _HEAD.size, ends_at))
    if magic != _MAGIC:
        raise FrameError("what came is no frame of Bulkhead's: something else uses this socket")
    if version != VERSION:
        raise FrameError(f"the other side speaks version {version} and this side {VERSION}: restart both services")
    if length > bytes_max:
        raise FrameError(f"a frame of {length} bytes is longer than the {bytes_max} that are allowed")
    return _receive(connection, length, ends_at)


def _receive(connection: socket.socket, length: int, ends_at: float) -> bytes:
    body = bytearray()
    while len(body) < length:
        connection.settimeout(_left(ends_at))
        piece = connection.recv(min(length - len(body), 1 << 20))
        if not piece:
            raise FrameError(f"the connection ended after {len(body)} of {length} bytes")
        body += piece
    return bytes(body)


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the frame is over")
    return left
