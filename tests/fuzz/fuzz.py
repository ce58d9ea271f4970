"""Coverage-guided fuzzing of the parsers: any bytes give a value or the module's own error.

    make fuzz                              each target for a minute
    python tests/fuzz/fuzz.py TARGET [libFuzzer's arguments, such as -max_total_time=600 or a folder of inputs]

Needs the extra ``fuzz``. An input that breaks a target is left in the current folder as ``crash-…``: an example for the
target's own tests, which look at the same with hypothesis.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris
import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["stages", "checkpoint", "config", "tasks"]):
    from checkpoint import file as checkpoint_file
    from config import ConfigError, load
    from stages import kit_toml
    from stages.artifacts.settings import Definition, SettingUse
    from stages.python import renderer
    from stages.python.docstring_types import argument_types
    from stages.python.files import UnreadableSource, decode
    from stages.python.grammar import parse
    from stages.python.resolver import Api
    from stages.python.visitor import visit
    from stages.retrieval import lexical
    from stages.setting_scan.calls import python_uses
    from stages.setting_scan.cpp import cpp_uses
    from stages.setting_scan.precedence import owner_value
    from stages.setting_scan.strings import Where
    from stages.setting_scan.toml import toml_settings
    from stages.sources import premake as build_links
    from stages.sources import zip_archive

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def fuzz_kit_toml(data: bytes) -> None:
    """Kit's TOML dialect: lenient parsing gives JSON values, and all of them for a valid file."""
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
    """``premake5.lua``; no link leads out of the extension."""
    for link in build_links.build_links(data, "a.b"):
        assert not link.source.startswith(("/", "..")) and not link.target.startswith(("/", ".."))


def fuzz_python_source(data: bytes) -> None:
    """A Python file, decoded and parsed."""
    with contextlib.suppress(UnreadableSource):
        parse(decode(data))


def _well_formed(uses: list[SettingUse]) -> None:
    for use in uses:
        assert use.kind == "text" or use.path.startswith("/")
    plain = msgspec.to_builtins(uses)
    msgspec.convert(plain, list[SettingUse])
    json.dumps(plain)


def fuzz_settings(data: bytes) -> None:
    """The settings in a Python file and in a manifest; no file exceeds the step limit."""
    with contextlib.suppress(UnreadableSource):
        text = decode(data)
        warned: list[str] = []
        where = Where("my.ext", "my.ext", is_package=True)
        _well_formed(python_uses(parse(text).tree, file="a.py", source=text, where=where, warn=warned.append))
        assert not warned
    by_path: dict[str, list[Definition]] = {}
    for definition in toml_settings(data, file="a.toml", owner="a").definitions:
        by_path.setdefault(definition.path, []).append(definition)
    for definitions in by_path.values():
        owner_value(definitions)


def fuzz_cpp(data: bytes) -> None:
    """The settings in a C++ file."""
    _well_formed(cpp_uses(data, file="a.cpp"))


def fuzz_exports(data: bytes) -> None:
    """Three modules of one package, divided by a form feed: names, code atlas and API documentation agree."""
    names = ["k", "k.impl", "k._more"]
    modules = []
    for name, part in zip(names, data.split(b"\f"), strict=False):
        with contextlib.suppress(UnreadableSource):
            parsed = parse(decode(part))
            modules.append(visit(name, f"{name}.py", is_package=name == "k", parsed=parsed))
    api = Api(modules, [], ["k"])
    atlas = renderer.codeatlas(api, "k", None)
    documented = renderer.api_docs(api, "k", "1.0.0", atlas)
    methods = [method for item in documented["classes"].values() for method in item["methods"]]
    assert {method["full_name"] for method in [*methods, *documented["methods"]]} <= set(atlas["methods"])
    list(api.missing_exports())
    json.dumps([atlas, documented])


def fuzz_archives(data: bytes) -> None:
    """A zip archive: unpacked completely or refused, and nothing is written beside it."""
    archive, folder = FOLDER / "x.zip", FOLDER / "unpacked"
    archive.write_bytes(data)
    before = sorted(FOLDER.iterdir())
    try:
        zip_archive.unpack(archive, folder, max_bytes=1_000_000, max_files=100)
    except zip_archive.ArchiveError:
        assert not folder.exists()
    else:
        shutil.rmtree(folder)
    assert sorted(FOLDER.iterdir()) == before
    with contextlib.suppress(zip_archive.ArchiveError):
        zip_archive.names(archive)


def fuzz_text(data: bytes) -> None:
    """The types in a docstring, and the words of a text."""
    text = data.decode("utf-8", "replace")
    assert all(name.isidentifier() for name in argument_types(text))
    assert all(word.strip() == word for word in lexical.words(text))


def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", "text " * 20)
        archive.writestr("c", "more")
    return buffer.getvalue()


# Seeds of each target. From an empty input, the fuzzer would need hours to get beyond the first bracket.
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
    "settings": (
        fuzz_settings,
        b"import carb.settings\nfrom .x import A\ns = carb.settings.get_settings()\nclass E:\n  K = '/app/k'\n"
        b"  def on_startup(self, ext_id):\n    n = ext_id.split('-')[0]\n    s.get(f'/exts/{n}/' + A)\n"
        b"    for p, v in [('/a/b', 1)]:\n      s.set_default(p, v)\n"
        b"    s.get(self.K + '.'.join(__name__.split('.')[:1]))\n",
    ),
    "cpp": (
        fuzz_cpp,
        b'#define P "/exts/a" "/b"\n#define D(n, p) constexpr char n##X[] = P p\n'
        b"namespace a { const char* k = P; }\n"
        b"void f() { settings->getAsBool(a::k); }\n"
        b'void g() { D(kOn, "/on"); s->setDefault(("/x" + std::string(k)).c_str(), 1.5f); }\n',
    ),
    "exports": (
        fuzz_exports,
        b"from .impl import *\nfrom . import _more\n__all__ = ['A', *_more.__all__]\nB = _more.B\n"
        b"def __getattr__(name): pass\n\f__all__ = []\ndef e(f):\n  __all__.append(f.__name__)\n  return f\n"
        b"@e\nclass A:\n  def m(self): pass\n\fclass B: pass\n__all__ = ['B']\n",
    ),
    "archives": (fuzz_archives, _zipped()),
    "text": (
        fuzz_text,
        "A.\n\nArgs:\n    a (int): x\n\nParameters\n----------\nb : str, optional\n\n:type c: \u00dcL\n".encode(),
    ),
    "python_newer": (
        fuzz_python_source,
        b"type X[T] = list[T]\ndef f[T: int](x: T) -> T: return f'{x['a']}' f\"{\n y!r:>{z} }\"\n",
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
