"""The records of one Python file: its module, classes, functions and variables.

`visitor.visit` fills them, `resolver.Api` links those of an extension, and `renderer` writes them down.

Why not a library: `griffe` builds the same model at 2.5 times the cost of ``ast.parse`` and `radon` measures the
complexity at another 1.5 times (969 files, 7.1 MB), and a full Kit must not take that long on every machine it is
collected on. The visitor costs about a third of the parse. The tests hold its complexities against radon's and its
definitions against both griffe's and a plain count of `ast` nodes.
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
        name: As written after ``class`` or ``def``.
        qualname: Dotted path inside the module, with ``#<n>`` where one name is defined several times; see
            `overloads.settle`.
        line: Line of ``class`` or ``def``.
        docstring: As `inspect.cleandoc` gives it; None if there is none.
        decorators: Source text without ``@``.
        conditional: True if it is in a branch, so that another definition may be the effective one.
        module: Where it is defined.
        owner: The class it is defined in, if any.
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
        variables: Names assigned in its body: name -> (annotation or None, value or None; ``...`` for a long value,
            the string that documents it below it, or None).
        members: Definitions in its body, in order.
    """

    bases: list[str] = []
    variables: dict[str, tuple[str | None, str | None, str | None]] = {}
    members: list[Definition] = []


class Function(Definition, kw_only=True, eq=False):
    """A function or method.

    Attributes:
        start: First line, that of its first decorator if it has one.
        signature_end: Last line of the signature.
        code: First line below signature and docstring; beyond ``end`` if all is on the lines above.
        end: Last line.
        arguments: (name with its stars, annotation or None, default or None, kind) of each, in order.
        returns: The return annotation or None.
        is_async: True if it is ``async def``.
        complexity: McCabe's, as radon counts it: closures and classes inside it count for themselves.
        uses: Dotted names it mentions, resolved through imports, that may be classes.
        handles_errors: True if its body has a ``try``.
        literal_lines: Lines that only go on with a literal that an earlier line begins: tables, long strings, but not
            the docstring.
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
    """A name that a module assigns a value: a constant, a type, a configuration.

    Attributes:
        name: As assigned.
        module: Where it is assigned.
        line: Line of the assignment; of several, that of the last.
        annotation: Its annotation or None.
        value: Source text; ``...`` for a long value; None if it has no value of its own.
        docstring: The string below the assignment, as `inspect.cleandoc` gives it; None if there is none.
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
        name: Dotted name that imports it.
        path: File, relative to the extension's folder.
        is_package: True if it is an ``__init__`` file.
        docstring: The module's docstring, or None.
        members: Classes and functions at module level, in order, including those in branches.
        bindings: Name -> dotted target of an import or of ``Name = Other``.
        variables: Other names that are assigned at module level, without special ones (``__version__``) and loggers.
        redundant: Names imported as themselves (``import x as x``), the mark of a re-export in a stub.
        stars: Modules of ``from … import *``.
        exports: Entries of ``__all__``; one that ends in a dot stands for that module's ``__all__``. None if there is
            none.
        dynamic_exports: Line of an ``__all__`` that is computed at run time; 0 if there is none.
        exports_line: Line on which ``__all__`` is first given; 0 if it is nowhere.
        unbound: Entries of ``__all__`` that no statement of the module binds: a module's ``__getattr__`` or a loop over
            ``globals()`` does.
        hints: Where there are such entries, the strings of the module, which may say where they come from.
        references: Name -> dotted target of ``Name = module.Other``.
        exporters: Functions that add to a module's ``__all__``, as decorators do.
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
