"""Types in docstrings of the three styles, compared with hand-written expectations."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.python.docstring_types import argument_types


@pytest.mark.parametrize(
    ("docstring", "types"),
    [
        (
            """Create a prim.

            Args:
                path (str): Where.
                size (Optional[float]): How big.
                colour (tuple[int, int, int], optional): Which, e.g. (1, 2, 3): red.
                    other (int): A word in the text above.
                *names (str): More.
                **options (Dict[str, Callable[[int], (str)]]): All else.
                plain: No type.
                role (:obj:`omni.ui.Window`): A window.
                quoted (``Sdf.Path``): A path.
                both, either (int): Two.
                many (Union[int,
                    str]): On two lines.
                given (int, default 3): With a default.
                given2 (bool, defaults to True): With a default.

            Returns:
                path2 (str): No argument.
            """,
            {
                "path": "str",
                "size": "Optional[float]",
                "colour": "tuple[int, int, int]",
                "names": "str",
                "options": "Dict[str, Callable[[int], (str)]]",
                "role": "omni.ui.Window",
                "quoted": "Sdf.Path",
                "both": "int",
                "either": "int",
                "many": "Union[int, str]",
                "given": "int",
                "given2": "bool",
            },
        ),
        (
            """Create a prim.

            Parameters
            ----------
            path : str
                Where.
            size : float, optional
                How big: 1 : 2.
            x, y : array_like
                Where else.

            Returns
            -------
            prim : Usd.Prim
                The prim.
            """,
            {"path": "str", "size": "float", "x": "array_like", "y": "array_like"},
        ),
        (
            """Create a prim.

            :param str path: Where.
            :param size: How big.
            :type size: float or None
            :param dict[str, int] table: A table.
            :returns: The prim.
            :rtype: Usd.Prim
            """,
            {"path": "str", "size": "float or None", "table": "dict[str, int]"},
        ),
        ("Args (all of them): none.", {}),
        (":type 1: int", {}),
        ("Text.\n\nArgs:\n    broken (int: No end.\n    good (int): An end.", {"good": "int"}),
        ("Parameters\nthat are none : str", {}),
        (None, {}),
    ],
)
def test_types_in_docstrings(docstring: str | None, types: dict[str, str]) -> None:
    assert argument_types(None if docstring is None else inspect.cleandoc(docstring)) == types


@given(
    st.lists(st.sampled_from(["Args:", "Parameters", "-----", "a (int): x", "b : c", ":type d: e", "(", "    ", "\n"]))
)
def test_any_docstring_gives_names_and_types(pieces: list[str]) -> None:
    for name, text in argument_types("\n".join(pieces)).items():
        assert name.isidentifier()
        assert text.strip() == text != ""
