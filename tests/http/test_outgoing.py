"""What pages that are being sent keep in memory: words in place of sockets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.http.outgoing import Outgoing

PAGES = [bytes([number]) * 10 for number in range(6)]


def test_clients_of_one_page_share_its_memory() -> None:
    here: Outgoing[str] = Outgoing(10)
    assert [here.begin(client, PAGES[0]) for client in "abc"] == [(), (), ()]


def test_beyond_the_bound_the_clients_of_the_page_that_was_begun_first_are_cut_off() -> None:
    here: Outgoing[str] = Outgoing(25)
    here.begin("slow", PAGES[0])
    here.begin("slower", PAGES[0])
    assert here.begin("a", PAGES[1]) == ()
    assert sorted(here.begin("b", PAGES[2])) == ["slow", "slower"]


def test_a_page_that_everybody_has_read_takes_no_room() -> None:
    here: Outgoing[str] = Outgoing(25)
    for client, page in zip("abcdef", PAGES, strict=True):
        assert here.begin(client, page) == ()
        here.end(client, page)


def test_the_newest_page_is_sent_however_large_it_is() -> None:
    here: Outgoing[str] = Outgoing(5)
    assert here.begin("a", PAGES[0]) == ()
    assert here.begin("b", PAGES[1]) == ("a",)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), max_size=60))
def test_who_is_not_cut_off_never_keeps_more_than_the_bound_and_a_page(steps: list[tuple[bool, int, int]]) -> None:
    here: Outgoing[int] = Outgoing(25)
    reading: set[tuple[int, int]] = set()
    for begins, client, page in steps:
        if begins and not any(client == one for one, _ in reading):
            lost = here.begin(client, PAGES[page])
            reading = {one for one in reading if one[0] not in lost} | {(client, page)}
        elif (client, page) in reading:
            here.end(client, PAGES[page])
            reading.discard((client, page))
        assert 10 * len({page for _, page in reading}) <= 35
