"""A container's name as list and events give it, and how long podman's texts may be.

`Names[0]` of the list and `Actor.Attributes.name` of an event must become the same name, whatever a user's own podman
says: the ledger counts by it.
"""

from __future__ import annotations

from hashlib import blake2s

from exporter.facts.container import full_name

NAME_WIDTH = 255


def cut(text: str, width: int) -> str:
    """At most `width` characters; what is longer ends in a digest of the whole, so that two stay two."""
    if len(text) <= width:
        return text
    return text[: width - 17] + "~" + blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def container_name(user: str, name: str) -> str:
    """The full name of a container of `user`'s podman."""
    return full_name(user, cut(name, NAME_WIDTH))
