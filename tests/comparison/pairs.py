"""Two synthetic Kits with known differences, and the pipeline run on both."""

from __future__ import annotations

from pathlib import Path

from tests.project import Project

_BODY = "\n".join(f"    if {line} in values:\n        result += {line}" for line in range(20))

_COMMON = '''\
"""Module of the tests."""


class _Hidden:
    """Private."""

    def from_hidden(self, a):
        """Come from a class that is not public."""


class Kept(_Hidden):
    """Stays as it is."""

    limit: int = 1

    def run(self, items):
        """Run over items."""
        return items
'''

OLD = {
    "made.api/made/api/__init__.py": _COMMON
    + f'''

class Changed(Kept):
    """Changes in many ways."""

    color: str = "red"
    gone_attribute = 1

    def gone(self):
        """Go away, for good this time."""

    def called_old(self, a, b):
        """Have this docstring under another name."""

    def lifted(self):
        """Be lifted into the base class of the new one."""

    def from_hidden(self, a):
        """Override what the hidden class has."""

    @property
    def size(self) -> int:
        """Its size."""
        return 1

    def area(self):
        """Become a property."""


class Lost:
    """Is lost without a trace of it."""

    def method(self):
        """Do."""


class Movable:
    """Moves to another module and keeps its text."""

    def first(self, a):
        """Do the first."""

    def second(self, b):
        """Do the second."""


def signature(a, b, c=1, *, d=2) -> int:
    """Get another signature."""
    return a


def to_class(a):
    """Become a class."""


def example_kept(values):
    """Stay an example."""
    result = 0
{_BODY}
    return result


def example_lost(values):
    """Be an example no longer."""
    result = 1
{_BODY}
    return result


CONSTANT = 1
GONE_CONSTANT = 2
''',
    "made.api/made/api/extra.py": '"""More."""\n\n\ndef reexported(a):\n    """Be exported by the package later."""\n',
    "made.gone/made/gone/__init__.py": (
        '"""Goes."""\n\n\ndef wanders(a, b):\n    """Wander into another extension, as it is."""\n'
    ),
}

NEW = {
    "made.api/made/api/__init__.py": "from .extra import reexported\n"
    + _COMMON.replace(
        '        """Run over items."""',
        '        """Run over items."""\n\n    def unused(self):\n        """Be new."""\n',
    ).replace(
        "        return items",
        '        return items\n\n    def lifted(self):\n        """Be lifted into the base class of the new one."""',
    )
    + f'''

class Changed(Kept):
    """Changes in many ways."""

    color: str = "blue"

    def called_new(self, a, b):
        """Have this docstring under another name."""

    @property
    def size(self) -> float:
        """Its size."""
        return 1

    @property
    def area(self):
        """Become a property."""


class Added:
    """Is new."""


def signature(a, c=2, *, d=2, e):
    """Get another signature."""
    return a


class to_class:
    """Become a class."""


def example_kept(values):
    """Stay an example."""
    result = 0
{_BODY}
    return result


def example_gained(values):
    """Be an example from now on."""
    result = 2
{_BODY}
    return result


CONSTANT = 1
''',
    "made.api/made/api/extra.py": '"""More."""\n\n\ndef reexported(a):\n    """Be exported by the package later."""\n',
    "made.api/made/api/elsewhere.py": '''\
"""Elsewhere."""


class Movable:
    """Moves to another module and keeps its text."""

    def first(self, a):
        """Do the first."""

    def second(self, b):
        """Do the second."""
''',
    "made.new/made/new/__init__.py": (
        '"""New."""\n\n\ndef wanders(a, b):\n    """Wander into another extension, as it is."""\n'
    ),
}

_SETTINGS = {
    "old": {"kept": "1", "gone": "1", "value": "1", "kind": "1"},
    "new": {"kept": "1", "come": "1", "value": "2", "kind": '"a"'},
}


def make(path: Path, files: dict[str, str], version: str, which: str) -> Project:
    """Write extensions and a configuration."""
    project = Project(path)
    for name in {name.partition("/")[0] for name in files}:
        config = project.extensions / name / "config"
        config.mkdir(parents=True)
        lines = [f'exts."{name}".{key} = {value}' for key, value in _SETTINGS[which].items()]
        settings = "\n".join(["[settings]", *lines]) if name == "made.api" else ""
        (config / "extension.toml").write_text(
            f'[package]\nversion = "{version}"\ntitle = "{name}"\n[[python.module]]\nname = "{name}"\n{settings}'
        )
    for name, text in files.items():
        file = project.extensions / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    project.configure(processing__code_examples_min_lines=20, processing__code_examples_min_complexity=3)
    return project


def collect(path: Path) -> tuple[Project, Project]:
    """Run the pipeline on the old and the new Kit."""
    pair = make(path / "old", OLD, "1.0.0", "old"), make(path / "new", NEW, "1.1.0", "new")
    for project in pair:
        run = project.run("data_collection_pipeline.py")
        assert run.code == 0, run.output
    return pair
