"""Who comes in, and how: what the web configuration makes of the server, replaced as a whole while it serves."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config.web_settings import WebSettings
from exporter.http.tls import Demand, Tls
from exporter.http.users import Users
from exporter.present.style import CONTENT_SECURITY_POLICY

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_EVERYBODY = WebSettings()


@dataclass(frozen=True, slots=True)
class Access:
    """What one web configuration asks of a client, and what every answer has."""

    tls: Tls | None  # None: plain HTTP
    users: Users | None  # None: no password is asked for
    headers: tuple[tuple[str, str], ...]
    is_guarded: bool  # by TLS, and by a password or the certificate of each client

    def takes(self, made_under: Demand | None) -> bool:
        """Whether a connection of which that was asked (None: plain HTTP) has shown all that is asked for now."""
        return made_under == (self.tls.demand() if self.tls else None)


class Gate:
    """The access that is in force. Raises TlsError where its certificates do not load."""

    def __init__(self, settings: WebSettings = _EVERYBODY) -> None:
        self._access = _access_of(settings)

    @property
    def access(self) -> Access:
        """What holds now, for new connections and for the next request of those that there are."""
        return self._access

    def apply(self, settings: WebSettings) -> None:
        """Let these hold from now on. Raises TlsError, and those before them hold on."""
        self._access = _access_of(settings)


def _access_of(settings: WebSettings) -> Access:
    tls = settings.tls
    has_names = bool(settings.users) or (tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert")
    return Access(
        tls=Tls(tls) if tls else None,
        users=Users(settings.users) if settings.users else None,
        headers=tuple((_HEADERS | dict(settings.headers)).items()),
        is_guarded=tls is not None and has_names,
    )
