"""Measure `doit diff` on two data sets of 1,500 extensions. In each extension, one method in ten differs.

    python benchmarks/diff.py [NUMBER] [--seed DATA_SET]

The data sets repeat the API documents of a real data set. The changed methods have one parameter more.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from comparison.compare import compare
from comparison.data_set import DataSet

ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path, seed: Path, number: int, *, changed: bool) -> int:
    """Write a data set of ``number`` extensions. Return the size of its API documents in bytes."""
    sources = [orjson.loads(path.read_bytes()) for path in sorted((seed / "extensions/api_docs").glob("*.json"))]
    names = [path.name.rpartition("-")[0] for path in sorted((seed / "extensions/api_docs").glob("*.json"))]
    (folder / "extensions/api_docs").mkdir(parents=True)
    (folder / "settings").mkdir()
    extensions: dict[str, Any] = {}
    size = 0
    for index in range(number):
        api = sources[index % len(sources)]
        identifier = f"made.up{index:04}"
        text = orjson.dumps(api).replace(f"{names[index % len(names)]}.".encode(), f"{identifier}.".encode())
        if changed:
            text = _changed(text)
        path = folder / f"extensions/api_docs/{identifier}-1.0.0.api_docs.json"
        path.write_bytes(text)
        size += len(text)
        extensions[identifier] = {"version": "1.0.0", "api_docs_path": f"api_docs/{path.name}", "python_modules": []}
    database = {"kit_version": "107.3.3" if not changed else "108.0.0", "extensions": extensions}
    (folder / "extensions/extensions_database.json").write_bytes(orjson.dumps(database))
    (folder / "settings/setting_summary.json").write_bytes(b'{"settings": {}}')
    return size


def _changed(text: bytes) -> bytes:
    api = orjson.loads(text)
    added = {"name": "more", "kind": "positional_or_keyword", "type_annotation": "int", "default_value": None}
    for entry in api["classes"].values():
        for method in entry["methods"][::10]:
            method["arguments"].append(added)
            method["signature"] += " # more"
    return orjson.dumps(api)


def main() -> None:
    """Run the measurement and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=1500)
    parser.add_argument(
        "--seed", type=Path, default=ROOT / "data/107.3", help="a data set of the default configuration"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old"), Path(folder, "new")
        size = sum(make(one, arguments.seed, arguments.number, changed=one is new) for one in (old, new))
        began = time.process_time()
        found = compare(DataSet(old), DataSet(new))
        seconds = time.process_time() - began
    changes = sum(len(extension.changes) for extension in found.extensions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{arguments.number} against {arguments.number} extensions, {size / 1e6:.0f} MB of API documents: "
        f"{seconds:.1f} s of processor time, {changes:,} changes, {found.breaking:,} breaking, {peak:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
