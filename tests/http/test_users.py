"""Names and passwords: the checks of bcrypt, and what they may cost."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.web_settings import WebSettings
from exporter.http import Gate
from exporter.http.users import Users, Verdict
from tests.http.serving import ask, running


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


USERS = (("prometheus", hashed("secret")), ("älice", hashed("pässword")))


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def verdict(users: Users, authorization: str | None, client: str = "192.0.2.1") -> Verdict:
    return users.verdict(authorization, client, lambda: None)


class Checks:
    """In place of bcrypt: counts, and waits until it may go on."""

    def __init__(self, *, waits: bool = False) -> None:
        self.hashes: list[bytes] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        if not waits:
            self.go_on.set()

    def __call__(self, password: bytes, value: bytes) -> bool:
        self.hashes.append(value)
        self.begun.release()
        assert self.go_on.wait(20)
        return bcrypt.checkpw(password, value)


@pytest.mark.parametrize(
    ("authorization", "found"),
    [
        (basic("prometheus", "secret"), Verdict.WELCOME),
        (basic("prometheus", "secret").replace("Basic", "bASIC"), Verdict.WELCOME),
        (basic("älice", "pässword"), Verdict.WELCOME),
        (basic("prometheus", "wrong"), Verdict.UNKNOWN),
        (basic("prometheus", ""), Verdict.UNKNOWN),
        (basic("prometheus", "pässword"), Verdict.UNKNOWN),
        (basic("nobody", "secret"), Verdict.UNKNOWN),
        (basic("prometheus", "a\0b"), Verdict.UNKNOWN),
        (basic("prometheus", "x" * 5000), Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN),
        ("Bearer cHJvbWV0aGV1czpzZWNyZXQ=", Verdict.UNKNOWN),
        ("Basic !", Verdict.UNKNOWN),
        ("Basic ä", Verdict.UNKNOWN),
        ("Basic " + base64.b64encode(b"no colon").decode(), Verdict.UNKNOWN),
    ],
)
def test_a_user_with_the_password_is_let_in_and_nobody_else(authorization: str | None, found: Verdict) -> None:
    users = Users(USERS)
    assert verdict(users, authorization) is found
    assert verdict(users, authorization) is found


@given(st.text(max_size=100))
def test_no_header_is_too_odd_to_be_judged(authorization: str) -> None:
    checks = Checks()
    assert verdict(Users(USERS, checks), authorization) is Verdict.UNKNOWN


def test_bcrypt_looks_at_72_bytes_whatever_its_release_does_beyond() -> None:
    users = Users((("long", hashed("x" * 72)),))
    assert verdict(users, basic("long", "x" * 100)) is Verdict.WELCOME


def test_a_pair_that_was_right_is_checked_once_and_a_wrong_one_each_time() -> None:
    checks = Checks()
    users = Users(USERS, checks)
    for _ in range(5):
        assert verdict(users, basic("prometheus", "secret")) is Verdict.WELCOME
    assert len(checks.hashes) == 1
    for _ in range(5):
        assert verdict(users, basic("prometheus", "wrong")) is Verdict.UNKNOWN
    assert len(checks.hashes) == 6


def test_an_unknown_name_costs_a_check_too_and_always_the_same() -> None:
    checks = Checks()
    users = Users(USERS, checks)
    for _ in range(3):
        assert verdict(users, basic("nobody", "secret")) is Verdict.UNKNOWN
    assert len(checks.hashes) == 3
    assert len(set(checks.hashes)) == 1


def test_even_the_password_of_the_user_that_stands_in_lets_no_unknown_name_in() -> None:
    users = Users(USERS[:1])
    assert verdict(users, basic("nobody", "secret")) is Verdict.UNKNOWN


def test_two_checks_run_at_once_and_one_of_each_client() -> None:
    checks = Checks(waits=True)
    users = Users(USERS, checks)
    waiting: list[str] = []

    def asked(client: str) -> Verdict:
        return users.verdict(basic("prometheus", "wrong"), client, lambda: waiting.append(client))

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(asked, "192.0.2.1")
        assert checks.begun.acquire(timeout=10)
        assert asked("192.0.2.1") is Verdict.BUSY
        second = pool.submit(asked, "192.0.2.2")
        assert checks.begun.acquire(timeout=10)
        assert asked("192.0.2.3") is Verdict.BUSY
        assert waiting == ["192.0.2.1", "192.0.2.3"]
        checks.go_on.set()
        assert [first.result(10), second.result(10)] == [Verdict.UNKNOWN] * 2


def test_who_was_let_in_before_waits_for_nobody_who_guesses() -> None:
    checks = Checks()
    users = Users(USERS, checks)
    assert verdict(users, basic("prometheus", "secret"), "192.0.2.1") is Verdict.WELCOME
    checks.go_on.clear()
    with ThreadPoolExecutor(40) as pool:
        guesses = [pool.submit(verdict, users, basic("prometheus", str(n)), f"192.0.2.{n}") for n in range(2, 40)]
        for _ in range(2):
            assert checks.begun.acquire(timeout=10)
        started = time.monotonic()
        assert verdict(users, basic("prometheus", "secret"), "192.0.2.1") is Verdict.WELCOME
        assert time.monotonic() - started < 0.5
        ends_at = time.monotonic() + 10
        while sum(guess.done() for guess in guesses) < 36:
            assert time.monotonic() < ends_at
            time.sleep(0.01)
        checks.go_on.set()
        found = [guess.result(10) for guess in guesses]
    assert (found.count(Verdict.UNKNOWN), found.count(Verdict.BUSY)) == (2, 36)


def test_without_the_password_every_path_is_401_as_exporter_toolkit_has_it() -> None:
    with running(gate=Gate(WebSettings(users=USERS))) as server:
        for path in ("/metrics", "/", "/-/healthy", "/-/ready", "/nowhere"):
            answer, body = ask(server, path)
            assert (answer.status, body) == (401, b"unauthorized\n")
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="bulkhead", charset="UTF-8"'
        assert ask(server, "/metrics", Authorization=basic("prometheus", "wrong"))[0].status == 401
        for path in ("/metrics", "/-/healthy"):
            assert ask(server, path, Authorization=basic("prometheus", "secret"))[0].status == 200
        assert ask(server, "/metrics", "POST", Authorization=basic("prometheus", "secret"))[0].status == 405


def test_wrong_passwords_at_speed_do_not_stall_an_honest_scraper() -> None:
    slow = bcrypt.hashpw(b"secret", bcrypt.gensalt(10)).decode()
    with running(gate=Gate(WebSettings(users=(("prometheus", slow),)))) as server, ThreadPoolExecutor(16) as pool:
        assert ask(server, "/metrics", Authorization=basic("prometheus", "secret"))[0].status == 200
        guesses = [pool.submit(ask, server, "/", Authorization=basic("prometheus", str(n))) for n in range(64)]
        started = time.monotonic()
        assert ask(server, "/metrics", Authorization=basic("prometheus", "secret"))[0].status == 200
        assert time.monotonic() - started < 5
        assert {guess.result(60)[0].status for guess in guesses} <= {401, 429}


def test_the_headers_of_the_web_configuration_are_sent_in_place_of_ours() -> None:
    headers = (("X-Frame-Options", "sameorigin"), ("Strict-Transport-Security", "max-age=60"))
    with running(gate=Gate(WebSettings(headers=headers))) as server:
        answer, _ = ask(server, "/metrics")
        assert answer.headers.get_all("X-Frame-Options") == ["sameorigin"]
        assert answer.headers["Strict-Transport-Security"] == "max-age=60"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
