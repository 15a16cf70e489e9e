"""bulkhead alert-test: sends one alert to each Alertmanager and says what came back."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from exporter.cli.command import FAILED, OK, add_command, add_config, complain, settings
from exporter.config import Alertmanager, NotAllowed, alertmanager_url
from exporter.runtime import logs

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Sends the alert BulkheadTest, severity "none", to each configured Alertmanager and says of each
what it answered, then sends its end. Alertmanager waits for group_wait before it tells anybody,
and of what is over by then it tells nobody: this tries the way there, and wakes no one.
"""

_EPILOG = """\
examples:
  sudo bulkhead alert-test
        whether the [[alertmanagers]] of /etc/bulkhead/config.toml take alerts from this host
  bulkhead alert-test --alertmanager http://localhost:9093
        whether this one does, before it is configured

exit codes:
  0  every Alertmanager has taken the alert and its end
  1  one has not, or none is configured
  2  wrong usage or configuration
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "alert-test",
        run,
        summary="send a test alert to each Alertmanager and say what came back",
        about=_ABOUT,
        epilog=_EPILOG,
    )
    add_config(parser)
    parser.add_argument(
        "--alertmanager",
        action="append",
        type=_url,
        metavar="URL",
        help="this Alertmanager, with what is configured for it if it is; may be repeated; default: all configured",
    )


def run(arguments: argparse.Namespace) -> int:
    """Send the alert to each and say what came back; the exit code."""
    config = settings(arguments)
    # Only what sends needs the library: --help works without it.
    from exporter.app.alerts import origin_of  # noqa: PLC0415 - see above
    from exporter.notify.delivery import trial  # noqa: PLC0415 - see above
    from exporter.notify.post import Result, post  # noqa: PLC0415 - see above

    logs.start("error")
    configured = {peer.url: peer for peer in config.alertmanagers}
    urls = dict.fromkeys(arguments.alertmanager or configured)
    if not urls:
        complain("no Alertmanager is configured: add [[alertmanagers]] with its url, or give --alertmanager URL")
        return FAILED
    exit_code = OK
    for url in urls:
        peer = configured.get(url, Alertmanager(url))
        firing, ended = trial(origin_of(config), time.time())
        answer = post(peer, (firing,))
        if answer.result is Result.ACCEPTED:
            took_seconds = answer.duration_seconds
            answer = post(peer, (ended,))
        if answer.result is Result.ACCEPTED:
            print(f"{url}: accepted within {took_seconds * 1000:.0f} ms, and its end too")
        else:
            print(f"{url}: not accepted: {answer.reason}")
            exit_code = FAILED
    return exit_code


def _url(text: str) -> str:
    try:
        return alertmanager_url(text)
    except NotAllowed as error:
        raise argparse.ArgumentTypeError(
            str(error) or f"{text!r} is no http://HOST:PORT or https://HOST:PORT"
        ) from None
