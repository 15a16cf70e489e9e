"""A YAML document as texts, lists and mappings that know their line.

    basic_auth_users:
      alice: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG    # line 2

PyYAML composes the nodes and makes no Python object of any of them, so a tag can construct nothing. A document has no
more depth, nodes and aliases than a person writes: `&a [*a, *a]` and a thousand brackets are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

_DEPTH_MAX = 8
_NODES_MAX = 2000
_TAG_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as it was written, without its quotes; `sort` is what YAML 1.1 takes it for: str, bool, int, null."""

    text: str
    sort: str
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and their values, in the order of the document. A key may be there twice: its reader refuses that."""

    items: tuple[tuple[Scalar, Node], ...]
    line: int


Node: TypeAlias = Scalar | Sequence | Mapping


class NotYaml(Exception):
    """The text is no YAML document of the kind that is read here."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses what can grow."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call] # types-PyYAML has no signature for it
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise NotYaml("found an anchor (&) or an alias (*); write the value out, or quote it", line)
        self._nodes += 1
        self._depth += 1
        if self._depth > _DEPTH_MAX or self._nodes > _NODES_MAX:
            raise NotYaml(f"has more than {_DEPTH_MAX} levels or {_NODES_MAX} values", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def document_of(text: str) -> Node | None:
    """The one document of the text; None where it is empty. Raises NotYaml."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _shaped(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "cannot be understood"
        raise NotYaml(f"is not YAML: {message}", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a character of an escape that is none
        raise NotYaml(f"is not YAML: {str(error).splitlines()[0]}", None) from None


def _shaped(node: yaml.Node) -> Node:
    line = node.start_mark.line + 1
    match node:
        case yaml.MappingNode():
            return Mapping(tuple((_key(key), _shaped(value)) for key, value in node.value), line)
        case yaml.SequenceNode():
            return Sequence(tuple(_shaped(item) for item in node.value), line)
        case _:
            return Scalar(node.value, node.tag.removeprefix(_TAG_PREFIX), line)


def _key(node: yaml.Node) -> Scalar:
    match _shaped(node):
        case Scalar() as key:
            return key
        case other:
            raise NotYaml("found a key that is a list or a mapping; allowed: a word", other.line)
