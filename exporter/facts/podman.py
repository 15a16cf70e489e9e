"""Where a podman service listens, and whose it is. The configuration names the sockets, and sources ask them.

    unix:///run/podman/podman.sock
    unix:///run/user/1000/podman/podman.sock

The first one is root's, the second one that of a user with rootless containers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodmanSocket:
    """The socket of one podman service."""

    url: str  # unix:///run/podman/podman.sock
    user: str = ""  # the account whose podman it is; "" for root's

    @property
    def path(self) -> str:
        """The socket's path on this host; empty if the URL names another host."""
        path = self.url.removeprefix("unix://")
        return path if path.startswith("/") else ""

    @property
    def place(self) -> str:
        """The words for messages."""
        return f"{self.path or self.url} (user {self.user})" if self.user else self.path or self.url
