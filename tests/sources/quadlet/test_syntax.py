from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.quadlet_file import Origin
from exporter.sources.quadlet.syntax import Assignment, Section, UnitText, parse_unit_text

FILE = "web.container"


def assigned(content: bytes, section: str = "Container") -> list[tuple[str, str, int]]:
    text = parse_unit_text(content, FILE)
    assert text.problems == ()
    found = text.section(section)
    return [(one.key, one.value, one.origin.line) for one in found.assignments] if found else []


def faults(content: bytes) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in parse_unit_text(content, FILE).problems]


def test_each_value_knows_its_line() -> None:
    content = b"# one\n\n[Container]\n; two\nImage = localhost/lab \r\nReadOnly=true"
    assert assigned(content) == [("Image", "localhost/lab", 5), ("ReadOnly", "true", 6)]


def test_a_continuation_stands_where_it_begins_and_skips_comments_and_blank_lines() -> None:
    content = b"[Container]\nPodmanArgs=--a \\\n# no\n\n  ; nor this\n  --b \\\n--c\nImage=x"
    assert assigned(content) == [("PodmanArgs", "--a --b --c", 2), ("Image", "x", 8)]


def test_a_section_that_comes_again_goes_on() -> None:
    content = b"[Container]\nImage=a\n[Service]\nRestart=no\n[Container]\nImage=b\n"
    assert assigned(content) == [("Image", "a", 2), ("Image", "b", 6)]
    assert parse_unit_text(content, FILE).section("Container") == Section(
        "Container",
        Origin(FILE, 1),
        (Assignment("Image", "a", Origin(FILE, 2)), Assignment("Image", "b", Origin(FILE, 6))),
    )


def test_an_empty_value_is_kept_for_it_forgets_what_was_before() -> None:
    assert assigned(b"[Container]\nVolume=\n") == [("Volume", "", 2)]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"[Container]\nImage=x\nrubbish\n", 3, "'rubbish' is neither"),
        (b"Image=x\n[Container]\n", 1, "'Image' stands before the first"),
        (b"[Container\nImage=x\n", 1, "'[Container' is neither"),
        (b"[Container]\n=x\n", 2, "'=x' is neither"),
        (b"\xef\xbb\xbf[Container]\nImage=x\n", 1, "is neither"),
        ("[Container]\nImage=x\nLabel=caf\xe9\n".encode("latin-1"), 3, "not UTF-8 (byte 0xe9, 'é' in Latin-1)"),
        (b"[Container]\nImage=a\0b\n", 2, "NUL"),
        (b"[Container]\nImage=x\nDropCapability=all \\\n# the end\n", 3, "the line is lost"),
    ],
)
def test_a_line_that_is_not_what_its_author_meant_is_told(content: bytes, line: int, words: str) -> None:
    (first, *_) = faults(content)
    assert first[0] == line
    assert words in first[1]


def test_latin_1_in_a_comment_harms_nobody() -> None:
    assert assigned("# caf\xe9\n[Container]\nImage=x\n".encode("latin-1")) == [("Image", "x", 3)]


def test_only_what_quadlet_cannot_load_is_refused() -> None:
    assert parse_unit_text(b"[Container]\nrubbish\n", FILE).refused
    assert not parse_unit_text("[Container]\nLabel=\xe9\n".encode("latin-1"), FILE).refused


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\\"), max_size=12)


@st.composite
def unit_texts(draw: st.DrawFn) -> UnitText:
    """Any file of one header a section, its lines where writing puts them."""
    sections, line = [], 0
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        line += 1
        header, assignments = Origin(FILE, line), []
        for key, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=4)):
            line += 1
            assignments.append(Assignment(key, value, Origin(FILE, line)))
        sections.append(Section(name, header, tuple(assignments)))
    return UnitText(tuple(sections))


def written(text: UnitText) -> bytes:
    """A file that parses to the same sections."""
    lines = []
    for section in text.sections:
        lines.append(f"[{section.name}]")
        lines += [f"{one.key}={one.value}" for one in section.assignments]
    return "".join(f"{line}\n" for line in lines).encode()


@given(unit_texts())
def test_what_is_written_is_read_again(text: UnitText) -> None:
    assert parse_unit_text(written(text), FILE) == text


@given(st.lists(st.sampled_from([b"[Container]", b"\n", b"A=b", b"\\", b"#", b";", b"\0", b"\xe9", b"=", b" "])))
def test_any_bytes_are_parsed_without_an_exception(parts: list[bytes]) -> None:
    content = b"".join(parts)
    lines = content.count(b"\n") + 1
    assert all(1 <= problem.line <= lines for problem in parse_unit_text(content, FILE).problems)


@given(st.binary(max_size=200))
def test_any_binary_is_parsed_without_an_exception(content: bytes) -> None:
    parse_unit_text(content, FILE)
