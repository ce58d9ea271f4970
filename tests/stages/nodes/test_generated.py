from __future__ import annotations

import pytest

from stages.nodes.generated import is_generated


@pytest.mark.parametrize(
    ("path", "generated"),
    [
        ("acme/nodes/ogn/OgnCountDatabase.py", True),
        ("acme/nodes/ogn/python/nodes/OgnCountDatabase.py", True),
        ("acme/nodes/ogn/OgnCountDatabase.pyi", True),
        ("acme/nodes/ogn/tests/TestOgnCount.py", True),
        ("acme/nodes/ogn/tests/__init__.py", True),
        ("acme/nodes/ogn/tests/test_by_hand.py", False),
        ("acme/nodes/ogn/nodes/OgnCount.py", False),
        ("acme/nodes/ogn/python/nodes/OgnCount.py", False),
        ("acme/nodes/ogn/__init__.py", False),
        ("acme/nodes/ogn/nodes/CountDatabase.py", False),
        ("acme/nodes/OgnCountDatabase.py", False),
        ("acme/nodes/tests/TestOgnCount.py", False),
        ("acme/cognition/tests/TestOgnCount.py", False),
    ],
)
def test_generated_files(path: str, generated: bool) -> None:
    assert is_generated(path) is generated
