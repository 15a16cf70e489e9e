"""What becomes of a stranger's packet: rulesets as nft 1.0.6 printed them, and a second way to find it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.host import InputChain
from exporter.sources.nftables import parse_ruleset

# For each name a ruleset as it was given to `nft -f`, and what `nft -j -t list ruleset` then printed, less the handles.
PRINTED = json.loads((Path(__file__).parent / "nft_rulesets.json").read_bytes())

DENIES = (
    "a plain firewall",
    "firewalld, with podman's network trusted",
    "a map of verdicts",
    "networks of one's own",
    "a policy of accept and a last rule that drops",
    "reject of tcp and drop of the rest",
    "a return before the last rule, for a port",
    "not from elsewhere",
    "rates beyond a bound are dropped",
    "a goto ends the chain",
    "a list of the banned under a policy of drop",
    "what is more than one thing",
)
OPEN = {
    "firewalld, with an interface trusted": "tcp over IPv4 by eth1",
    "a map of verdicts that opens an interface": "tcp over IPv4 by eth0",
    "no rule, policy accept": "tcp over IPv4 by any interface",
    "all of tcp and udp": "tcp over IPv4 by any interface",
    "all of tcp": "tcp over IPv4 by any interface",
    "all of udp by ip protocol": "udp over IPv4 by any interface",
    "every address of both protocols": "tcp over IPv4 by any interface",
    "every address in halves": "tcp over IPv4 by any interface",
    "a range of all addresses": "tcp over IPv4 by any interface",
    "all of the internet's IPv6": "tcp over IPv6 by any interface",
    "an interface": "tcp over IPv4 by eth0",
    "interfaces by a pattern": "tcp over IPv4 by enp*",
    "every interface but lo": "tcp over IPv4 by any interface",
    "new connections": "tcp over IPv4 by any interface",
    "new connections by a set": "tcp over IPv4 by any interface",
    "whatever is not invalid": "tcp over IPv4 by any interface",
    "every port": "tcp over IPv4 by any interface",
    "every port in two ranges": "udp over IPv4 by any interface",
    "every port but one": "tcp over IPv4 by any interface",
    "a jump to a chain that accepts": "tcp over IPv4 by any interface",
    "a goto to a chain that accepts": "tcp over IPv4 by any interface",
    "a chain of jumps": "tcp over IPv4 by any interface",
    "a return that ends the drop": "tcp over IPv4 by any interface",
    "whatever is for this host": "tcp over IPv4 by any interface",
    "packets to the host": "tcp over IPv4 by any interface",
    "IPv6 as a whole": "tcp over IPv6 by any interface",
    "a policy of accept with a list of the banned": "tcp over IPv4 by any interface",
    "a policy of accept that drops too high rates": "tcp over IPv4 by any interface",
}
UNCLEAR = (
    "a set by its name",
    "a map by its name",
    "a mark",
    "all but a mark",
    "a source port",
    "an address of the host",
    "flags of tcp",
    "some, at a rate",
    "ports above a bound",
)


def of(entries: list[Any]) -> InputChain:
    (chain,) = parse_ruleset(json.dumps({"nftables": entries}).encode()).inputs
    return chain


def test_the_table_has_every_ruleset() -> None:
    assert PRINTED.keys() == {*DENIES, *OPEN, *UNCLEAR}


@pytest.mark.parametrize("name", DENIES)
def test_what_denies_strangers(name: str) -> None:
    chain = of(PRINTED[name]["printed"])
    assert (chain.denies, chain.opening, chain.unclear) == (True, "", "")


@pytest.mark.parametrize("name", OPEN)
def test_what_lets_strangers_in(name: str) -> None:
    chain = of(PRINTED[name]["printed"])
    assert (chain.denies, chain.opening) == (False, OPEN[name])


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_cannot_be_followed(name: str) -> None:
    chain = of(PRINTED[name]["printed"])
    assert (chain.denies, chain.opening, chain.unclear) == (False, "", "tcp over IPv4 by any interface")


def chain_of(name: str, **hook: object) -> dict[str, object]:
    return {"chain": {"family": "inet", "table": "t", "name": name, **hook}}


INPUT = chain_of("input", type="filter", hook="input", prio=0, policy="drop")


def rule(chain: str, *statements: dict[str, Any]) -> dict[str, object]:
    return {"rule": {"family": "inet", "table": "t", "chain": chain, "expr": list(statements)}}


ACCEPT: dict[str, Any] = {"accept": None}


@pytest.mark.parametrize(
    "statement",
    [
        {"xt": {"type": "match", "name": "conntrack"}},
        {"xt": None},
        {"socket": {"key": "transparent"}},
        {"match": {"op": "==", "left": {"payload": {"base": "th", "offset": 16, "len": 16}}, "right": 22}},
        {"match": {"op": "==", "left": {"ct": {"key": "state", "dir": "reply"}}, "right": "new"}},
    ],
)
def test_a_condition_of_another_kind_is_not_followed(statement: dict[str, Any]) -> None:
    assert of([INPUT, rule("input", statement, ACCEPT)]).unclear
    assert not of([INPUT, rule("input", {"xt": {"type": "match", "name": "comment"}}, ACCEPT)]).unclear


def test_a_verdict_of_another_program_is_not_followed() -> None:
    for statement in ({"queue": {"num": 0}}, {"xt": {"type": "target", "name": "NFLOG"}}, {"tproxy": {"port": 80}}):
        assert of([INPUT, rule("input", statement)]).unclear


def test_a_jump_to_nowhere_or_in_a_circle_is_not_followed() -> None:
    there = {"jump": {"target": "there"}}
    assert of([INPUT, rule("input", there)]).unclear
    assert of([INPUT, chain_of("there"), rule("input", there), rule("there", there)]).unclear


def test_more_interfaces_than_are_followed_leave_it_unclear() -> None:
    port = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}
    rules = [
        rule(
            "input",
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": f"eth{number}"}},
            port,
            ACCEPT,
        )
        for number in range(40)
    ]
    assert of([INPUT, *rules[:10]]).denies
    assert of([INPUT, *rules]).unclear == "more interfaces than are followed"


def test_chains_that_jump_to_one_another_a_million_ways_are_followed_once() -> None:
    chains = [chain_of(f"c{level}") for level in range(15)]
    jumps = [rule(f"c{level}", {"jump": {"target": f"c{level + 1}"}}) for level in range(14) for _ in range(20)]
    assert of([INPUT, *chains, rule("input", {"jump": {"target": "c0"}}), *jumps]).denies


def test_a_ruleset_that_is_too_large_is_followed_up_to_a_bound() -> None:
    inputs = [chain_of(f"i{number}", type="filter", hook="input", policy="drop") for number in range(120)]
    jumps = [rule(f"i{number}", {"jump": {"target": f"large{number}"}}) for number in range(120)]
    large = [chain_of(f"large{number}") for number in range(120)]
    rules = [rule(f"large{number}", {"counter": None}) for number in range(120) for _ in range(400)]
    found = parse_ruleset(json.dumps({"nftables": [*inputs, *large, *jumps, *rules]}).encode()).inputs
    assert len(found) == 100
    assert found[0].denies
    assert found[-1].unclear


@dataclass(frozen=True)
class Packet:
    """The second way: one packet, with a value for all that the conditions below ask about."""

    interface: str
    family: str
    protocol: str
    port: int = 4711
    state: str = "new"


def matching(key: dict[str, Any], op: str, right: object) -> dict[str, Any]:
    return {"match": {"op": op, "left": key, "right": right}}


def meta(key: str, op: str, right: object) -> dict[str, Any]:
    return matching({"meta": {"key": key}}, op, right)


def port(protocol: str, op: str, right: object) -> dict[str, Any]:
    return matching({"payload": {"protocol": protocol, "field": "dport"}}, op, right)


CONDITIONS: tuple[tuple[dict[str, Any], Callable[[Packet], bool]], ...] = (
    (meta("iifname", "==", "lo"), lambda packet: packet.interface == "lo"),
    (meta("iifname", "==", "eth0"), lambda packet: packet.interface == "eth0"),
    (meta("iifname", "!=", "eth0"), lambda packet: packet.interface != "eth0"),
    (meta("iifname", "==", {"set": ["lo", "eth1"]}), lambda packet: packet.interface in ("lo", "eth1")),
    (meta("l4proto", "==", "tcp"), lambda packet: packet.protocol == "tcp"),
    (meta("l4proto", "!=", {"set": ["icmp", "udp"]}), lambda packet: packet.protocol != "udp"),
    (meta("nfproto", "==", "ipv6"), lambda packet: packet.family == "ip6"),
    (port("tcp", "==", 22), lambda packet: packet.protocol == "tcp" and packet.port == 22),
    (port("tcp", "!=", 22), lambda packet: packet.protocol == "tcp" and packet.port != 22),
    (port("udp", "==", {"range": [0, 65535]}), lambda packet: packet.protocol == "udp"),
    (port("th", "!=", {"set": [53, 80]}), lambda packet: packet.port not in (53, 80)),
    (matching({"ct": {"key": "state"}}, "in", ["established", "related"]), lambda packet: packet.state != "new"),
    (matching({"ct": {"key": "state"}}, "==", {"set": ["new"]}), lambda packet: packet.state == "new"),
    (matching({"ct": {"key": "state"}}, "!=", "invalid"), lambda packet: packet.state != "invalid"),
)
VERDICTS = ("accept", "drop", "return", "jump one", "goto one", "jump two", "goto two", "counter")
KINDS = [
    (interface, family, proto)
    for interface in ("eth0", "eth1", "x")
    for family in ("ip", "ip6")
    for proto in ("tcp", "udp")
]


@dataclass(frozen=True)
class Rule:
    conditions: tuple[int, ...]
    verdict: str

    def printed(self, chain: str) -> dict[str, object]:
        word, _, target = self.verdict.partition(" ")
        statement = {word: {"target": target} if target else None}
        return rule(chain, *(CONDITIONS[number][0] for number in self.conditions), statement)


@dataclass
class Kernel:
    """Runs one packet through chains, as nf_tables_core.c does: a goto leaves nothing to return to."""

    chains: dict[str, list[Rule]]
    policy: str

    def verdict(self, packet: Packet, chain: str = "input") -> str:
        for one in self.chains[chain]:
            if not all(CONDITIONS[number][1](packet) for number in one.conditions):
                continue
            word, _, target = one.verdict.partition(" ")
            if word in ("accept", "drop"):
                return word
            if word == "return":
                break
            if word in ("jump", "goto"):
                inner = self.verdict(packet, target)
                if inner != "return" or word == "goto":
                    return inner if chain != "input" or inner != "return" else self.policy
        return self.policy if chain == "input" else "return"


# Chain `one` may jump to `two`, and `two` to none: the kernel takes no circles.
def rules_of(verdicts: tuple[str, ...]) -> st.SearchStrategy[list[Rule]]:
    conditions = st.lists(st.integers(0, len(CONDITIONS) - 1), max_size=2).map(tuple)
    return st.lists(st.builds(Rule, conditions, st.sampled_from(verdicts)), max_size=4)


@given(
    rules_of(VERDICTS),
    rules_of(tuple(word for word in VERDICTS if not word.endswith("one"))),
    rules_of(("accept", "drop", "return", "counter")),
    st.sampled_from(["accept", "drop"]),
)
def test_a_chain_denies_where_every_packet_of_a_stranger_is_denied(
    first: list[Rule], one: list[Rule], two: list[Rule], policy: str
) -> None:
    chains = {"input": first, "one": one, "two": two}
    hooked = chain_of("input", type="filter", hook="input", prio=0, policy=policy)
    printed = [made.printed(name) for name, rules in chains.items() for made in rules]
    found = of([hooked, chain_of("one"), chain_of("two"), *printed])
    kernel = Kernel(chains, policy)
    fates = {kernel.verdict(Packet(*kind)) for kind in KINDS}
    assert not found.unclear
    assert found.denies == (fates == {"drop"})
    assert bool(found.opening) == ("accept" in fates)
