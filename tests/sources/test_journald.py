from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sources.log.journald import JournaldSource, problem_of


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("[Journal]\n#MaxLevelStore=warning\nStorage=persistent\n", ""),
        ("[Journal]\nMaxLevelStore=info\n", ""),
        ("[Journal]\nMaxLevelStore=7\n", ""),
        ("[Journal]\nMaxLevelStore = warning\n", "below warning"),
        ("[Journal]\nMaxLevelStore=5\n", "below notice"),
        ("[Journal]\nMaxLevelStore=emerg\n", "below emerg"),
        ("[Journal]\nMaxLevelStore=warning\nMaxLevelStore=\n", ""),
        ("[Journal]\nMaxLevelStore=err\nMaxLevelStore=loud\n", "below err"),
        ("[Other]\nMaxLevelStore=err\n", ""),
        ("[Journal]\nMaxLevelStore=\\\nerr\n", "below err"),
        ("[Journal]\nStorage=none\n", "keeps nothing"),
        ("[Journal]\nStorage=none\nMaxLevelStore=err\n", "keeps nothing"),
    ],
)
def test_what_is_kept_by_one_file(text: str, words: str) -> None:
    problem = problem_of([text, ""])
    assert words in problem
    assert bool(problem) == bool(words)


def test_the_kernels_command_line_has_the_last_word() -> None:
    assert problem_of(["", "quiet systemd.journald.max_level_store=warning"])
    assert not problem_of(["[Journal]\nMaxLevelStore=err\n", "systemd.journald.max_level_store=debug"])


def test_the_first_main_file_counts_and_drop_ins_by_their_names(tmp_path: Path) -> None:
    quiet, loud = "[Journal]\nMaxLevelStore=warning\n", "[Journal]\nMaxLevelStore=debug\n"
    root = write(tmp_path, usr__lib__systemd__journald=quiet)
    assert JournaldSource(root).problem()
    write(root, etc__systemd__journald="[Journal]\n")
    assert not JournaldSource(root).problem()
    write(root, **{"usr/lib/systemd/journald.conf.d/50": quiet})
    assert JournaldSource(root).problem()
    write(root, **{"etc/systemd/journald.conf.d/50": ""})
    assert not JournaldSource(root).problem(), "a file of the same name in /etc replaces it"
    write(root, **{"run/systemd/journald.conf.d/60": quiet, "etc/systemd/journald.conf.d/70": loud})
    assert not JournaldSource(root).problem()


def test_it_is_looked_at_again_after_a_minute(tmp_path: Path) -> None:
    now = [0.0]
    source = JournaldSource(tmp_path, lambda: now[0])
    assert not source.problem()
    write(tmp_path, etc__systemd__journald="[Journal]\nMaxLevelStore=warning\n")
    now[0] = 59.0
    assert not source.problem()
    now[0] = 60.0
    assert source.problem()


def test_a_file_that_cannot_be_read_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "etc/systemd/journald.conf").mkdir(parents=True)
    (tmp_path / "etc/systemd/journald.conf.d").mkdir()
    (tmp_path / "etc/systemd/journald.conf.d/x.conf").write_bytes(b"[Journal]\nMaxLevelStore=\xff\n")
    assert not JournaldSource(tmp_path).problem()


@given(
    st.lists(st.text(alphabet=st.sampled_from("[]Journal=MxLvStwig#;\\\n ") | st.characters()), min_size=1, max_size=4)
)
def test_any_text_is_read(texts: list[str]) -> None:
    problem_of([*(f"[Journal]\n{text}" for text in texts), texts[0]])
