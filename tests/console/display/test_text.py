"""Summaries of warnings: short and complete."""

from __future__ import annotations

from console.display.text import shown_warnings
from stages.failures import StageWarning, warning


def broken(extension: str, file: str, line: int = 1, kind: str = "python-syntax") -> StageWarning:
    return warning(kind, extension, file, line, "It cannot be read.")


def test_warnings_of_one_kind_in_one_folder_share_a_line() -> None:
    found = [broken("a", f"lib/m{number}.py") for number in range(4)]
    lines, whole = shown_warnings(found, set())
    assert lines == ["a: lib/m0.py:1: It cannot be read; and 3 more of this kind in lib/."]
    assert not whole


def test_the_extensions_of_the_others_are_named() -> None:
    found = [broken(name, "config/extension.toml", kind="toml-syntax") for name in "abcdef"]
    assert shown_warnings(found, set())[0] == [
        "a: config/extension.toml:1: It cannot be read; and 5 more of this kind (b, c, d, …)."
    ]


def test_each_folder_and_kind_has_a_line_up_to_three() -> None:
    found = [broken(str(number), f"f{number}/a.py") for number in range(5)]
    lines, whole = shown_warnings(found, set())
    assert [line.split(":")[0] for line in lines] == ["0", "1", "2"]
    assert not whole
    assert shown_warnings(found[:2], set())[1]


def test_an_extension_has_at_most_one_line() -> None:
    named: set[str] = set()
    shown_warnings([broken("a", "x.py")], named)
    lines, whole = shown_warnings([broken("a", "y.py"), broken("b", "y.py", kind="other")], named)
    assert [line.split(":")[0] for line in lines] == ["b"]
    assert not whole


def test_every_warning_can_be_shown() -> None:
    found = [broken("a", f"m{number}.py") for number in range(9)]
    lines, whole = shown_warnings(found, set(), every=True)
    assert len(lines) == 9
    assert whole
