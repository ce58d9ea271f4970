"""The files of stage 6: the documents of each kind, their vectors, and the embedding model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from stages.artifacts.record import Count, Positive, Record, Text

FOLDER = "embeddings"
CACHE = f"{FOLDER}/cache.sqlite3"

Kind = Literal["extensions", "code_examples", "settings", "nodes"]
KINDS: tuple[Kind, ...] = ("extensions", "code_examples", "settings", "nodes")
# The largest kind takes longer than the others together, so it starts first.
KINDS_BY_SIZE: tuple[Kind, ...] = ("code_examples", "extensions", "settings", "nodes")


class EmbeddingFiles(NamedTuple):
    """The files of a kind.

    Attributes:
        documents: A JSON list of `StoredDocument`, one per line, sorted by id.
        embeddings: An `EmbeddingInfo`.
        vectors: The vectors, float32, n × d, in NumPy's format; row i is the vector of document i, of length 1.
    """

    documents: str
    embeddings: str
    vectors: str


def embedding_files(kind: str) -> EmbeddingFiles:
    """Return the paths of a kind's files."""
    return EmbeddingFiles(
        f"{FOLDER}/{kind}_documents.json", f"{FOLDER}/{kind}_embeddings.json", f"{FOLDER}/{kind}_embeddings.npy"
    )


class ModelInfo(Record):
    """The backend, model and options that made the vectors, without secrets.

    Attributes:
        backend: ``embeddings.backend``.
        model: The model's name.
        revision: Hash of a local model's files; null for a service.
        endpoint: Base address of the service; null for a local model.
    """

    backend: Literal["local", "openai"]
    model: Text
    revision: str | None
    endpoint: Annotated[str, Meta(extra_json_schema={"format": "uri"})] | None


class EmbeddingInfo(ModelInfo):
    """The model that made the vectors of a kind, and its options.

    Attributes:
        dimension: Length of a vector.
        count: Number of documents.
        kit_version: The Kit version.
        input_type: NVIDIA's input_type of the documents; null if none was sent.
        max_tokens: ``embeddings.max_tokens``.
    """

    dimension: Count
    count: Count
    kit_version: Text
    input_type: Literal["passage"] | None
    max_tokens: Positive


class ExtensionMetadata(Record):
    """The fields of an extension in a search result.

    Attributes:
        extension_id: The extension's id.
        version: The version.
        title: The manifest's title.
        description: The manifest's description; empty if it has none.
        long_description: The readme or overview, as plain text.
        keywords: The keywords, joined by ", ".
        dependencies: Ids of its dependencies in the manifest, joined by ", ".
        has_python_api: Whether it has a public Python API.
        has_overview: Whether it has an overview.
        total_classes: Number of classes in the code atlas.
        total_methods: Number of functions and methods in the code atlas.
    """

    extension_id: Text
    version: str
    title: str
    description: str
    long_description: str
    keywords: str
    dependencies: str
    has_python_api: bool
    has_overview: bool
    total_classes: Count
    total_methods: Count


class CodeExampleMetadata(Record):
    """The fields of a code example in a search result.

    Attributes:
        method_key: The extension's id, a colon and the importable name.
        name: The name, without its module or class.
        full_name: The importable name.
        module: The importable name of its module.
        file_path: The file, relative to the extension.
        start_line: Its first line.
        extension: The extension's id.
        line_count: Number of its lines.
        is_async: Whether it is an ``async def``.
        complexity_score: Cyclomatic complexity.
        reasons: Reasons for its selection, joined by ", ".
        source_code: The whole source, dedented.
    """

    method_key: Text
    name: Text
    full_name: Text
    module: str
    file_path: Text
    start_line: Count
    extension: Text
    line_count: Count
    is_async: bool
    complexity_score: Count
    reasons: str
    source_code: str


class SettingMetadata(Record):
    """The fields of a setting in a search result.

    Attributes:
        setting_key: The setting's path.
        type: Its type; ``unknown`` without evidence.
        default_value: The default; null if there is none.
        documentation: The comment in the TOML file; empty if there is none.
        description: The documentation's first sentence, or else words made from the path.
        usage_count: Number of places in Python and C++ that read or write it.
        has_documentation: Whether there is documentation.
        prefix: The first part of its path.
        extensions: Ids of the extensions and apps that define or use it, joined by ", ".
    """

    setting_key: Annotated[str, Meta(min_length=1, extra_json_schema={"pattern": "^/"})]
    type: Literal["bool", "int", "float", "string", "array", "object", "unknown"]
    default_value: Any
    documentation: str
    description: str
    usage_count: Count
    has_documentation: bool
    prefix: str
    extensions: str


class NodeMetadata(Record):
    """The fields of an OmniGraph node type in a search result.

    Attributes:
        node_type: Its registered name.
        extension: The extension's id.
        node_version: The version of the node type.
        language: The language of its implementation.
        ui_name: Its name in the user interface; empty if it has none.
        description: The description from the `.ogn` file; empty if it has none.
        categories: Its categories, joined by ", ".
        inputs: Its inputs with their types (``reset: bool``), joined by ", ".
        outputs: Its outputs with their types, joined by ", ".
        class_full_name: The Python class that implements it; null if there is none.
        file_path: Its ``.ogn`` file, relative to the extension.
    """

    node_type: Text
    extension: Text
    node_version: int
    language: Literal["python", "cpp", "cuda"]
    ui_name: str
    description: str
    categories: str
    inputs: str
    outputs: str
    class_full_name: str | None
    file_path: Text


class Document(Record):
    """One entry of an index.

    Attributes:
        id: Unique within its kind: an extension's id, ``<extension id>:<full name>`` of an example, a setting's path, a
            node type's name.
        page_content: The embedded text, at most ``max_tokens`` long; never blank.
        metadata: The fields of a search result.
    """

    id: Text
    page_content: Text
    metadata: ExtensionMetadata | CodeExampleMetadata | SettingMetadata | NodeMetadata


class StoredDocument(Record):
    """A `Document` with undecoded metadata, for reading.

    Attributes:
        id: Unique within its kind.
        page_content: The embedded text.
        metadata: The fields of a search result, as JSON.
    """

    id: Text
    page_content: Text
    metadata: msgspec.Raw
