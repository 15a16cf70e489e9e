import contextlib
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset
from exporter.sources.zfs.program import PROGRAM, ChannelProgram, load_pyzfs, parse_reply

# As pyzfs 2.3.9 returned it.
REPLY = {
    b"tank": {
        b"available": 1846370816,
        b"mountpoint": b"/data",
        b"quota": 0,
        b"referenced": 26624,
        b"refquota": 0,
        b"type": b"filesystem",
        b"used": 32677376,
    },
    b"tank/containers/objects02": {
        b"available": 67084288,
        b"mountpoint": b"/data/containers/objects02",
        b"quota": 67108864,
        b"referenced": 24576,
        b"refquota": 0,
        b"type": b"filesystem",
        b"used": 24576,
    },
    b"tank/zvol-bhtest": {b"available": 1865232896, b"referenced": 12288, b"type": b"volume", b"used": 18874368},
}


class RuntimeErrorOfLua(Exception):
    """As libzfs_core.exceptions.ZCPRuntimeError: what Lua said is in `details` alone."""

    details = b"[string \"channel program\"]:6: dataset 'x' is not in the target pool\nstack traceback:\n"


def library(run: Any) -> Any:
    return SimpleNamespace(lzc_channel_program_nosync=run)


def test_a_recorded_reply_becomes_datasets() -> None:
    assert parse_reply(REPLY) == (
        Dataset("tank", "filesystem", "/data", 32677376, 1846370816, 26624),
        Dataset(
            "tank/containers/objects02",
            "filesystem",
            "/data/containers/objects02",
            24576,
            67084288,
            24576,
            quota_bytes=67108864,
        ),
        Dataset("tank/zvol-bhtest", "volume", "-", 18874368, 1865232896, 12288),
    )


def test_pyzfs_is_called_with_bytes_and_small_limits() -> None:
    calls: list[tuple[Any, ...]] = []

    def run(*arguments: Any) -> object:
        calls.append(arguments)
        return REPLY

    assert len(ChannelProgram(library(run)).read("tank", ["tank", "tank/a b"], 5)) == 3

    pool, program, instructions, memory_bytes, parameters = calls[0]
    assert (pool, program) == (b"tank", PROGRAM)
    assert parameters[b"names"] == [b"tank", b"tank/a b"]
    assert parameters[b"properties"] == [
        b"type",
        b"used",
        b"available",
        b"referenced",
        b"quota",
        b"refquota",
        b"mountpoint",
    ]
    assert instructions <= 10_000_000
    assert memory_bytes <= 10 << 20


def test_what_lua_said_is_told() -> None:
    def run(*_: Any) -> object:
        raise RuntimeErrorOfLua

    with pytest.raises(Unreadable, match=r"the channel program failed: .*:6: dataset 'x' is not in the target pool$"):
        ChannelProgram(library(run)).read("tank", ["x"], 5)


def test_a_refusal_is_told_by_its_text_or_else_its_kind() -> None:
    def refuse(*_: Any) -> object:
        raise PermissionError("Channel programs must be run as root")

    def fail(*_: Any) -> object:
        raise KeyError

    with pytest.raises(Unreadable, match="must be run as root"):
        ChannelProgram(library(refuse)).read("tank", ["tank"], 5)
    with pytest.raises(Unreadable, match="failed: KeyError"):
        ChannelProgram(library(fail)).read("tank", ["tank"], 5)


def test_a_call_that_never_returns_is_left_behind_and_not_repeated_until_it_does() -> None:
    returns, calls = threading.Event(), []

    def run(*arguments: Any) -> object:
        calls.append(arguments)
        returns.wait(30)
        return REPLY

    program = ChannelProgram(library(run))
    with pytest.raises(Unreadable, match="did not end within"):
        program.read("tank", ["tank"], 0.01)
    assert program.hangs("tank")
    assert not program.hangs("other")
    with pytest.raises(Unreadable, match="has not come back"):
        program.read("tank", ["tank"], 0.01)
    assert len(calls) == 1

    returns.set()
    program._hung["tank"].result(5)
    assert not program.hangs("tank")
    assert len(program.read("tank", ["tank"], 5)) == 3


def test_the_pyzfs_of_2015_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libzfs_core", ModuleType("libzfs_core"))

    with pytest.raises(Unreadable, match="pip uninstall pyzfs"):
        load_pyzfs()


def test_a_missing_pyzfs_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libzfs_core", None)

    with pytest.raises(Unreadable, match="install python3-pyzfs"):
        load_pyzfs()


def test_the_pyzfs_of_openzfs_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("libzfs_core")
    module.lzc_channel_program_nosync = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "libzfs_core", module)

    assert load_pyzfs() is module


@pytest.mark.parametrize(
    "reply",
    [
        None,
        {b"tank": None},
        {b"tank": {}},
        {"tank": {b"type": b"filesystem"}},
        {b"tank": {b"type": b"filesystem", b"used": b"1", b"available": 1, b"referenced": 1}},
        {b"tank": {b"type": b"filesystem", b"used": -1, b"available": 1, b"referenced": 1}},
        {b"tank": {b"type": 7, b"used": 1, b"available": 1, b"referenced": 1}},
    ],
)
def test_a_reply_that_makes_no_sense_is_a_failure(reply: object) -> None:
    with pytest.raises(Unreadable):
        parse_reply(reply)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=8),
    lambda inner: st.dictionaries(st.binary(max_size=8) | st.sampled_from([b"type", b"used", b"quota"]), inner),
    max_leaves=8,
)


@given(values)
def test_no_reply_at_all_breaks_the_parser(reply: object) -> None:
    with contextlib.suppress(Unreadable):
        parse_reply(reply)
