"""POST /api/v2/alerts of one Alertmanager (github.com/prometheus/alertmanager, api/v2/openapi.yaml).

    200                all were taken
    400 with JSON      at least one is not valid, the others were taken; or the body as a whole is not
    everything else    none is known to be taken: try again. A 400 in other words is a proxy's, or of a server with TLS
                       that was asked without

Secrets and certificates are read from their files for each request, so that they can be changed while the agent runs.
They are never part of an answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

import msgspec
import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth

from exporter import __version__
from exporter.config import Alertmanager
from exporter.notify.posting import Posting
from exporter.present.untrusted import printable

_LONGEST_ANSWER = 2_000
_LONGEST_SECRET = 16_384
_JSON_BEGINS = (b'"', b"{")  # a sentence, or the code and message of a body that does not fit the API


class Result(Enum):
    """What became of a request."""

    ACCEPTED = auto()
    REJECTED = auto()  # it will never be taken as it is
    FAILED = auto()  # it may be taken another time


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with a reason for people."""

    result: Result
    reason: str
    duration_seconds: float = 0.0


class _Bearer(AuthBase):
    """A bearer token (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NotReadable(Exception):
    """A file of the configuration cannot be used. Its text never holds what is in it."""


def body_of(postings: Iterable[Posting]) -> bytes:
    """The alerts as the API wants them."""
    return msgspec.json.encode(
        [
            {
                "labels": dict(one.labels),
                "annotations": dict(one.annotations),
                # The wall clock may have been set back since: an alert that ends before it begins is not valid.
                "startsAt": _rfc3339(min(one.starts_seconds, one.ends_seconds)),
                "endsAt": _rfc3339(one.ends_seconds),
            }
            for one in postings
        ]
    )


def post(peer: Alertmanager, postings: Iterable[Posting]) -> Answer:
    """Send these alerts to this Alertmanager. Never raises."""
    began = time.monotonic()
    try:
        result, reason = _post(peer, body_of(postings), began + peer.timeout_seconds)
    except _NotReadable as error:
        result, reason = Result.FAILED, str(error)
    except requests.Timeout:
        result, reason = Result.FAILED, f"no answer within {peer.timeout_seconds:g} s"
    except (requests.RequestException, OSError, ValueError) as error:
        # OSError: a CA file that is not there. ValueError: what urllib3 cannot make a request of.
        result, reason = Result.FAILED, _innermost(error)
    return Answer(result, reason, time.monotonic() - began)


def _post(peer: Alertmanager, body: bytes, ends_at: float) -> tuple[Result, str]:
    with requests.Session() as session:
        # Neither proxies nor .netrc of whoever starts the agent: what is not configured is not used.
        session.trust_env = False
        verify: bool | str = _authorities() if not peer.insecure_skip_verify else False
        if not verify:
            # Said in the configuration and told at the start: not again on stderr for each request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        elif peer.ca_file is not None:
            verify = str(peer.ca_file)
        with session.post(
            f"{peer.url}/api/v2/alerts",
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": f"bulkhead/{__version__}"},
            auth=_auth(peer),
            verify=verify,
            cert=(str(peer.cert_file), str(peer.key_file)) if peer.cert_file and peer.key_file else None,
            timeout=peer.timeout_seconds,
            allow_redirects=False,
            stream=True,
        ) as response:
            status = response.status_code
            if status == requests.codes.ok:
                return Result.ACCEPTED, "accepted"
            answer = _head(response, ends_at)
    told = printable(" ".join(answer.decode(errors="replace").split()))[:300]
    reason = f"HTTP {status} {printable(response.reason or '')}".strip() + (f": {told}" if told else "")
    is_rejected = status == requests.codes.bad_request and answer.lstrip()[:1] in _JSON_BEGINS
    return (Result.REJECTED if is_rejected else Result.FAILED), reason


def _authorities() -> bool | str:
    """Where the system's certificates are, which hold those of the house; requests' own list where it has none."""
    paths = ssl.get_default_verify_paths()  # each is None where it is not there
    if not paths.cafile and paths.capath and any(Path(paths.capath).iterdir()):
        return paths.capath
    return paths.cafile or True


def _head(response: requests.Response, ends_at: float) -> bytes:
    """The first bytes of an answer, for a person who has to mend something."""
    read = b""
    for chunk in response.iter_content(_LONGEST_ANSWER):
        read += chunk
        if len(read) >= _LONGEST_ANSWER or time.monotonic() > ends_at:
            break
    return read[:_LONGEST_ANSWER]


def _auth(peer: Alertmanager) -> AuthBase | None:
    if peer.bearer_token_file is not None:
        return _Bearer(_secret(peer.bearer_token_file))
    if peer.password_file is not None:
        # As bytes: requests would take text for Latin-1 and refuse the rest.
        return HTTPBasicAuth(peer.username.encode(), _secret(peer.password_file).encode())
    return None


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_SECRET)
    except OSError as error:
        raise _NotReadable(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise _NotReadable(f"{path} is no text") from None
    if not text or not text.isprintable():
        raise _NotReadable(f"{path} is empty, or more than one line")
    return text


def _innermost(error: BaseException) -> str:
    """The cause that a person can do something about: `Connection refused`, not the five wrappers around it."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        reason = getattr(cause, "reason", None)
        cause = reason if isinstance(reason, BaseException) else cause.__cause__ or cause.__context__
    last = seen[-1]
    return printable(getattr(last, "strerror", None) or str(last) or type(last).__name__)[:300]


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
