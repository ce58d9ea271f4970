"""Repeatedly read a published data set, as a service does. Each read must see a single, complete version.

    python data_set_reader.py FOLDER

It opens the folder, then the files relative to it, so a replacement of the folder does not affect a read. Ends on
SIGTERM with the number of reads on standard output. At the first mixture it ends with exit code 1 and says what is
wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading

import faiss

_ended = threading.Event()


def _checked(folder: int, name: str, files: dict[str, dict[str, object]]) -> bytes:
    with open(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != files[name]["sha256"]:
        raise AssertionError(f"{name} is not that of the manifest beside it")
    return content


def read_once(path: str) -> None:
    """Open the database, every code atlas that it names, and a FAISS index.

    Raises:
        AssertionError: Two files are of different versions.
        OSError: Something that the manifest names is not there.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with open(os.open("MANIFEST.json", os.O_RDONLY, dir_fd=folder), "rb") as stream:
            files = json.load(stream)["files"]
        database = json.loads(_checked(folder, "extensions/extensions_database.json", files))
        for entry in database["extensions"].values():
            if entry["codeatlas_path"]:
                json.loads(_checked(folder, f"extensions/{entry['codeatlas_path']}", files))
        metadata = json.loads(_checked(folder, "extensions/extensions_faiss/metadata.json", files))
        index = faiss.read_index(f"/proc/self/fd/{folder}/extensions/extensions_faiss/index.faiss")
        if not index.ntotal == metadata["count"] == len(database["extensions"]):
            raise AssertionError(f"{index.ntotal} vectors for {len(database['extensions'])} extensions")
    finally:
        os.close(folder)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: _ended.set())
    reads = 0
    while not _ended.is_set():
        read_once(sys.argv[1])
        reads += 1
    sys.stdout.write(f"{reads}\n")
