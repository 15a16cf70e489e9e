"""Who is connected, and who gives way: with a clock that a test sets, and words in place of sockets."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.http.crowd import Crowd, Phase, client_of, is_this_host


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001  # no two things happen at once
        return self.now


def crowd(places: int = 3, per_client: int = 3, clock: Clock | None = None) -> Crowd[str]:
    return Crowd(places, per_client, stalled_seconds=1.0, clock=clock or Clock())


def test_while_there_are_places_nobody_gives_way() -> None:
    here = crowd()
    assert [here.enter(name, "192.0.2.1") for name in "abc"] == [(True, None)] * 3
    assert set(here.connections()) == {"a", "b", "c"}


def test_the_connection_that_was_silent_longest_gives_way_to_a_new_one() -> None:
    here = crowd()
    for name in "abc":
        here.enter(name, f"192.0.2.{ord(name)}")
    here.note("a", Phase.WAITING)  # it has asked meanwhile, and waits for its next request
    assert here.enter("d", "192.0.2.9") == (True, "b")
    assert set(here.connections()) == {"a", "c", "d"}


def test_a_connection_that_is_being_answered_gives_way_to_nobody() -> None:
    here = crowd()
    for name in "abc":
        here.enter(name, f"192.0.2.{ord(name)}")
        here.note(name, Phase.MAKING)
    assert here.enter("d", "192.0.2.9") == (False, None)
    here.leave("b")
    assert here.enter("d", "192.0.2.9") == (True, None)


def test_a_client_that_does_not_read_its_answer_gives_way_after_a_while() -> None:
    clock = Clock()
    here = crowd(clock=clock)
    for name in "abc":
        here.enter(name, f"192.0.2.{ord(name)}")
        here.note(name, Phase.SENDING)
    assert here.enter("d", "192.0.2.9") == (False, None)
    clock.now += 1
    assert here.enter("d", "192.0.2.9") == (True, "a")


def test_a_client_takes_a_place_of_the_client_that_has_the_most_and_reads_its_answers() -> None:
    here = crowd(places=4, per_client=4)
    for name, client in (("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.2"), ("d", "192.0.2.2")):
        here.enter(name, client)
        here.note(name, Phase.SENDING)
    assert here.enter("e", "192.0.2.3") == (True, "b")
    here.note("e", Phase.SENDING)
    # Two places and one: whoever has one gains nothing that is fairer by a second.
    assert here.enter("f", "192.0.2.1") == (False, None)
    for name in "cd":
        here.note(name, Phase.MAKING)
    assert here.enter("g", "192.0.2.4") == (False, None)


def test_a_client_that_has_just_connected_gives_way_to_no_client_with_more_places() -> None:
    clock = Clock()
    here = crowd(places=4, per_client=4, clock=clock)
    here.enter("honest", "192.0.2.1")
    for name in "abc":
        here.enter(name, "192.0.2.2")
        here.note(name, Phase.SENDING)
    assert here.enter("d", "192.0.2.2") == (False, None)
    clock.now += 1  # nobody has said anything
    here.note("a", Phase.MAKING)
    assert here.enter("d", "192.0.2.2") == (True, "b"), "of the client with the most places first"


def test_a_client_beyond_its_own_bound_pushes_out_its_own_connections_alone() -> None:
    here = crowd(places=4, per_client=2)
    here.enter("other", "192.0.2.2")
    for name in "ab":
        here.enter(name, "192.0.2.1")
    assert here.enter("c", "192.0.2.1") == (True, "a")
    for name in "bc":
        here.note(name, Phase.MAKING)
    assert here.enter("d", "192.0.2.1") == (False, None)
    assert here.enter("e", "192.0.2.3") == (True, None)


def test_a_proxy_on_this_host_may_take_all_places() -> None:
    here = crowd(places=4, per_client=1)
    assert [here.enter(name, "127.0.0.1") for name in "abcd"] == [(True, None)] * 4


def test_who_has_given_way_leaves_without_taking_a_place_along() -> None:
    here = crowd(places=1)
    here.enter("a", "192.0.2.1")
    assert here.enter("b", "192.0.2.2") == (True, "a")
    here.leave("a")
    here.note("a", Phase.MAKING)
    assert here.connections() == ("b",)


def test_all_can_be_waited_for() -> None:
    here = crowd()
    here.enter("a", "192.0.2.1")
    assert not here.wait_until_empty(0.01)
    threading.Timer(0.01, here.leave, args=("a",)).start()
    assert here.wait_until_empty(10)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_the_network_of_a_subscriber(address: str, client: str) -> None:
    assert client_of(address) == client


def test_this_host_is_known_by_its_loopback_addresses() -> None:
    assert is_this_host(client_of("127.0.0.1"))
    assert is_this_host(client_of("::1"))
    assert is_this_host(client_of("::ffff:127.0.0.2"))
    assert not is_this_host(client_of("192.0.2.1"))
    assert not is_this_host(client_of("2001:db8::1"))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", *Phase]), st.integers(0, 9), st.sampled_from(["192.0.2.1", "192.0.2.2"])
    ),
    max_size=40,
)


@given(STEPS)
def test_there_are_never_more_than_the_places_and_never_more_of_a_client_than_its_own(
    steps: list[tuple[str | Phase, int, str]],
) -> None:
    here = crowd(places=4, per_client=3)
    clients: dict[str, str] = {}
    for step, number, client in steps:
        name = f"{client}:{number}"
        match step:
            case "enter" if name not in here.connections():
                before = set(here.connections())
                has_place, gives_way = here.enter(name, client)
                clients[name] = client
                assert set(here.connections()) == before - {gives_way} | ({name} if has_place else set())
            case "leave":
                here.leave(name)
            case Phase():
                here.note(name, step)
        assert len(here.connections()) <= 4
        for each in set(clients.values()):
            assert sum(1 for one in here.connections() if clients[one] == each) <= 3
