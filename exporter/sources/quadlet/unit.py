"""One quadlet with its drop-ins merged: what its keys come to.

Of a scalar key the last line holds. The lines of a list key add up, and an empty one forgets those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.facts.quadlet_file import Origin, QuadletProblem
from exporter.sources.quadlet.keys import OWN_SECTION, fault_of_key, fault_of_section
from exporter.sources.quadlet.syntax import Assignment, Section, UnitText
from exporter.sources.quadlet.words import WordsError, argument_words, list_words

Words = tuple[tuple[str, Origin], ...]
Splitter = Callable[[str], tuple[str, ...]]
_SPLIT: Mapping[str, Splitter] = {
    **dict.fromkeys(("Exec", "GlobalArgs", "Mask", "Mount", "Options", "PodmanArgs", "Unmask"), argument_words),
    **dict.fromkeys(("AddCapability", "AddDevice", "DropCapability", "GIDMap", "UIDMap"), list_words),
    **dict.fromkeys(("RemapGid", "RemapUid", "Sysctl"), list_words),
}
"""How the keys of quadlet's sections that hold words are split."""
_TRUE = frozenset({"1", "yes", "true", "on"})


@dataclass(frozen=True, slots=True)
class QuadletUnit:
    """A quadlet by its file's name, its sections merged from the file and its drop-ins."""

    name: str  # web.container
    path: str
    sections: Mapping[str, Section]

    @property
    def own(self) -> str:
        """The section that it is about."""
        return OWN_SECTION[suffix(self.name)]

    @property
    def service(self) -> str:
        """The unit that quadlet makes of it, without .service."""
        asked = self.text(self.own, "ServiceName")
        stem = self.name.removesuffix(suffix(self.name))
        return asked or (stem if self.own in {"Container", "Kube"} else f"{stem}-{self.own.lower()}")

    def lines(self, section: str, key: str) -> tuple[Assignment, ...]:
        """Every line of a key."""
        found = self.sections.get(section)
        return tuple(one for one in found.assignments if one.key == key) if found else ()

    def last(self, section: str, key: str) -> tuple[str, Origin] | None:
        """The line that holds for a scalar key, its outer quotes taken off."""
        lines = self.lines(section, key)
        return (lines[-1].value.rstrip().strip('"'), lines[-1].origin) if lines else None

    def text(self, section: str, key: str) -> str:
        """The value of a scalar key, "" when it is empty or not there."""
        found = self.last(section, key)
        return found[0] if found else ""

    def truth(self, section: str, key: str) -> tuple[bool, Origin] | None:
        """The value of a boolean key. What is no word for yes is no, as quadlet has it."""
        found = self.last(section, key)
        return (found[0].lower() in _TRUE, found[1]) if found else None

    def all(self, section: str, key: str) -> Words:
        """The whole lines of a list key."""
        kept: list[tuple[str, Origin]] = []
        for line in self.lines(section, key):
            if line.value:
                kept.append((line.value, line.origin))
            else:
                kept.clear()
        return tuple(kept)

    def words(self, section: str, key: str) -> Words:
        """The words of a list key."""
        return _split(self.all(section, key), list_words)

    def arguments(self, section: str, key: str) -> Words:
        """The words of a key that holds command lines."""
        return _split(self.all(section, key), argument_words)

    def header(self, section: str) -> Origin:
        """Where a section begins; the start of the file for one that is not there."""
        found = self.sections.get(section) or self.sections.get(self.own)
        return found.origin if found else Origin(self.path, 1)

    def faults(self) -> tuple[QuadletProblem, ...]:
        """Sections and keys that do not do what their author meant."""
        found = []
        if self.own not in self.sections:
            found.append(QuadletProblem(self.path, 1, f"there is no section [{self.own}]."))
        for section in self.sections.values():
            if fault := fault_of_section(section.name, self.own):
                found.append(_problem(section.origin, fault))
                continue
            faults = ((one, fault_of_key(section.name, one.key)) for one in section.assignments)
            found.extend(
                _problem(one.origin, fault)
                for one, of_key in faults
                if (fault := of_key or _fault_of_words(section.name, one))
            )
        return tuple(found)


def merged(name: str, path: str, texts: tuple[UnitText, ...]) -> QuadletUnit:
    """The unit of a file and its drop-ins, in the order in which they apply."""
    sections: dict[str, Section] = {}
    for text in texts:
        for section in text.sections:
            known = sections.get(section.name)
            sections[section.name] = (
                Section(known.name, known.origin, known.assignments + section.assignments) if known else section
            )
    return QuadletUnit(name, path, sections)


def suffix(name: str) -> str:
    """`.container` of web.container; "" for a name without a dot."""
    _, dot, extension = name.rpartition(".")
    return dot + extension


def _split(values: Words, split: Splitter) -> Words:
    """The words of each line; one that cannot be split says nothing, as quadlet has it, and `faults` tells of it."""
    found: list[tuple[str, Origin]] = []
    for value, origin in values:
        try:
            found.extend((word, origin) for word in split(value))
        except WordsError:
            continue
    return tuple(found)


def _fault_of_words(section: str, line: Assignment) -> str:
    split = _SPLIT.get(line.key) if section != "Service" else None
    try:
        if split is not None:
            split(line.value)
    except WordsError as error:
        return f"{line.key}= cannot be split into words, and quadlet drops the line: {error}."
    return ""


def _problem(origin: Origin, message: str) -> QuadletProblem:
    return QuadletProblem(origin.file, origin.line, message)
