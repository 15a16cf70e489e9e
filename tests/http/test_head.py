from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.http.head import HEAD_BYTES_MAX, HeadTooLarge, fault_of, read_head

FIELDS = b"Host: x\r\nAccept: */*\r\n\r\n"
HEAD = b"GET /metrics HTTP/1.1\r\n" + FIELDS


def test_a_head_is_read_to_its_empty_line_and_no_further() -> None:
    source = io.BytesIO(HEAD + b"GET / HTTP/1.1\r\n\r\n")
    assert read_head(source) == HEAD
    assert read_head(source) == b"GET / HTTP/1.1\r\n\r\n"
    assert read_head(source) == b""


def test_an_empty_line_before_a_request_is_passed_over_and_two_are_not() -> None:
    assert read_head(io.BytesIO(b"\r\n" + HEAD)) == HEAD
    assert read_head(io.BytesIO(b"\r\n\r\n" + HEAD)) == b""


def test_what_ends_early_is_what_came() -> None:
    assert read_head(io.BytesIO(HEAD[:30])) == HEAD[:30]


@pytest.mark.parametrize(
    ("raw", "in_request_line"),
    [
        (b"GET /" + b"a" * HEAD_BYTES_MAX, True),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES_MAX, False),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * HEAD_BYTES_MAX, False),
    ],
    ids=["a long path", "a long field", "many fields"],
)
def test_all_lines_together_have_one_bound(raw: bytes, in_request_line: bool) -> None:  # noqa: FBT001 - a parameter of the test
    source = io.BytesIO(raw)
    with pytest.raises(HeadTooLarge) as caught:
        read_head(source)
    assert caught.value.in_request_line is in_request_line
    assert source.tell() <= HEAD_BYTES_MAX


@given(st.binary(max_size=300), st.integers(1, 200))
def test_never_more_than_the_bound_is_read(raw: bytes, bytes_max: int) -> None:
    source = io.BytesIO(raw)
    try:
        head = read_head(source, bytes_max)
    except HeadTooLarge:
        head = b""
    assert source.tell() <= bytes_max
    assert raw.find(head) in {0, 1, 2}


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        (b"Content-Length: 0\r\nContent-Length: 5", "there are several Content-Length"),
        (b"Content-Length: 5\r\nContent-Length: 5", "there are several Content-Length"),
        (b"Content-Length: +5", "Content-Length is not a number"),
        (b"Content-Length: 5, 5", "Content-Length is not a number"),
        (b"Content-Length: 0x5", "Content-Length is not a number"),
        (b"Content-Length:", "Content-Length is not a number"),
        ("Content-Length: ٣".encode(), "Content-Length is not a number"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", "there is a Content-Length beside Transfer-Encoding"),
        (b"Content-Length : 5", "a field is not NAME: VALUE"),
        (b"Transfer-Encoding : chunked", "a field is not NAME: VALUE"),
        (b"X: y\r\n Transfer-Encoding: chunked", "a field is not NAME: VALUE"),
        (b"X: y\r\n\tTransfer-Encoding: chunked", "a field is not NAME: VALUE"),
        (b"X: y\rTransfer-Encoding: chunked", "a field is not NAME: VALUE"),
        (b"X: y\0", "a field is not NAME: VALUE"),
        (b"no colon", "a field is not NAME: VALUE"),
        (b": no name", "a field is not NAME: VALUE"),
        (b"Host: y", "there are several Host"),
    ],
)
def test_what_two_readers_could_understand_differently_is_a_fault(field: bytes, fault: str) -> None:
    assert fault_of(b"Host: x\r\n" + field + b"\r\n\r\n") == fault


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS,
        b"\r\n",
        b"Host: x\n\n",
        b"Content-Length: 00\r\n\r\n",
        b"X:\r\nY:\t z \r\n\r\n",
        b"Transfer-Encoding: x\r\n\r\n",
    ],
)
def test_ordinary_fields_have_no_fault(fields: bytes) -> None:
    assert fault_of(fields) == ""


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd_to_be_judged(fields: bytes) -> None:
    assert isinstance(fault_of(fields), str)
