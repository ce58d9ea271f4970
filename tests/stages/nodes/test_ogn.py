from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.nodes.ogn import MAX_BYTES, Attribute, NodeType, OgnFile, full_name, read_ogn


def read(value: Any) -> OgnFile:
    return read_ogn(json.dumps(value).encode())


def test_a_node_type_by_hand() -> None:
    text = """\ufeff{
    "$comment": ["not", "read"],
    "Count": {
        "version": 3,
        "language": "Python",
        "$description": "Commented out.",
        "description": ["Counts what goes", "through it."],
        "metadata": {"uiName": "Counter"},
        "categories": "math:operator, function",
        "inputs": {
            "$old": {"type": "int"},
            "reset": {"type": "bool", "description": "Start again.", "default": false, "uiName": "Reset Now"},
            "step": {"type": ["float", "int[3]"], "description": ["How", "far."], "optional": true}
        },
        "outputs": {"outputs:count": {"type": "int", "description": "So far."}},
        "state": {"last": {"type": "any", "description": ""}},
        "tests": [{"inputs:reset": true}]
    }
}"""
    node = NodeType(
        name="Count",
        version=3,
        language="python",
        description="Counts what goes through it.",
        ui_name="Counter",
        categories=["math:operator", "function"],
        inputs={
            "reset": Attribute(["bool"], "Start again.", False, False, "Reset Now"),
            "step": Attribute(["float", "int[3]"], "How far.", None, True, None),
        },
        outputs={"count": Attribute(["int"], "So far.", None, False, None)},
        state={"last": Attribute(["any"], "", None, False, None)},
    )
    assert read_ogn(text.encode()) == OgnFile([node], "", 0)


def test_several_node_types_in_a_file() -> None:
    found = read({"One": {"description": "1"}, "omni.other.Two": {"version": "2", "language": "cu"}})
    assert [(node.name, node.version, node.language) for node in found.nodes] == [
        ("One", 1, None),
        ("omni.other.Two", 2, "cuda"),
    ]
    assert [full_name("acme.nodes", node.name) for node in found.nodes] == ["acme.nodes.One", "omni.other.Two"]
    assert found.problem == ""


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        ("function", ["function"]),
        ("function, time,function", ["function", "time"]),
        (["function", "time"], ["function", "time"]),
        ({"acme": "Acme's own", "$comment": "no"}, ["acme"]),
        (["function", {"acme": "Acme's own"}], ["function", "acme"]),
        (None, []),
        (7, []),
    ],
)
def test_categories(categories: Any, expected: list[str]) -> None:
    assert read({"A": {"categories": categories}}).nodes[0].categories == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [("python", "python"), ("py", "python"), ("C++", "cpp"), ("cpp", "cpp"), ("cuda", "cuda"), ("CU", "cuda")],
)
def test_languages(language: str, expected: str) -> None:
    assert read({"A": {"language": language}}).nodes[0].language == expected


@pytest.mark.parametrize(
    ("data", "problem", "line"),
    [
        (b"", "is not JSON (Expecting value, column 1)", 1),
        (b'{\n "A": {},\n}', "is not JSON (Expecting property name enclosed in double quotes", 3),
        (b'{\n "A": "\xff"}', "is not UTF-8", 2),
        (b"[1]", "contains no table of node types", 0),
        (b"{}", "defines no node type", 0),
        (b'{"$comment": {}}', "defines no node type", 0),
        (b'{"A": 1}', "the node type 'A' is not a table", 0),
        (b"[" * 100_000, "is not JSON", 0),
        (b" " * (MAX_BYTES + 1), "has more than 4,194,304 bytes", 0),
    ],
)
def test_files_that_cannot_be_read(data: bytes, problem: str, line: int) -> None:
    found = read_ogn(data)
    assert found.nodes == []
    assert found.problem.startswith(problem)
    assert found.line == line


def test_an_error_in_a_node_type_does_not_affect_the_rest() -> None:
    found = read(
        {
            "A": {
                "version": "new",
                "language": "Fortran",
                "inputs": [1],
                "outputs": {"a": 1, "b": {"description": "No type."}, "c": {"type": "int"}},
            },
            "B": 2,
            "C": {},
        }
    )
    assert [node.name for node in found.nodes] == ["A", "C"]
    assert found.nodes[0].outputs == {
        "b": Attribute(["unknown"], "No type.", None, False, None),
        "c": Attribute(["int"], "", None, False, None),
    }
    assert found.problem == (
        "the version of 'A' is not a whole number; 1 is used; the language of 'A' is unknown;"
        " the inputs of 'A' are not a table; …"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["A", "$c", "inputs", "outputs", "type", "description", "categories", "uiName", "metadata"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read_or_reported(value: Any) -> None:
    found = read(value)
    assert found.nodes or found.problem
    json.dumps(found)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_reported(data: bytes) -> None:
    found = read_ogn(data)
    assert found.nodes or found.problem
