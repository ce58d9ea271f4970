"""Search a finished data set, with the embedding model of its indexes.

>>> from pathlib import Path
>>> from search import search
>>> for hit in search("open a usd stage", data_dir=Path("data"), kind="code_examples"):
...     print(hit.score, hit.id)
"""

from stages.retrieval.search import Hit, Mode, SearchError, find_index, search

__all__ = ["Hit", "Mode", "SearchError", "find_index", "search"]
