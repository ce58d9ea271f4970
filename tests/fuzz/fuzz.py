"""Coverage-guided fuzzing of what reads files that others wrote: any bytes give a value or the module's own error.

    make fuzz                              each target for a minute
    python tests/fuzz/fuzz.py TARGET [libFuzzer's arguments, such as -max_total_time=600 or a folder of inputs]

Needs the extra ``fuzz``. An input that breaks a target is left in the current folder as ``crash-…``: an example for the
target's own tests, which look at the same with hypothesis.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["stages", "checkpoint", "config", "tasks"]):
    from checkpoint import file as checkpoint_file
    from config import ConfigError, load
    from stages import kit_toml
    from stages.python.files import UnreadableSource, decode
    from stages.python.grammar import parse
    from stages.sources import premake as build_links

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def fuzz_kit_toml(data: bytes) -> None:
    """Kit's TOML dialect; what can be rescued is JSON, and all of it where nothing is wrong."""
    rescued = kit_toml.parse_lenient(data, name="x")
    json.dumps(rescued.values)
    try:
        document = kit_toml.parse(data, name="x")
    except kit_toml.KitTomlError as error:
        assert 1 <= error.line <= data.count(b"\n") + data.count(b"\r") + 1
    else:
        assert document == rescued


def fuzz_checkpoint(data: bytes) -> None:
    """The checkpoint file."""
    checkpoint_file.path_in(FOLDER).write_bytes(data)
    with contextlib.suppress(checkpoint_file.CheckpointCorrupt, checkpoint_file.CheckpointNewer):
        assert checkpoint_file.load(FOLDER) is not None


def fuzz_config(data: bytes) -> None:
    """The configuration."""
    path = FOLDER / "pipeline_config.toml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load(path)


def fuzz_build_links(data: bytes) -> None:
    """``premake5.lua``; nothing it says leads out of the extension."""
    for link in build_links.build_links(data, "a.b"):
        assert not link.source.startswith(("/", "..")) and not link.target.startswith(("/", ".."))


def fuzz_python_source(data: bytes) -> None:
    """A Python file, decoded and parsed."""
    with contextlib.suppress(UnreadableSource):
        parse(decode(data))


# What each target begins with: from nothing, it would not get past the first bracket for hours.
TARGETS: dict[str, tuple[Callable[[bytes], None], bytes]] = {
    "kit_toml": (
        fuzz_kit_toml,
        b'# About a.\n[a."b.c"]\nd = [1, 2.5, "x"] # of d\n\'++\' = [3]\n[a."b.c"]\ne.f = """g"""\n'
        b'[settings."filter:platform"."linux-x86_64"]\nh = { i = true }\n',
    ),
    "checkpoint": (
        fuzz_checkpoint,
        b'{"timestamp": "2025-10-28T23:46:10", "completed_stages": ["pull_repo_exts"], "schema_version": 1, '
        b'"config_snapshot": {"kit_cache_path": "/k", "kit_version": "107.3.0", "work_dir": "/w"}, "status": "failed"}',
    ),
    "config": (fuzz_config, (ROOT / "pipeline_config.toml").read_bytes()),
    "build_links": (
        fuzz_build_links,
        b'repo_build.prebuild_link {\n { "python/impl", ext.target_dir.."/a/b/impl" }, -- c\n { "docs", x } }\n'
        b'project_ext_bindings { ext = ext, src = "bindings", target_subdir = "a/b" }\n',
    ),
    "python_source": (fuzz_python_source, b"# -*- coding: latin-1 -*-\ndef f(a: int = 1):\n    return f'{a}'\n"),
}


def main() -> None:
    """Run as a command."""
    if sys.argv[1:2] == [] or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz.py {{{','.join(TARGETS)}}} [libFuzzer's arguments]")
    target, seed = TARGETS[sys.argv.pop(1)]
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    (seeds / "seed").write_bytes(seed)
    atheris.Setup([*sys.argv, str(seeds)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
