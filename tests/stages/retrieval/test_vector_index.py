"""Vector indexes: byte-identical to FAISS's own, with constant memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import faiss
import numpy
import pytest

from stages.failures import StageError
from stages.retrieval import vector_index
from stages.retrieval.vector_index import VectorFile

ROOT = Path(__file__).parents[3]


def saved(path: Path, count: int, dimension: int) -> tuple[numpy.ndarray, VectorFile]:
    vectors = numpy.random.default_rng(count).standard_normal((count, dimension)).astype("<f4")
    numpy.save(path, vectors)
    return vectors, VectorFile(path, count=count, dimension=dimension)


@pytest.mark.parametrize(("count", "dimension"), [(0, 0), (0, 8), (1, 1), (3, 8), (4096, 4), (4097, 4), (9000, 3)])
def test_a_flat_index_equals_the_file_that_faiss_writes(tmp_path: Path, count: int, dimension: int) -> None:
    vectors, file = saved(tmp_path / "v.npy", count, dimension)
    index = faiss.IndexFlatIP(dimension)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "whole"))
    vector_index.write(tmp_path / "blocks", file, approximate=False, shown=tmp_path / "index.faiss")
    assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_installed_faiss_is_written_in_blocks(tmp_path: Path) -> None:
    _, file = saved(tmp_path / "v.npy", 3, 8)
    assert vector_index._writes_as_expected(faiss, file)
    vector_index._write_whole(faiss, tmp_path / "whole", file, approximate=False)
    vector_index.write(tmp_path / "blocks", file, approximate=False, shown=tmp_path / "index.faiss")
    assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("spoil", ["last vector", "cut", "count"])
def test_an_index_that_reads_back_differently_is_detected(tmp_path: Path, spoil: str) -> None:
    _, file = saved(tmp_path / "v.npy", 5000, 4)
    path = tmp_path / "index"
    vector_index.write(path, file, approximate=False, shown=path)
    content = bytearray(path.read_bytes())
    if spoil == "last vector":
        content[-1] ^= 1
    elif spoil == "cut":
        del content[-400:]
    else:
        _, file = saved(tmp_path / "v.npy", 5001, 4)
    path.write_bytes(content)
    try:
        whole = vector_index._reads_back(faiss, path, file, mapped=True)
    except RuntimeError:
        whole = False
    assert not whole


def test_vectors_that_end_early_are_an_error(tmp_path: Path) -> None:
    _, file = saved(tmp_path / "v.npy", 5000, 4)
    content = (tmp_path / "v.npy").read_bytes()
    (tmp_path / "v.npy").write_bytes(content[:-16])
    with pytest.raises(StageError, match=r"v\.npy: cannot be read"):
        vector_index.write(tmp_path / "index", file, approximate=False, shown=tmp_path / "index")
    with pytest.raises(StageError, match="cut short"):
        VectorFile(tmp_path / "v.npy", count=5000, dimension=4)


def test_memory_does_not_grow_with_the_number_of_vectors(tmp_path: Path) -> None:
    program = (
        "import re, sys; from pathlib import Path; from stages.retrieval import vector_index as v\n"
        "path, count = Path(sys.argv[1]), int(sys.argv[2])\n"
        "v.write(path.with_suffix('.index'), v.VectorFile(path, count=count, dimension=64), approximate=False, "
        "shown=path)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []
    for count in (10_000, 400_000):  # 2.5 MB, 100 MB
        path = tmp_path / f"{count}.npy"
        numpy.save(path, numpy.ones((count, 64), dtype="<f4"))
        command = [sys.executable, "-c", program, str(path), str(count)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 16 * 1024
