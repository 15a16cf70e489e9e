from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.link.framing import VERSION, FrameError, receive_frame, send_frame


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with one, other:
        yield one, other


def soon() -> float:
    return time.monotonic() + 10


@pytest.mark.parametrize("length", [0, 1, 1000, 3_000_000])
def test_what_is_sent_is_what_is_received(ends: tuple[socket.socket, socket.socket], length: int) -> None:
    one, other = ends
    body = b"x" * length
    sender = threading.Thread(target=send_frame, args=(one, body, soon()))
    sender.start()
    assert receive_frame(other, 4_000_000, soon()) == body
    sender.join(10)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no frame of Bulkhead's"),
        (b"BLKH" + bytes([VERSION + 1]) + struct.pack(">I", 0), "restart both services"),
        (b"BLKH" + bytes([VERSION]) + struct.pack(">I", 101), "longer than the 100"),
        (b"BLKH" + bytes([VERSION]) + struct.pack(">I", 0xFFFFFFFF), "longer than the 100"),
        (b"BLKH" + bytes([VERSION]) + struct.pack(">I", 10) + b"short", "ended after 5 of 10 bytes"),
        (b"BLK", "ended after 3 of 9 bytes"),
        (b"", "ended after 0 of 9 bytes"),
    ],
)
def test_what_is_no_frame_is_refused_in_a_sentence(
    ends: tuple[socket.socket, socket.socket], raw: bytes, words: str
) -> None:
    one, other = ends
    one.sendall(raw)
    one.shutdown(socket.SHUT_WR)
    with pytest.raises(FrameError, match=words):
        receive_frame(other, 100, soon())


def test_a_side_that_sends_a_byte_at_a_time_is_left_at_the_deadline(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    one.sendall(b"BLKH")
    with pytest.raises(TimeoutError):
        receive_frame(other, 100, time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        receive_frame(other, 100, time.monotonic() - 1)


def test_a_side_that_does_not_read_is_left_at_the_deadline(ends: tuple[socket.socket, socket.socket]) -> None:
    one, _ = ends
    with pytest.raises(TimeoutError):
        send_frame(one, b"x" * 10_000_000, time.monotonic() + 0.05)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(raw: bytes) -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with one, other:
        one.sendall(raw)
        one.shutdown(socket.SHUT_WR)
        try:
            body = receive_frame(other, 100, soon())
        except FrameError:
            return
        assert raw[9:].startswith(body)
