"""The files of stage 7: a FAISS folder for each kind of document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from stages.artifacts.embeddings import EmbeddingInfo
from stages.artifacts.record import Record, Text

FOLDER = "faiss_databases"
FORMAT_VERSION: Literal[1] = 1


class IndexFiles(NamedTuple):
    """The files of a FAISS folder.

    Attributes:
        vectors: The vectors, read with ``faiss.read_index``.
        store: An `IndexStore`.
        metadata: An `IndexMetadata`.
        words: The words of the documents, an SQLite database.
    """

    vectors: str
    store: str
    metadata: str
    words: str


def index_files(kind: str) -> IndexFiles:
    """Return the paths of a kind's files."""
    folder = f"{FOLDER}/{kind}_faiss"
    return IndexFiles(
        f"{folder}/index.faiss", f"{folder}/index.json", f"{folder}/metadata.json", f"{folder}/words.sqlite3"
    )


class IndexedDocument(Record):
    """A document of an index.

    Attributes:
        page_content: The text that was embedded.
        metadata: The fields of the document, in the form of its kind.
    """

    page_content: Text
    # A form of `stages.artifacts.embeddings`, as given in the schema. A reader leaves it undecoded.
    metadata: dict[str, Any]


class IndexStore(Record):
    """The documents of an index. index_to_docstore_id maps "i" to the document of row i of index.faiss.

    Attributes:
        format_version: Version of this format.
        docstore: The documents by id.
        index_to_docstore_id: For each row of ``index.faiss``, the id of its document.
    """

    format_version: Literal[1]
    docstore: dict[Text, IndexedDocument]
    index_to_docstore_id: dict[Annotated[str, Meta(extra_json_schema={"pattern": "^(0|[1-9][0-9]*)$"})], Text]


class IndexMetadata(EmbeddingInfo):
    """The model that made the vectors of an index. Embed queries with the same model.

    Attributes:
        metric: The metric. Vectors have length 1, so the inner product is the cosine similarity.
        index_type: Exact (``flat``), or approximate (``hnsw``) above ``hnsw_above`` documents.
        format_version: Version of this format.
    """

    metric: Literal["inner_product"]
    index_type: Literal["flat", "hnsw"]
    format_version: Literal[1]
