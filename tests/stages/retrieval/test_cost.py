"""The cost estimate: sums, text and limit."""

from __future__ import annotations

import pytest

from stages.failures import StageError
from stages.retrieval.cost import Estimate


def test_only_uncached_texts_are_paid_for() -> None:
    found = Estimate("http://host/v1", texts=12_000, cached=10_000, tokens=250_000, price=0.02)
    assert found.paid == 2_000
    assert found.sum == pytest.approx(0.005)
    assert str(found) == (
        "12,000 texts, 10,000 of them in the cache; 2,000 with 250,000 tokens go to http://host/v1, "
        "for 0.005 (0.02 a million)."
    )


def test_without_a_price_there_is_no_cost_and_no_limit() -> None:
    found = Estimate("http://host/v1", texts=1, cached=0, tokens=1, price=None)
    assert found.sum is None
    assert str(found) == "1 text, 0 of them in the cache; 1 with 1 token go to http://host/v1."
    found.check_limit(0)


def test_the_limit_may_be_reached_but_not_exceeded() -> None:
    found = Estimate("http://host/v1", texts=5, cached=0, tokens=1_000_000, price=3)
    found.check_limit(3)
    found.check_limit(None)
    with pytest.raises(StageError, match=r"would cost 3\.00, more than embeddings\.max_cost \(2\.5\)"):
        found.check_limit(2.5)
