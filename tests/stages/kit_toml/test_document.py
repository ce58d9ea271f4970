from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stages import kit_toml
from stages.kit_toml import KitTomlError, Leaf, loads, parse, parse_lenient

FIXTURES = Path(__file__).parents[2] / "fixtures" / "toml"


def read(name: str) -> kit_toml.Document:
    return parse((FIXTURES / name).read_bytes(), name=name)


def test_dialect_file_by_hand() -> None:
    document = read("dialect.kit")
    assert document.values == {
        "package": {"version": "1.0.0"},
        "settings": {
            "app": {"exts": {"folders": ["${app}/../exts", "${kit}/exts", "a#b", "c"], "recursive": False}},
            "exts": {"omni.kit.x": {"foo": 1, "bar": True}},
        },
    }
    folders = ("settings", "app", "exts", "folders")
    omni_x = ("settings", "exts", "omni.kit.x")
    assert document.leaves == (
        Leaf(("package", "version"), "1.0.0", 3, "", "first", (), False),
        Leaf(folders, ["${app}/../exts"], 8, "Where extensions are looked for.\nIn this order.", "own", (), False),
        Leaf((*omni_x, "foo"), 1, 14, "Menus #", "", (), False),
        Leaf((*omni_x, "bar"), True, 18, "", "", (), False),
        Leaf(folders, ["${kit}/exts", "a#b"], 19, "", "appended", (), True),
        Leaf(("settings", "app", "exts", "recursive"), False, 25, "", "", (), False),
        Leaf(folders, ["c"], 27, "", "", (), True),
    )
    assert document.notes == ()


def test_filters_by_hand() -> None:
    document = read("filters.toml")
    # The values of a release build on Linux. Other platforms count only if nothing else gives a value.
    assert document.values == {
        "dependencies": {"omni.ui": {}, "omni.windows.only": {}, "omni.linux.only": {"optional": True}},
        "settings": {"exts": {"omni.x": {"backend": "vulkan", "verbose": True, "paths": ["a", "b"]}}},
        "native": {"library": [{"path": "lib/x.so"}]},
    }
    found = [(leaf.path[-1], leaf.value, leaf.filters, leaf.line, leaf.comment) for leaf in document.leaves]
    windows, linux = (("platform", "windows-x86_64"),), (("platform", "linux-x86_64"),)
    assert found == [
        ("omni.ui", {}, (), 2, ""),
        ("omni.windows.only", {}, windows, 3, ""),
        ("optional", True, linux, 6, ""),
        ("backend", "any", (), 9, ""),
        ("backend", "dx12", windows, 11, "Only here."),
        ("backend", "vulkan", linux, 12, ""),
        ("verbose", True, (("config", "debug"),), 13, ""),
        ("paths", ["a"], (), 14, ""),
        ("paths", ["b"], (("config", "release"),), 15, ""),
        ("paths", ["d"], (("config", "debug"),), 16, ""),
        ("path", "bin/x", (), 19, ""),
        ("path", "lib/x.so", linux, 20, ""),
    ]
    assert document.leaves[-1].path == ("native", "library", "0", "path")
    assert document.leaves[2].path == ("dependencies", "omni.linux.only", "optional")


def test_bytes_that_are_not_utf8() -> None:
    document = read("latin1.toml")
    assert document.values == {"package": {"title": "Café “quoted”"}}
    assert document.notes == ((0, "not UTF-8: read as Windows-1252"),)
    assert loads("\ufeffa = 'é'".encode("utf-16-le"), name="x") == {"a": "é"}
    assert loads(b"a = '\x81'", name="x") == {"a": "\x81"}


def test_broken_file_names_the_line() -> None:
    with pytest.raises(KitTomlError) as caught:
        read("broken.toml")
    assert (caught.value.name, caught.value.line, caught.value.reason) == (
        "broken.toml",
        3,
        "an unclosed string",
    )
    assert str(caught.value) == "broken.toml:3: an unclosed string"
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.line == 3


