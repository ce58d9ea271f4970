from __future__ import annotations

import ast
from pathlib import Path

import pytest

from stages.python.files import (
    API,
    EXCLUDED,
    OUTSIDE,
    TESTS,
    UnreadableSource,
    classify,
    decode,
    read_bytes,
)
from stages.python.grammar import parse


def use_of(
    path: str, *, declared: list[str], roots: dict[str, str] | None = None, excluded: list[str] | None = None
) -> str:
    (found,) = classify([path], declared=declared, roots=roots or {"": ""}, excluded_modules=excluded or [])
    return found.use


@pytest.mark.parametrize(
    ("path", "declared", "use"),
    [
        ("omni/foo/__init__.py", ["omni.foo"], API),
        ("omni/foo/_private/x.py", ["omni.foo"], API),
        ("omni/foo/testing/x.py", ["omni.foo"], API),
        ("omni/foo/attestation.py", ["omni.foo"], API),
        ("omni/foo/tests/__init__.py", ["omni.foo"], TESTS),
        ("omni/foo/tests/deep/x.py", ["omni.foo"], TESTS),
        ("omni/foo/test/x.py", ["omni.foo"], TESTS),
        ("omni/foo/test_data/x.py", ["omni.foo"], TESTS),
        ("omni/foo/test_x.py", ["omni.foo"], TESTS),
        ("omni/foo/x_test.py", ["omni.foo"], TESTS),
        ("omni/foo/conftest.py", ["omni.foo"], TESTS),
        ("omni/foo/tests.py", ["omni.foo"], TESTS),
        ("omni/kit/test/x.py", ["omni.kit.test"], API),
        ("omni/kit/test/tests/x.py", ["omni.kit.test"], TESTS),
        ("omni/kit/ui_test/x.py", ["omni.kit.ui_test"], API),
        ("omni/foo/tests/x.py", ["omni.foo", "omni.foo.tests"], TESTS),
        ("omni/foo/tests/x.py", ["omni.foo.tests"], API),
        ("omni/bar/x.py", ["omni.foo"], API),
        ("setup.py", ["omni.foo"], OUTSIDE),
        ("setup.py", [], API),
        ("omni/foo/my-script.py", ["omni.foo"], OUTSIDE),
        ("omni/foo/lambda.py", ["omni.foo"], OUTSIDE),
        ("test/x.py", ["omni.foo"], TESTS),
    ],
)
def test_the_role_of_a_file(path: str, declared: list[str], use: str) -> None:
    assert use_of(path, declared=declared) == use


def test_a_test_known_only_by_its_own_name_is_marked() -> None:
    paths = ["a/test_x.py", "a/tests/test_x.py", "a/x_test.py", "a/tests/x.py", "a/x.py"]
    found = {file.path: file.by_name for file in classify(paths, declared=["a"], roots={"": ""}, excluded_modules=[])}
    assert [found[path] for path in paths] == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("path", "excluded", "use"),
    [
        ("omni/foo/ogn/python/node.py", ["ogn"], EXCLUDED),
        ("omni/foo/cognition.py", ["ogn"], API),
        ("omni/foo/ogn.py", ["ogn"], EXCLUDED),
        ("pip_prebundle_37/numpy/core.py", ["pip_prebundle*"], EXCLUDED),
        ("omni/foo/vendor/x/y.py", ["omni.foo.vendor"], EXCLUDED),
        ("omni/foo/vendor/x/y.py", ["omni/foo/vendor"], EXCLUDED),
        ("omni/foo/vendored.py", ["omni.foo.vendor"], API),
        ("omni/foo/tests/ogn/x.py", ["ogn"], EXCLUDED),
        ("omni/foo/x.py", [""], API),
    ],
)
def test_excluded_modules_are_names_or_globs(path: str, excluded: list[str], use: str) -> None:
    assert use_of(path, declared=["omni.foo"], excluded=excluded) == use


