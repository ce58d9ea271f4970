"""Each text is embedded only once: also after a crash, in several processes, and with a broken file."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy
import pytest

from stages.failures import StageError
from stages.retrieval.cache import EmbeddingCache


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def rows(count: int, dimension: int = 4, start: int = 0) -> numpy.ndarray:
    return numpy.arange(start, start + count * dimension, dtype=numpy.float32).reshape(count, dimension)


def test_vectors_come_back_bit_for_bit(tmp_path: Path) -> None:
    names = [digest(str(number)) for number in range(2500)]
    vectors = numpy.random.default_rng(0).standard_normal((2500, 7)).astype(numpy.float32)
    with EmbeddingCache(tmp_path / "c", "space", durable=True) as cache:
        assert cache.dimension == 0
        cache.store(names, vectors)
    with EmbeddingCache(tmp_path / "c", "space", durable=False) as cache:
        assert cache.dimension == 7
        found = cache.vectors(names)
        assert cache.known([*names, digest("other")]) == set(names)
    assert all(numpy.array_equal(found[name], vector) for name, vector in zip(names, vectors, strict=True))


def test_namespaces_are_separate(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        cache.store([digest("a")], rows(1))
    with EmbeddingCache(tmp_path / "c", "two", durable=False) as cache:
        assert cache.known([digest("a")]) == set()
        assert cache.dimension == 0


def test_another_dimension_drops_mismatched_vectors(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        cache.store([digest("a"), digest("b")], rows(2))
        cache.store([digest("b")], rows(1, dimension=3))
        assert cache.dimension == 3
        assert cache.known([digest("a"), digest("b")]) == {digest("b")}


def test_wanted_texts_come_once_in_order_in_batches(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        cache.enqueue((digest(text), text) for text in "abcab")
        cache.enqueue((digest(text), text) for text in "cdé")
        assert cache.pending == 5
        assert [[text for _, text in batch] for batch in cache.batches(2)] == [["a", "b"], ["c", "d"], ["é"]]


def test_batches_may_be_stored_while_more_are_read(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=True) as cache:
        cache.enqueue((digest(str(number)), str(number)) for number in range(10))
        for batch in cache.batches(3):
            cache.store([name for name, _ in batch], rows(len(batch)))
        assert len(cache.known([digest(str(number)) for number in range(10)])) == 10


def test_truncated_blob_is_not_used(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        cache.store([digest("a"), digest("b")], rows(2))
    with sqlite3.connect(tmp_path / "c") as connection:
        connection.execute("UPDATE vector SET vector = x'0000' WHERE digest = ?", (digest("a"),))
    connection.close()
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        assert cache.known([digest("a"), digest("b")]) == {digest("b")}
        assert set(cache.vectors([digest("a"), digest("b")])) == {digest("b")}


@pytest.mark.parametrize("vector", ["x'0000c07f'", "x'0000807f'", "'text'", "NULL", "1.5"])
def test_a_hostile_vector_is_not_used(tmp_path: Path, vector: str) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        cache.store([digest("a"), digest("b")], numpy.ones((2, 1), dtype=numpy.float32))
    with sqlite3.connect(tmp_path / "c") as connection:
        connection.execute(f"UPDATE OR IGNORE vector SET vector = {vector} WHERE digest = ?", (digest("a"),))
    connection.close()
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        usable = {digest("b")} if vector != "NULL" else {digest("a"), digest("b")}  # the table refuses NULL
        assert cache.known([digest("a"), digest("b")]) == usable
        assert set(cache.vectors([digest("a"), digest("b")])) == usable


@pytest.mark.parametrize("dimension", ["'abc'", "-5", "1000000000000", "1e300", "x'00'"])
def test_a_hostile_dimension_empties_the_namespace(tmp_path: Path, dimension: str) -> None:
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        cache.store([digest("a")], rows(1))
    with sqlite3.connect(tmp_path / "c") as connection:
        connection.execute(f"UPDATE space SET dimension = {dimension}")
    connection.close()
    for _ in range(2):
        with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
            assert cache.known([digest("a")]) == set()
            cache.store([digest("a")], rows(1))
            assert cache.known([digest("a")]) == {digest("a")}
            cache._connection.execute(f"UPDATE space SET dimension = {dimension}")


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough" * 200, b"SQLite format 3\0" + b"\xff" * 500]
)
def test_broken_file_is_renamed_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.sqlite3"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING), EmbeddingCache(path, "one", durable=False) as cache:
        cache.store([digest("a")], rows(1))
    assert (tmp_path / "cache.sqlite3.corrupt").read_bytes() == content
    assert "every text is embedded again" in caplog.text
    with EmbeddingCache(path, "one", durable=False) as cache:
        assert cache.known([digest("a")]) == {digest("a")}


def _store_at(args: tuple[Path, int, float]) -> None:
    path, number, moment = args
    time.sleep(max(0.0, moment - time.time()))
    with EmbeddingCache(path, "one", durable=False) as cache:
        cache.store([digest(str(number))], rows(1))


def test_a_broken_file_is_replaced_once_by_several_processes(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("forkserver")) as pool:
        list(pool.map(_store_at, [(tmp_path / "warm" / "c", number, time.time() + 1) for number in range(4)]))
        for attempt in range(15):
            path = tmp_path / str(attempt) / "cache.sqlite3"
            path.parent.mkdir()
            path.write_bytes(b"not a database" * 500)
            moment = time.time() + 0.02
            list(pool.map(_store_at, [(path, number, moment) for number in range(4)]))
            with EmbeddingCache(path, "one", durable=False) as cache:
                assert len(cache.known([digest(str(number)) for number in range(4)])) == 4
            assert path.with_name("cache.sqlite3.corrupt").read_bytes() == b"not a database" * 500


def test_foreign_database_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE vector (other TEXT)")
    connection.close()
    with EmbeddingCache(path, "one", durable=False) as cache:
        cache.store([digest("a")], rows(1))
    assert (tmp_path / "cache.sqlite3.corrupt").is_file()


def test_folder_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite3").mkdir()
    with pytest.raises(StageError, match=r"cache\.sqlite3"):
        EmbeddingCache(tmp_path / "cache.sqlite3", "one", durable=False)


WRITER = """
import sys, numpy
from pathlib import Path
from stages.retrieval.cache import EmbeddingCache
with EmbeddingCache(Path(sys.argv[1]), "one", durable=True) as cache:
    for number in range(20):
        cache.store([f"{sys.argv[2]} {number}".encode()], numpy.ones((1, 8), numpy.float32))
"""


def test_processes_share_a_new_cache(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "c"), str(number)], cwd=root)
        for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    names = [f"{writer} {number}".encode() for writer in range(4) for number in range(20)]
    with EmbeddingCache(tmp_path / "c", "one", durable=False) as cache:
        assert len(cache.known(names)) == 80
