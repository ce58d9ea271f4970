"""Recognition of the files that Kit's build generates from ``.ogn`` files, by name and location."""

from __future__ import annotations

# The folder of a package that Kit loads nodes from; the build generates into it, and hand-written nodes lie below it.
NODES_FOLDER = "ogn"


def is_generated(path: str) -> bool:
    """Return True if a Python file is one that the build generates for a node.

    Below a folder ``ogn`` these are ``Ogn<Node>Database.py``, and in ``ogn/tests`` the files ``TestOgn<Node>.py`` and
    ``__init__.py``. What else lies there is hand-written, the implementation of the nodes above all.

    Args:
        path: Relative to the extension's folder, with ``/``.
    """
    *folders, name = path.split("/")
    if NODES_FOLDER not in folders:
        return False
    stem = name.rpartition(".")[0]
    if stem.startswith("Ogn") and stem.endswith("Database"):
        return True
    in_tests = "/".join(folders).endswith(f"{NODES_FOLDER}/tests")
    return in_tests and (stem.startswith("TestOgn") or stem == "__init__")