@pytest.mark.parametrize(
    ("path", "roots", "module"),
    [
        ("omni/foo/__init__.py", {"": ""}, "omni.foo"),
        ("omni/foo/a/b.py", {"": ""}, "omni.foo.a.b"),
        ("python/impl/x.py", {"": "", "python": "omni.foo"}, "omni.foo.impl.x"),
        ("python/__init__.py", {"": "", "python": "omni.foo"}, "omni.foo"),
        ("scripts/omni/foo/x.py", {"": "", "scripts": ""}, "omni.foo.x"),
        ("omni/foo/x.py", {".": ""}, "omni.foo.x"),
        ("python/impl/__init__.py", {"": "", "python/impl/*": "omni.foo"}, "omni.foo"),
        ("python/impl/x.py", {"": "", "python/impl/*": "omni.foo", "python": "omni.foo"}, "omni.foo.x"),
        ("python/impl/a/x.py", {"": "", "python/impl/*": "omni.foo", "python": "omni.foo"}, "omni.foo.impl.a.x"),
        ("python/impl/a/x.py", {"python/impl/a": "omni.foo.a", "python/impl/*": "omni.foo"}, "omni.foo.a.x"),
        ("python/x.py", {"": "", "python/x.py": "omni.foo.y", "python": "omni.foo"}, "omni.foo.y"),
    ],
)
def test_names_are_the_importable_ones(path: str, roots: dict[str, str], module: str) -> None:
    (found,) = classify([path], declared=["omni.foo"], roots=roots, excluded_modules=[])
    assert (found.module, found.use) == (module, API)


def test_a_file_under_no_root_is_outside() -> None:
    assert use_of("other/omni/x.py", declared=["omni.foo"], roots={"python": ""}) == OUTSIDE


def test_a_package_hides_a_module_of_the_same_name_but_not_its_stub() -> None:
    paths = ["m/twin.py", "m/twin/__init__.py", "m/twin/__init__.pyi"]
    found = {file.path: file for file in classify(paths, declared=["m"], roots={"": ""}, excluded_modules=[])}
    assert [found[path].use for path in paths] == [OUTSIDE, API, API]
    assert "m/twin/__init__.py" in found["m/twin.py"].why


def test_files_are_sorted() -> None:
    paths = ["m/b.py", "m/__init__.py", "m/a.py"]
    both = [classify(order, declared=["m"], roots={"": ""}, excluded_modules=[]) for order in (paths, paths[::-1])]
    assert both[0] == both[1]
    assert [file.path for file in both[0]] == sorted(paths)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"x = 1\r\ny = 2\rz = 3\n", "x = 1\ny = 2\nz = 3\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        ("# coding: utf-8\nx = 'ä'\n".encode(), "# coding: utf-8\nx = 'ä'\n"),
        ("# -*- coding: latin-1 -*-\nx = 'ä'\n".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'ä'\n"),
        ("#!/bin/sh\n# vim: set fileencoding=cp1252 :\n'€'\n".encode("cp1252"), None),
        (b"'coding: latin-1'\nx = 1\n", None),
    ],
)
def test_a_file_is_decoded_as_it_declares(data: bytes, text: str | None) -> None:
    decoded = decode(data)
    assert ast.dump(ast.parse(decoded)) == ast.dump(ast.parse(data))
    if text is not None:
        assert decoded == text


@pytest.mark.parametrize(
    ("data", "kind", "line"),
    [
        (b"x = 1\ny = '\xe4'\n", "python-encoding", 2),
        (b"# coding: klingon\n", "python-encoding", 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", "python-encoding", 1),
        (b"# coding: rot13\nk = 1\n", "python-encoding", 1),
        (b"x = 1\ny = (\n", "python-syntax", 2),
        (b"print 'python 2'\n", "python-syntax", 1),
        (b"exec 'x' in y\n", "python-syntax", 1),
        (b"x = 1\n\0\n", "python-syntax", 2),
        (b"x = " + b"(" * 400 + b"1" + b")" * 400, "python-syntax", 1),
        (b"x = " + b"-" * 20_000 + b"1", "python-nesting", 0),
        (b"x = " + b"1+" * 20_000 + b"1", "python-nesting", 0),
    ],
)
def test_the_error_for_an_unreadable_file_has_reason_and_line(data: bytes, kind: str, line: int) -> None:
    with pytest.raises(UnreadableSource) as caught:
        parse(decode(data))
    assert (caught.value.kind, caught.value.line) == (kind, line)


def test_the_error_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="No such file"):
        read_bytes(tmp_path, "gone.py")
