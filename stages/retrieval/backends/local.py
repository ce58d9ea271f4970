"""The local model: offline, with bit-identical vectors on every machine."""

from __future__ import annotations

import importlib.util
import itertools
import operator
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.artifacts.embeddings import ModelInfo
from stages.failures import StageError
from stages.retrieval.backends.backend import Batch, Purpose, Store, checked

if TYPE_CHECKING:
    import numpy

LOCAL_MODEL = "wordllama-l2-supercat"
_REPAIR = "Install it again: pip install --force-reinstall wordllama"
# Number of batches in the queue. Limits the texts in memory.
_WAITING = 2


def local_release() -> str:
    """Return the installed release of the local model's package; empty if it is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version("wordllama")
    except importlib.metadata.PackageNotFoundError:
        return ""


class LocalBackend:
    """The static 256-dimension model in the wheel of `wordllama`: a weighted mean of learned token vectors.

    The weights decrease by position, e^(-position / 32): by half every 22 tokens. In an unweighted mean the code of a
    function would outweigh its name and summary. Therefore documents begin with their most important words. See
    ``docs/search_quality.md`` for the effect.

    The model's files are read directly, not with the library's loader: it reconfigures the root logger, imports an HTTP
    client, and pads the texts of a batch to one length, so that vectors depend on the batch. Here the vector of a text
    depends only on the text.
    """

    remote = False
    _WEIGHTS = "weights/l2_supercat_256.safetensors"
    _TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
    # e^(-1/32), as a literal that is multiplied repeatedly: exp() may differ in the last bit between processors.
    _DECAY = 0.9692332344763441
    # Only the beginning of a text is read. The rest, from about the 150th token on, weighs less than a hundredth of the
    # text: the cosine of the vectors with and without the rest is 0.99998 or more for 5,800 functions. Splitting it
    # into tokens would take as long as everything else.
    _CHARACTERS = 640
    _LONGEST = 512

    def __init__(self, *, model: str = LOCAL_MODEL, dimensions: int = 0, load: bool = True) -> None:
        """Find the model.

        Args:
            model: Must be `LOCAL_MODEL`.
            dimensions: 64, 128 or 256; 0 for 256. The model was trained so that its first 64 or 128 dimensions can be
                used alone.
            load: True to load it now, False with the first text.

        Raises:
            StageError: The model is unknown, or its files are missing or broken.
        """
        if model != LOCAL_MODEL:
            raise StageError(f'embeddings.model: "{model}" is unknown to the local backend; use "{LOCAL_MODEL}".')
        if dimensions not in {0, 64, 128, 256}:
            raise StageError(f"embeddings.dimensions: {dimensions} is not possible with {model}; use 64, 128 or 256.")
        self.dimension = dimensions or 256
        self._model = model
        folder = _package_folder("wordllama")
        if folder is None:
            raise StageError(
                "embeddings: wordllama, the local model's package, is not installed: pip install wordllama"
            )
        self._folder = folder
        self._revision = self._digest_of_files()
        self._loaded = False
        if load:
            self.load()

    def _digest_of_files(self) -> str:
        import hashlib

        digest = hashlib.sha256()
        for name in (self._WEIGHTS, self._TOKENIZER):
            try:
                digest.update((self._folder / name).read_bytes())
            except OSError as error:
                raise StageError(
                    f"{self._folder / name}: the local model cannot be read ({error.strerror}). {_REPAIR}"
                ) from error
        digest.update(f"decay {self._DECAY} {self._CHARACTERS} {self._LONGEST} float32".encode())
        return digest.hexdigest()[:16]

    def load(self) -> None:
        """Load the model (0.3 s, 50 MB). A second call has no effect.

        Raises:
            StageError: Its files are broken.
        """
        if self._loaded:
            return
        folder = self._folder
        try:
            import numpy
            from safetensors import safe_open
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(folder / self._TOKENIZER))
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            weights_file = folder / self._WEIGHTS
            with safe_open(str(weights_file), framework="np") as weights:
                # Without this memory, safetensors would panic instead of raising MemoryError.
                numpy.empty(weights_file.stat().st_size, dtype=numpy.uint8)
                table = weights.get_tensor("embedding.weight")
            self._table = numpy.ascontiguousarray(table[:, : self.dimension], dtype=numpy.float32)
            weights_by_position = itertools.accumulate(
                itertools.repeat(self._DECAY, self._LONGEST - 1), operator.mul, initial=1.0
            )
            self._decay = numpy.fromiter(weights_by_position, dtype=numpy.float32, count=self._LONGEST)
        except (ImportError, MemoryError):
            raise
        except Exception as error:
            raise StageError(f"{folder}: the local model cannot be loaded ({error}). {_REPAIR}") from error
        if self._table.ndim != 2 or self._table.shape[1] != self.dimension:
            raise StageError(f"{folder / self._WEIGHTS}: has a table of shape {table.shape}, not 256 wide. {_REPAIR}")
        self._loaded = True

    @property
    def description(self) -> ModelInfo:
        """See `Backend.description`; the revision is the hash of the model's files."""
        return ModelInfo(backend="local", model=self._model, revision=self._revision, endpoint=None)

    def namespace(self, purpose: Purpose) -> str:
        """See `Backend.namespace`. This model embeds queries and passages in the same way."""
        return f"local {self._model} {self._revision} {self.dimension}"

    def embed(self, batches: Iterable[Batch], store: Store, *, purpose: Purpose, label: str, total: int) -> None:
        """See `Backend.embed`. A thread embeds each batch while the caller's thread makes the next one."""
        from concurrent.futures import Future, ThreadPoolExecutor

        def take(number: int, batch: Batch, vectors: Future[numpy.ndarray]) -> None:
            try:
                store([digest for digest, _ in batch], vectors.result())
            except ValueError as error:
                raise StageError(f"{label}: batch {number}: the local model {error}.") from error

        with ThreadPoolExecutor(1) as pool:
            waiting: list[tuple[int, Batch, Future[numpy.ndarray]]] = []
            for number, batch in enumerate(batches, start=1):
                waiting.append((number, batch, pool.submit(self._embed, [text for _, text in batch])))
                if len(waiting) > _WAITING:
                    take(*waiting.pop(0))
            for each in waiting:
                take(*each)

    def _embed(self, texts: list[str]) -> numpy.ndarray:
        self.load()
        beginnings = [text[: self._CHARACTERS] for text in texts]
        return self._vectors(self._tokenizer.encode_batch_fast(beginnings, add_special_tokens=False))

    def _vectors(self, encodings: list[Any]) -> numpy.ndarray:
        import numpy

        sums = numpy.zeros((len(encodings), self.dimension), dtype=numpy.float32)
        # Allocated once: allocating half a megabyte per text takes longer than filling it.
        rows = numpy.empty((self._LONGEST, self.dimension), dtype=numpy.float32)
        for number, encoding in enumerate(encodings):
            # The sum has the direction of the mean. Rows are added one after another, because the order of additions
            # in a matrix product depends on the machine.
            ids = numpy.array(encoding.ids[: self._LONGEST], dtype=numpy.int64)
            some = rows[: len(ids)]
            numpy.take(self._table, ids, axis=0, out=some, mode="clip")
            numpy.multiply(some, self._decay[: len(ids), None], out=some)
            numpy.add.reduce(some, axis=0, out=sums[number])
        return checked(sums, count=len(encodings), dimension=self.dimension)


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
