"""FAISS folders: valid by the contract, complete or absent, never a pickle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import jsonschema
import numpy
import pytest

from stages import embeddings
from stages import faiss as faiss_index
from stages.artifacts.embeddings import KINDS
from stages.failures import StageError
from stages.retrieval.documents import read_documents

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "search" / "work"
SCHEMAS = ROOT / "stages" / "schemas"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = Path(shutil.copytree(FIXTURE, tmp_path_factory.mktemp("search") / "work"))
    for kind in KINDS:
        embeddings.embed(kind, work_dir=work_dir, options={}, api_key=None)
    return work_dir


@pytest.fixture
def work_dir(embedded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded, tmp_path / "work"))


def made_up(work_dir: Path, count: int, dimension: int = 16, seed: int = 0) -> numpy.ndarray:
    """Write embeddings of ``count`` synthetic documents, as the previous stage writes them."""
    vectors = numpy.random.default_rng(seed).standard_normal((count, dimension)).astype(numpy.float32)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True) if count else 1
    folder = work_dir / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    numpy.save(folder / "settings_embeddings.npy", vectors)
    lines = [
        json.dumps({"id": f"/{row:06}", "metadata": {}, "page_content": f"setting {row}"}, separators=(",", ":"))
        for row in range(count)
    ]
    (folder / "settings_documents.json").write_text("[\n" + ",\n".join(lines) + ("\n]\n" if lines else "]\n"))
    described = {"backend": "local", "model": "m", "dimension": dimension, "count": count, "kit_version": "1.2.3"}
    described |= {"revision": None, "endpoint": None, "input_type": None, "max_tokens": 500}
    (folder / "settings_embeddings.json").write_text(json.dumps(described))
    return vectors


@pytest.mark.parametrize("kind", KINDS)
def test_folder_conforms_to_the_contract(work_dir: Path, kind: str) -> None:
    faiss_index.build(kind, work_dir=work_dir, options={})
    folder = work_dir / "faiss_databases" / f"{kind}_faiss"
    assert sorted(os.listdir(folder)) == ["index.faiss", "index.json", "metadata.json", "words.sqlite3"]
    store, metadata = (json.loads((folder / name).read_text()) for name in ("index.json", "metadata.json"))
    for value, name in ((store, "faiss_index"), (metadata, "faiss_metadata")):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(value, schema)
    index = faiss.read_index(str(folder / "index.faiss"))
    vectors = numpy.load(work_dir / "embeddings" / f"{kind}_embeddings.npy")
    assert numpy.array_equal(index.reconstruct_n(0, index.ntotal), vectors)
    assert list(store["docstore"]) == sorted(store["docstore"])
    assert len(store["docstore"]) == len(store["index_to_docstore_id"]) == metadata["count"] == index.ntotal
    documents = {
        document.id: document for document in read_documents(work_dir / "embeddings" / f"{kind}_documents.json")
    }
    for row, identifier in store["index_to_docstore_id"].items():
        assert store["docstore"][identifier]["page_content"] == documents[identifier].page_content
        _, found = index.search(vectors[int(row)][None, :], 1)
        assert numpy.array_equal(vectors[found[0][0]], vectors[int(row)])
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT


def test_two_builds_give_the_same_bytes_in_other_processes(work_dir: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from stages import faiss as faiss_index;"
        "from stages.artifacts.embeddings import KINDS;"
        "[faiss_index.build(kind, work_dir=Path(sys.argv[1]), options={'hnsw_above': int(sys.argv[2])})"
        " for kind in KINDS]"
    )
    made_up(work_dir, 3000)
    for above in ("100000", "5"):
        results = []
        for number in range(2):
            copy = Path(shutil.copytree(work_dir, tmp_path / f"{above} {number}" / "work"))
            threads = {**os.environ, "OMP_NUM_THREADS": str(1 + number)}
            subprocess.run([sys.executable, "-c", program, str(copy), above], cwd=ROOT, check=True, env=threads)
            files = sorted(path for path in (copy / "faiss_databases").rglob("*") if path.is_file())
            results.append({path.relative_to(copy): path.read_bytes() for path in files})
        assert results[0] == results[1]


def test_second_build_writes_nothing(work_dir: Path) -> None:
    faiss_index.build("settings", work_dir=work_dir)
    paths = [work_dir / name for name in faiss_index.targets("settings")]
    before = [path.stat().st_mtime_ns for path in paths]
    faiss_index.build("settings", work_dir=work_dir)
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_no_documents(tmp_path: Path) -> None:
    for dimension in (0, 256):
        made_up(tmp_path, 0, dimension)
        faiss_index.build("settings", work_dir=tmp_path)
        index = faiss.read_index(str(tmp_path / "faiss_databases" / "settings_faiss" / "index.faiss"))
        assert (index.ntotal, index.d) == (0, dimension)


def test_large_index_is_approximate_and_finds_nearly_all(tmp_path: Path) -> None:
    vectors = made_up(tmp_path, 5000, 32)
    faiss_index.build("settings", work_dir=tmp_path, options={"hnsw_above": 4999})
    folder = tmp_path / "faiss_databases" / "settings_faiss"
    index = faiss.read_index(str(folder / "index.faiss"))
    assert "HNSW" in type(index).__name__
    assert json.loads((folder / "metadata.json").read_text())["index_type"] == "hnsw"
    exact = faiss.IndexFlatIP(32)
    exact.add(vectors)
    questions = made_up(tmp_path / "other", 200, 32, seed=1)
    _, right = exact.search(questions, 10)
    _, found = index.search(questions, 10)
    recall = numpy.mean([len(set(one) & set(other)) / 10 for one, other in zip(right, found, strict=True)])
    assert recall > 0.95


def test_up_to_the_limit_it_is_exact(tmp_path: Path) -> None:
    made_up(tmp_path, 100)
    faiss_index.build("settings", work_dir=tmp_path, options={"hnsw_above": 100})
    metadata = json.loads((tmp_path / "faiss_databases" / "settings_faiss" / "metadata.json").read_text())
    assert metadata["index_type"] == "flat"


def broken(work_dir: Path, how: str) -> None:
    folder = work_dir / "embeddings"
    path = folder / "settings_embeddings.npy"
    if how == "no vectors":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "pickle":
        numpy.save(path, numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif how == "one too few":
        numpy.save(path, numpy.load(path)[:-1])
    elif how == "float64":
        numpy.save(path, numpy.load(path).astype(numpy.float64))
    elif how == "not finite":
        vectors = numpy.load(path)
        vectors[3, 2] = numpy.nan
        numpy.save(path, vectors)
    elif how == "document too few":
        documents = folder / "settings_documents.json"
        lines = documents.read_text().splitlines()
        documents.write_text("\n".join([*lines[:-3], lines[-2], lines[-1]]) + "\n")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no vectors", "settings_embeddings.npy"),
        ("cut", "settings_embeddings.npy"),
        ("pickle", "settings_embeddings.npy"),
        ("one too few", "settings_embeddings.npy"),
        ("float64", "float64"),
        ("not finite", "not finite"),
        ("document too few", "settings_documents.json"),
    ],
)
def test_mismatched_inputs_keep_the_old_index(work_dir: Path, how: str, message: str) -> None:
    faiss_index.build("settings", work_dir=work_dir)
    folder = work_dir / "faiss_databases" / "settings_faiss"
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    broken(work_dir, how)
    with pytest.raises(StageError, match=message):
        faiss_index.build("settings", work_dir=work_dir)
    assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before


def test_full_disk_gives_one_clear_error(work_dir: Path) -> None:
    """A limit on the file size simulates a full disk."""
    program = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from stages import faiss as faiss_index\nfrom stages.failures import StageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))\n"
        "try:\n    faiss_index.build('code_examples', work_dir=Path(sys.argv[1]))\n"
        "except StageError as error:\n    print('ONE', error)\n"
    )
    for limit in (1000, 8000, 20000):
        done: Any = subprocess.run(
            [sys.executable, "-c", program, str(work_dir), str(limit)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("ONE "), done.stdout
        assert done.stdout.count("\n") == 1
        folder = work_dir / "faiss_databases" / "code_examples_faiss"
        assert not folder.exists() or os.listdir(folder) == []


def test_langchain_loads_the_folder_and_answers(work_dir: Path) -> None:
    """Return LangChain's store, as a service would load it from the folder."""
    docstores = pytest.importorskip(
        "langchain_community.docstore.in_memory", reason="langchain_community is not installed"
    )
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    from stages.retrieval.backends import LocalBackend, embed_query

    class Local(Embeddings):
        backend = LocalBackend()

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return [float(number) for number in embed_query(self.backend, text)]

    faiss_index.build("code_examples", work_dir=work_dir)
    folder = work_dir / "faiss_databases" / "code_examples_faiss"
    content = json.loads((folder / "index.json").read_text())
    store = FAISS(
        Local(),
        faiss.read_index(str(folder / "index.faiss")),
        docstores.InMemoryDocstore({key: Document(**value) for key, value in content["docstore"].items()}),
        {int(row): key for row, key in content["index_to_docstore_id"].items()},
    )
    found = store.similarity_search("render images of an asset from all sides", k=1)
    assert found[0].metadata["name"] == "render_turntable"