def test_parse_lenient_keeps_the_readable_parts() -> None:
    document = parse_lenient((FIXTURES / "broken.toml").read_bytes(), name="broken.toml")
    assert document.values == {
        "package": {"version": "1.2.3", "category": "tools"},
        # The keys under a broken header are dropped, because their table is unknown.
        "python": {"pipapi": {}},
        "settings": {"exts": {"a": {"kept": 5, "also": "kept"}}},
    }
    assert [(error.line, error.reason.split(" (")[0]) for error in document.errors] == [
        (3, "an unclosed string"),
        (6, "an unclosed table header or an invalid key in it"),
        (10, "an unclosed array or inline table"),
        (15, "neither a table header nor `key = value`"),
        (16, "an invalid value"),
    ]


def test_parse_lenient_of_a_valid_file_equals_parse() -> None:
    data = (FIXTURES / "filters.toml").read_bytes()
    assert parse_lenient(data, name="x") == parse(data, name="x")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a = 1\na = 2", {"a": 2}),
        ("a.b = 1\n[a]\nc = 2\n[a]\nd = 3", {"a": {"b": 1, "c": 2, "d": 3}}),
        ("a = {b = 1}\na.c = 2\n[a.d]", {"a": {"b": 1, "c": 2, "d": {}}}),
        ("a = 1\n[a]\nb = 2", {"a": {"b": 2}}),
        (
            "[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\nx = 3\n[a.b]\ny = 4",
            {"a": [{"x": 1, "b": {"y": 2}}, {"x": 3, "b": {"y": 4}}]},
        ),
        ("a.++ = [1]\na ++= [2]\na += [3]\na.'++' = 4", {"a": [1, 2, 3, 4]}),
        ("a = {'++' = [1]}", {"a": [1]}),
        ("a = {\n b = 1, # c\n c = 2,\n}", {"a": {"b": 1, "c": 2}}),
        ("a = [ # one\n 1, # two \x0c\n]", {"a": [1]}),
        ('a = """\nb = 1\n"""', {"a": "b = 1\n"}),
        ('a = \'\'\'x\'\'\'\'\'\nb = """y\\""""""', {"a": "x''", "b": 'y"""'}),
        ("a = 1979-05-27T07:32:00Z", {"a": "1979-05-27T07:32:00+00:00"}),
        ("a = 0xFF7E7E7E\nb = 1_000\nc = -1e3", {"a": 0xFF7E7E7E, "b": 1000, "c": -1000.0}),
        ("\"a\\u0041.b\" = '${kit}'", {"aA.b": "${kit}"}),
        ("   \t", {}),
        ("a=1\r\rb=2\r\nc=3", {"a": 1, "b": 2, "c": 3}),
    ],
)
def test_forms(text: str, values: dict[str, Any]) -> None:
    assert loads(text.encode(), name="x") == values


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"a = 1\nb", 2, "neither a table header nor `key = value`"),
        (b"a =\nb = 1", 1, "a key without a value"),
        (b"\n\na = [1,\n2", 3, "unclosed"),
        (b"a = 1]", 1, "an extra `]`"),
        (b"a = nil", 1, "an invalid value"),
        (b"a = 1\n[[b]\n", 2, "table header"),
        (b'"\\q" = 1', 1, "invalid escape"),
        (b"a = 1\nb = '\0'", 2, "NUL"),
        (b"a = " + b"[" * 100_000, 1, "nested deeper than 64 arrays"),
        (b"a = " + b"{a=" * 100_000, 1, "nested deeper than 64 arrays"),
        (b".".join([b"a"] * 100_000) + b" = 1", 1, "nested deeper than 64 tables"),
        (b"[" + b".".join([b"a"] * 100_000) + b"]", 1, "nested deeper than 64 tables"),
        (b"a = " + b"9" * 10_000, 1, "an invalid value"),
        (b"a = 0x" + b"9" * 10_000, 1, "an integer of more than 64 bits"),
        (b"#" * (kit_toml.MAX_BYTES + 1), 1, "is not read"),
    ],
)
def test_errors(text: bytes, line: int, reason: str) -> None:
    with pytest.raises(KitTomlError, match=reason) as caught:
        parse(text, name="x.toml")
    assert caught.value.line == line
    assert parse_lenient(text, name="x.toml").errors[0].line == line


def test_contradictions_are_noted() -> None:
    document = parse(b"a = 1\na = 1\na = 2\na.b = 3\n", name="x")
    assert document.values == {"a": {"b": 3}}
    assert [line for line, _ in document.notes] == [3, 4]


