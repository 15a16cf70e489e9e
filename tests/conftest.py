"""For all tests: the `--update-golden` option, which rewrites golden files instead of comparing with them."""

from __future__ import annotations

import difflib
import faulthandler
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.effort import register_profiles

register_profiles()

GOLDEN = Path(__file__).parent / "golden"
_HANGS_SECONDS = 600.0


@pytest.fixture(autouse=True)
def _fails_instead_of_hanging(request: pytest.FixtureRequest) -> Iterator[None]:
    """A fast test that hangs ends its worker, and so fails: a run of CI would wait for it to its own end."""
    if "lab" in request.path.relative_to(GOLDEN.parent).parts:
        yield
        return
    faulthandler.dump_traceback_later(_HANGS_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def _own_log_level() -> Iterator[None]:
    """The level of the log as it was: a command that a test runs in this process sets it for all that come after."""
    loggers = (logging.getLogger(), logging.getLogger("bulkhead"))
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files; read the diff")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def golden(update_golden: bool) -> Callable[[str, str], None]:  # noqa: FBT001 - pytest passes fixtures by name
    """`golden(name, text)`: the text equals the file of that name below tests/golden, byte for byte."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update_golden:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
            return
        if not path.exists():
            pytest.fail(f"{path} is not there: run `make golden` and read it")
        wanted = path.read_bytes().decode()
        if wanted != text:
            difference = difflib.unified_diff(wanted.splitlines(), text.splitlines(), "golden", "now", lineterm="", n=1)
            pytest.fail("not as the golden file; if rightly, run `make golden`:\n" + "\n".join(difference))

    return compare
