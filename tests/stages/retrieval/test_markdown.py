from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.retrieval.markdown import plain_text


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("", ""),
        ("# Title\n\nSome **bold** and _slanted_ `code`.", "Title\n\nSome bold and slanted code."),
        ("Heading\n=======\nline one\nline two", "Heading\n\nline one\nline two"),
        ("[label](https://example.org) ![a picture](x.png)", "label a picture"),
        ("- one\n- two\n  more\n\n  second block\n", "- one\n\n- two\nmore\n\n  second block"),
        ("1. one\n   - inner", "- one\n\n  - inner"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("    indented code", "indented code"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n\n1 | 2"),
        ("<div>kept</div>\n\n<!-- dropped -->\n\ntext <br> more &amp; more", "kept\n\ntext  more & more"),
        ("```{toctree}\n:maxdepth: 2\npage\n```", ""),
        ("```{note}\n:class: x\nMind the gap.\n```", "Mind the gap."),
        ("> quoted", "quoted"),
    ],
)
def test_visible_text_is_kept(markdown: str, expected: str) -> None:
    assert plain_text(markdown) == expected


@given(st.text(alphabet="#*-_`[]()<>|!:{}\\ \n\tab1&;", max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_read(markdown: str) -> None:
    assert plain_text(markdown).strip("\n") == plain_text(markdown)
