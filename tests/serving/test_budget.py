"""Answers within a number of tokens."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.budget import LEAST_TOKENS, fitted
from stages.retrieval.tokens import count


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.lists(st.text(max_size=900), max_size=12), st.integers(LEAST_TOKENS, 600))
def test_no_answer_has_more_tokens_than_requested(head: str, parts: list[str], most: int) -> None:
    assert count(fitted(head, parts, most)) <= most


def test_parts_that_fit_are_complete_and_the_others_are_counted() -> None:
    parts = [f"part {number} " + "word " * 40 for number in range(10)]
    whole = fitted("head", parts, 1000)
    assert all(part in whole for part in parts)
    short = fitted("head", parts, 200)
    shown = sum(part in short for part in parts)
    assert 0 < shown < 10
    assert f"{10 - shown} more results are omitted" in short


def test_a_first_part_that_does_not_fit_is_cut_and_its_fence_closed() -> None:
    text = fitted("", ["```python\n" + "value = 1\n" * 500 + "```"], 200)
    assert text.startswith("```python\n")
    assert text.count("```") == 2
    assert "(cut)" in text
