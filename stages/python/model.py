"""The records of one Python file: its module, classes, functions and variables.

`visitor.visit` fills them, `resolver.Api` links the modules of an extension, and `renderer` converts them to output.

No library is used, for speed: `griffe` builds the same model in 2.5 times the time of ``ast.parse``, and `radon` takes
another 1.5 times for the complexity (969 files, 7.1 MB). The visitor takes about a third of the parsing time. The tests
compare its complexities with radon's, and its definitions with griffe's and with a count of `ast` nodes.
"""

from __future__ import annotations

import msgspec

POSITIONAL_ONLY = "positional_only"
POSITIONAL = "positional_or_keyword"
VARIADIC = "variadic"
KEYWORD_ONLY = "keyword_only"
VARIADIC_KEYWORD = "variadic_keyword"


class Definition(msgspec.Struct, kw_only=True, eq=False):
    """The common attributes of classes and functions.

    Attributes:
        name: The name after ``class`` or ``def``.
        qualname: Dotted path inside the module, with ``#<n>`` if the name is defined several times; see
            `overloads.resolve_overloads`.
        line: Line of ``class`` or ``def``.
        docstring: Cleaned by `inspect.cleandoc`; None if there is none.
        decorators: Source text without ``@``.
        conditional: True if it is in a branch: another definition may be the effective one.
        module: The module that contains it.
        owner: The class that contains it, if any.
        overloads: Other definitions of the same name, in order.
    """

    module: Module
    owner: Class | None
    name: str
    line: int
    docstring: str | None
    decorators: list[str]
    conditional: bool
    qualname: str = ""
    overloads: list[Definition] = []

    def __post_init__(self) -> None:
        self.qualname = f"{self.owner.qualname}.{self.name}" if self.owner else self.name


class Class(Definition, kw_only=True, eq=False):
    """A class.

    Attributes:
        bases: Base classes as dotted names, resolved through the module's imports, without type parameters.
        variables: Names assigned in its body: name -> (annotation or None, value or None, docstring below it or None).
            ``...`` stands for a long value.
        members: Definitions in its body, in order.
    """

    bases: list[str] = []
    variables: dict[str, tuple[str | None, str | None, str | None]] = {}
    members: list[Definition] = []


class Function(Definition, kw_only=True, eq=False):
    """A function or method.

    Attributes:
        start: First line: its first decorator, or else ``def``.
        signature_end: Last line of the signature.
        code: First line below signature and docstring; greater than ``end`` if there are no such lines.
        end: Last line.
        arguments: (name with its stars, annotation or None, default or None, kind) of each, in order.
        returns: The return annotation or None.
        is_async: True if it is ``async def``.
        complexity: McCabe complexity by radon's rules: closures and inner classes count separately.
        uses: Possible class names in its body, dotted and resolved through imports.
        handles_errors: True if its body has a ``try``.
        literal_lines: Number of lines that only continue a literal: tables, long strings, but not the docstring.
        is_recursive: True if it calls itself by name or on ``self`` or ``cls``.
    """

    start: int
    signature_end: int
    code: int
    end: int
    arguments: list[tuple[str, str | None, str | None, str]]
    returns: str | None
    is_async: bool
    complexity: int = 1
    uses: list[str] = []
    handles_errors: bool = False
    literal_lines: int = 0
    is_recursive: bool = False


class Variable:
    """A variable of a module: a constant, a type, a configuration.

    Attributes:
        name: The assigned name.
        module: The module that contains it.
        line: Line of the last assignment.
        annotation: Its annotation or None.
        value: Source text; ``...`` for a long value; None without a value.
        docstring: The string below the assignment, cleaned by `inspect.cleandoc`; None if there is none.
    """

    __slots__ = ("annotation", "docstring", "line", "module", "name", "value")

    def __init__(self, module: Module, name: str, line: int, annotation: str | None, value: str | None) -> None:
        self.name = name
        self.module = module
        self.line = line
        self.annotation = annotation
        self.value = value
        self.docstring: str | None = None


class Module:
    """One file's definitions and bindings.

    Attributes:
        name: Dotted import name.
        path: File, relative to the extension's folder.
        is_package: True if it is an ``__init__`` file.
        docstring: The module's docstring, or None.
        members: Classes and functions at module level, in order, including those in branches.
        bindings: Name -> dotted target of an import or of ``Name = Other``.
        variables: Other names assigned at module level, without special names (``__version__``) and loggers.
        redundant: Names imported as themselves (``import x as x``), which marks a re-export in a stub.
        stars: Modules of ``from … import *``.
        exports: Entries of ``__all__``; an entry ending in a dot stands for that module's ``__all__``. None without
            ``__all__``.
        dynamic_exports: Line of an ``__all__`` computed at run time; 0 if there is none.
        exports_line: Line of the first assignment to ``__all__``; 0 if there is none.
        unbound: Entries of ``__all__`` that are bound at run time, by ``__getattr__`` or a loop over ``globals()``.
        hints: The strings of a module with unbound entries, which may name the modules that define them.
        references: Name -> dotted target of ``Name = module.Other``.
        exporters: Functions that add to a module's ``__all__``, used as decorators.
    """

    def __init__(self, name: str, path: str, *, is_package: bool) -> None:
        self.name = name
        self.path = path
        self.is_package = is_package
        self.docstring: str | None = None
        self.members: list[Definition] = []
        self.bindings: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.redundant: set[str] = set()
        self.stars: list[str] = []
        self.exports: list[str] | None = None
        self.dynamic_exports = 0
        self.exports_line = 0
        self.unbound: frozenset[str] = frozenset()
        self.hints: frozenset[str] = frozenset()
        self.references: dict[str, str] = {}
        self.exporters: set[str] = set()