def test_leaves_do_not_change_with_later_lines() -> None:
    document = parse(b"a = {}\na.b = 1\nc = [{x = 1}]\n[c]\ny = 2\n[[c]]\nz = 3\n", name="x")
    assert [leaf.value for leaf in document.leaves] == [{}, 1, [{"x": 1}], 2, 3]
    assert document.values == {"a": {"b": 1}, "c": [{"x": 1, "y": 2}, {"z": 3}]}


def test_a_hopeless_file_ends() -> None:
    document = parse_lenient(b"a = [\n" * 200_000, name="x")
    assert len(document.errors) == kit_toml.MAX_ERRORS + 1
    assert document.errors[-1].reason == "too many errors; the rest was not read"


@given(st.one_of(st.binary(), st.text(alphabet="ab.=[]{}\"'#+\\ \n\r\t0\ufefff:é,").map(str.encode)))
@example(b"[a]\n'++'=[1]")
@example(b"a.'filter:x'.b.'++'=[{}]")
@example(b"'filter:x'=1\n'filter:x'.a=1")
def test_any_bytes_give_values_or_the_one_error(data: bytes) -> None:
    rescued = parse_lenient(data, name="x")
    json.dumps(rescued.values)
    try:
        document = parse(data, name="x")
    except KitTomlError as error:
        assert rescued.errors[0].line == error.line
        assert 1 <= error.line <= data.count(b"\n") + data.count(b"\r") + 1
    else:
        assert document == rescued


KEYS = st.text(alphabet="ab-_.é \"'\\\n", min_size=1, max_size=4)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_toml(key)} = {to_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, str):
        # JSON and TOML have the same escapes, except for astral characters and DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def to_document(tables: dict[str, dict[str, Any]]) -> str:
    lines = []
    for table, content in tables.items():
        lines.append(f"[{to_toml(table)}] # a table")
        lines += [f"  {to_toml(key)}={to_toml(value)}\t# [a comment]" for key, value in content.items()]
    return "\n".join(lines)


@settings(suppress_health_check=[HealthCheck.too_slow])  # hypothesis reads Unicode's tables at the first draw
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_plain_toml_reads_as_with_tomli(tables: dict[str, dict[str, Any]]) -> None:
    text = to_document(tables)
    assert loads(text.encode(), name="x") == tomli.loads(text)


def test_every_app_of_a_real_wheel(wheel_root: Path) -> None:
    files = sorted(wheel_root.glob("isaaclab/apps/**/*.kit"))
    assert len(files) == 19
    documents = {}
    for file in files:
        documents[file.relative_to(wheel_root / "isaaclab/apps").as_posix()] = parse(file.read_bytes(), name=file.name)
    app = documents["isaaclab.python.kit"]
    assert app.values["package"]["title"] == "Isaac Lab Python"
    # `[settings]`, `[settings.app]` and the like are declared several times in it.
    settings = app.values["settings"]
    assert settings["rtx-transient"]["dlssg"]["enabled"] is False
    assert settings["app"]["useFabricSceneDelegate"] is True
    assert settings["exts"]["omni.kit.menu.utils"]["color_separator"] == 0xFF7E7E7E
    assert len(settings["app"]["exts"]["folders"]) == 12
    assert settings["isaac"]["startup"]["ros_bridge_extension"] == ""
    leaf = next(leaf for leaf in app.leaves if leaf.path[-1] == "asyncInit")
    assert (leaf.path, leaf.value, leaf.trailing_comment) == (
        ("settings", "renderer", "asyncInit"),
        True,
        "Don't block while renderer inits",
    )


def test_valid_files_of_a_real_wheel_read_as_plain_toml(wheel_root: Path) -> None:
    compared = 0
    for file in [*wheel_root.glob("isaaclab/**/*.toml"), *wheel_root.glob("isaaclab/apps/**/*.kit")]:
        data = file.read_bytes()
        try:
            expected = tomli.loads(data.decode())
        except tomli.TOMLDecodeError:
            continue
        assert loads(data, name=file.name) == expected
        compared += 1
    # 12 of the 19 .kit files are not plain TOML; everything else is.
    assert compared >= 13
