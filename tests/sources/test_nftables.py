from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.host import Firewall, InputChain
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.nftables import NftablesSource, parse_ruleset
from tests.sources.sleepers import Sleepers

# `nft -j list ruleset` of Debian 13 (nft 1.1.3) with podman's networks, its chains without a hook left out.
RECORDED = (Path(__file__).parents[1] / "host/nft.json").read_bytes()
OPEN = InputChain("inet", "netavark", "INPUT", "accept", denies=False, opening="tcp over IPv4 by any interface")
ACCEPT: object = {"accept": None}
DROP: object = {"drop": None}
REJECT: object = {"reject": {"type": "icmpx"}}
COUNTER: object = {"counter": {"packets": 1, "bytes": 60}}
MATCH = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}


def ruleset(*rules: list[object], policy: str = "accept", **changes: object) -> bytes:
    place = {"family": "inet", "table": "filter"}
    chain = {**place, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy, **changes}
    entries: list[object] = [
        {"metainfo": {"version": "1.1.3"}},
        {"chain": chain},
        {"chain": {**place, "name": "zones"}},
    ]
    entries += [{"rule": {**place, "chain": "input", "expr": rule}} for rule in rules]
    return json.dumps({"nftables": entries}).encode()


def denies(raw: bytes) -> bool:
    (chain,) = parse_ruleset(raw).inputs
    return chain.denies


def test_the_recorded_host_lets_everything_in() -> None:
    assert parse_ruleset(RECORDED) == Firewall((OPEN,))


def test_the_policy_decides_what_no_rule_does() -> None:
    assert denies(ruleset([MATCH, ACCEPT], policy="drop"))
    assert not denies(ruleset([MATCH, DROP], policy="accept"))
    assert not denies(ruleset())


@pytest.mark.parametrize("last", [[REJECT], [DROP], [COUNTER, DROP], [{"log": {}}, COUNTER, REJECT]])
def test_a_last_rule_that_every_packet_meets_denies_as_in_firewalld(last: list[object]) -> None:
    assert denies(ruleset([MATCH, ACCEPT], [{"jump": {"target": "zones"}}], last, policy="accept"))


def test_a_rule_that_accepts_everything_opens_a_chain_whatever_its_policy() -> None:
    assert not denies(ruleset([COUNTER, ACCEPT], [DROP], policy="drop"))
    assert denies(ruleset([MATCH, ACCEPT], policy="drop"))


@pytest.mark.parametrize(
    "changes", [{"family": "bridge"}, {"family": "arp"}, {"type": "nat"}, {"hook": "forward"}, {"hook": None}]
)
def test_chains_that_do_not_filter_packets_for_the_host_are_left_out(changes: dict[str, object]) -> None:
    assert parse_ruleset(ruleset(policy="drop", **changes)).inputs == ()


LATIN_1 = ruleset([{"comment": "caf?"}, DROP]).replace(b"caf?", b"caf\xe9")


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"nftables": 1}', b'{"nftables": [1]}', b"\xff", LATIN_1])
def test_what_is_no_ruleset_is_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable, match="no ruleset"):
        parse_ruleset(raw)


WORDS = (
    *(
        "chain",
        "rule",
        "expr",
        "hook",
        "family",
        "type",
        "table",
        "name",
        "match",
        "op",
        "left",
        "right",
        "meta",
        "key",
    ),
    *("payload", "protocol", "field", "set", "elem", "val", "concat", "prefix", "addr", "len", "range", "vmap", "data"),
    *("jump", "goto", "target", "accept", "drop", "limit", "inv", "xt", "fib", "ct", "result", "flags"),
)
VALUES = ("input", "filter", "inet", "ip", "saddr", "iifname", "state", "new", "@set", "*", "0.0.0.0", "tcp", "dport")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
)


@given(st.lists(st.dictionaries(st.sampled_from(["chain", "rule", "table"]), JSON, max_size=2), max_size=4))
def test_any_json_is_a_firewall_or_unreadable(entries: list[object]) -> None:
    parse_ruleset(json.dumps({"nftables": entries}).encode())


@given(
    st.lists(st.lists(st.dictionaries(st.sampled_from(WORDS), JSON, min_size=1, max_size=1), max_size=3), max_size=4)
)
def test_any_json_in_a_rule_is_followed_or_not(rules: list[list[object]]) -> None:
    for policy in ("accept", "drop"):
        (chain,) = parse_ruleset(ruleset(*rules, policy=policy)).inputs
        assert chain.denies == (not chain.opening and not chain.unclear)


def nft_that(directory: Path, does: str) -> NftablesSource:
    program = directory / "nft"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    return NftablesSource(deadline_seconds=5, search_path=f"{directory}:/usr/bin:/bin", max_output_bytes=10_000)


def test_nft_is_asked_without_what_sets_hold(tmp_path: Path) -> None:
    source = nft_that(tmp_path, f'[ "$*" = "-j -t list ruleset" ] && cat {Path(__file__).parents[1]}/host/nft.json')
    assert source.read() == parse_ruleset(RECORDED)


def test_a_host_without_nft_has_none(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="install nftables"):
        NftablesSource(search_path=str(tmp_path)).read()


@pytest.mark.parametrize(
    ("does", "words"),
    [("exit 1", "CAP_NET_ADMIN"), ("head -c 20000 /dev/zero", "more than 10000 bytes"), ("echo x", "no ruleset")],
)
def test_an_nft_that_fails_or_says_too_much_is_unreadable(tmp_path: Path, does: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        nft_that(tmp_path, does).read()


def test_an_nft_that_hangs_is_given_up_and_ended(tmp_path: Path) -> None:
    source = nft_that(tmp_path, "exec sleep 600")
    source._deadline_seconds = 0.05
    with pytest.raises(Unreadable, match=r"did not end within 0\.05 s"):
        source.read()


def test_no_second_nft_is_started_while_the_first_cannot_be_killed(tmp_path: Path, sleepers: Sleepers) -> None:
    source = nft_that(tmp_path, f"echo >> {tmp_path}/starts; exec sleep 600")
    source._deadline_seconds = 1
    source._programs._grace_seconds = 0.01
    with pytest.raises(Unreadable, match="did not end"):
        source.read()
    for _ in range(3):
        with pytest.raises(Unreadable, match=f"still hangs in the kernel as process {sleepers.children[0].pid} of"):
            source.read()
    assert (tmp_path / "starts").read_text() == "\n"


def test_an_nft_that_cannot_be_started_is_unreadable(tmp_path: Path) -> None:
    source = nft_that(tmp_path, "")
    (tmp_path / "nft").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(Unreadable, match=rf"cannot be started \(Exec format error\): check {tmp_path}/nft"):
        source.read()
