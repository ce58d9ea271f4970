"""Measure the quality of search: hit@1, hit@5 and mean reciprocal rank (MRR) over queries with known answers.

    python benchmarks/search_quality.py [--data data] [--no-docs]

``search_queries.toml`` holds the queries and their answers. They were written from the sources before any search was
run. The data set is that of the default configuration (the six extensions of the isaaclab 2.3.2 wheel). A query
searches one kind of document, like ``doit search --in``. The script prints the table and writes it to
``docs/search_quality.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import tomli

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from search import Hit, Mode, search  # noqa: E402

QUERIES = Path(__file__).with_name("search_queries.toml")
DOCUMENT = ROOT / "docs" / "search_quality.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
DEPTH = 20
NAMES = {"vector": "vectors", "lexical": "words (BM25)", "hybrid": "hybrid (the default)"}


@dataclass(frozen=True)
class Quality:
    """The quality of a search mode, averaged over queries.

    Attributes:
        hit_1: Share of queries whose first hit is an answer.
        hit_5: Share of queries with an answer among the first five.
        mrr: Mean of 1 / rank of the first answer, 0 beyond `DEPTH`.
    """

    hit_1: float
    hit_5: float
    mrr: float


def is_answer(hit: Hit, answers: Sequence[str]) -> bool:
    """Return True if a hit is one of the answers. An answer names an example by the end of its full name."""
    if hit.kind != "code_examples":
        return hit.id in answers
    return any(hit.id == answer or hit.id.endswith((f".{answer}", f":{answer}")) for answer in answers)


def rank(query: dict[str, Any], data_dir: Path, mode: Mode) -> int:
    """Return the 1-based rank of the first answer; 0 if no answer is among the first `DEPTH` hits."""
    hits = search(query["text"], data_dir=data_dir, kind=query["kind"], k=DEPTH, mode=mode)
    return next((number for number, hit in enumerate(hits, 1) if is_answer(hit, query["answers"])), 0)


def quality(ranks: Sequence[int]) -> Quality:
    """Return the quality for the ranks of some queries, see `rank`."""
    count = len(ranks)
    return Quality(
        sum(number == 1 for number in ranks) / count,
        sum(1 <= number <= 5 for number in ranks) / count,
        sum(1 / number for number in ranks if number) / count,
    )


def measure(queries: Sequence[dict[str, Any]], data_dir: Path) -> dict[str, list[int]]:
    """Return the ranks of all queries for each search mode."""
    return {mode: [rank(query, data_dir, mode) for query in queries] for mode in get_args(Mode)}


def as_table(queries: Sequence[dict[str, Any]], ranks: dict[str, list[int]]) -> str:
    """Return the results as a Markdown table: for all queries, and for each kind."""
    lines = ["| queries | searched by | hit@1 | hit@5 | MRR |", "|---|---|---:|---:|---:|"]
    kinds = sorted({query["kind"] for query in queries})
    for label, wanted in [("all", kinds), *((kind, [kind]) for kind in kinds)]:
        chosen = [number for number, query in enumerate(queries) if query["kind"] in wanted]
        for mode, name in NAMES.items():
            found = quality([ranks[mode][number] for number in chosen])
            figures = f"{found.hit_1:.2f} | {found.hit_5:.2f} | {found.mrr:.2f}"
            lines.append(f"| {label} ({len(chosen)}) | {name} | {figures} |")
    return "\n".join(lines) + "\n"


def missed(queries: Sequence[dict[str, Any]], ranks: Sequence[int]) -> str:
    """Return the queries without an answer among the first five, as a Markdown list."""
    lines = [
        f"- {query['kind']}: “{query['text']}” ({f'rank {number}' if number else f'not among {DEPTH}'})"
        for query, number in zip(queries, ranks, strict=True)
        if not 1 <= number <= 5
    ]
    return "\n".join(lines or ["- none"]) + "\n"


def main() -> int:
    """Measure, print and save the results. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="target folder (default: data)")
    parser.add_argument("--no-docs", action="store_true", help="only print")
    arguments = parser.parse_args()
    queries = tomli.loads(QUERIES.read_text(encoding="utf-8"))["query"]
    ranks = measure(queries, arguments.data)
    table = as_table(queries, ranks)
    print(table)
    left = missed(queries, ranks["hybrid"])
    print(f"Queries without an answer among the first five hits of the default:\n{left}")
    if not arguments.no_docs:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        measured = (
            f"{BEGIN}\n{table}\nQueries without an answer among the first five hits of the default:\n\n{left}{END}"
        )
        DOCUMENT.write_text(before + measured + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
