"""The Python API of an extension: its code atlas (all definitions) and its API documentation (public definitions)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from stages.artifacts.record import Names, Positive, Record, Text

ArgumentKind = Literal[
    "positional_only", "positional_or_keyword", "variadic", "keyword_only", "variadic_keyword"
]  # fmt: skip


class Argument(Record):
    """An argument of a function or method.

    Attributes:
        name: The name, with its stars if it is variadic.
        type_annotation: The annotation; null if there is none.
        docstring_type: The type in the docstring, as written there. Absent if there is an annotation, or no type in the
            docstring.
        default_value: The default; null if there is none.
        is_variadic: Whether it is ``*args`` or ``**kwargs``.
        parent_method: The full name of the function or method.
        kind: How it is passed.
    """

    name: Text
    type_annotation: str | None
    default_value: str | None
    is_variadic: bool
    parent_method: Text
    kind: ArgumentKind
    docstring_type: Text | UnsetType = UNSET


class Module(Record):
    """A module.

    Attributes:
        name: The last part of its name.
        full_name: The importable name.
        file_path: The file, relative to the extension.
        docstring: The docstring; null if there is none.
        class_names: The classes that it exports or defines.
        function_names: The functions that it exports or defines.
        variable_names: The variables that it exports or defines.
        extension_name: The extension's id, for declared modules; else null.
        aliases: Name in this module -> full name of a definition elsewhere.
    """

    name: Text
    full_name: Text
    file_path: Text
    docstring: str | None
    class_names: Names
    function_names: Names
    variable_names: Names
    extension_name: str | None
    aliases: dict[str, str]


class _Defined(Record):
    """The common fields of classes, functions and methods.

    Attributes:
        name: The name, without its module or class.
        full_name: The importable name.
        module_name: The importable name of its module.
        docstring: The docstring; null if there is none.
        line_number: Its first line.
        decorators: Decorators, as written in the source.
    """

    name: Text
    full_name: Text
    module_name: Text
    docstring: str | None
    line_number: Positive
    decorators: list[str]


class Class(_Defined):
    """A class.

    Attributes:
        methods: Names of its methods.
        class_variables: Names of its class variables.
        parent_classes: Its base classes, in order.
        overloads: Full names of the other definitions with the same name.
    """

    methods: Names
    class_variables: Names
    parent_classes: list[str]
    overloads: list[str]


class _Callable(_Defined):
    """The common fields of functions and methods.

    Attributes:
        return_type: The return annotation; null if there is none.
        arguments: The arguments, in order.
        is_class_method: Whether it is a class method.
        is_static_method: Whether it is a static method.
        is_async_method: Whether it is an ``async def``.
        source_code: The source; null unless ``include_source_code`` is set.
        class_usages: Full names of the classes that it uses.
    """

    return_type: str | None
    arguments: list[Argument]
    is_class_method: bool
    is_static_method: bool
    is_async_method: bool
    source_code: str | None
    class_usages: Names


class Method(_Callable):
    """A function or method of the code atlas.

    Attributes:
        parent_class: The full name of its class; null for a function.
        overloads: Full names of the other definitions with the same name.
    """

    parent_class: str | None
    overloads: list[str]


class CodeAtlas(Record):
    """The modules, classes and methods of one extension, by importable name.

    Attributes:
        modules: The modules by importable name.
        classes: The classes by importable name.
        methods: The functions and methods by importable name.
        used_classes: For each used class, the full names of the functions that use it.
    """

    modules: dict[str, Module]
    classes: dict[str, Class]
    methods: dict[str, Method]
    used_classes: dict[
        str, Annotated[list[str], Meta(min_length=1, extra_json_schema={"uniqueItems": True})]
    ]  # fmt: skip


class PublicAttribute(Record):
    """A public attribute of a class.

    Attributes:
        name: The name, without its class.
        type_annotation: The annotation; null if there is none.
        default_value: The default, or an ellipsis if it is long; null if there is none.
        docstring: The docstring; null if there is none.
    """

    name: Text
    type_annotation: str | None
    default_value: str | None
    docstring: str | None


class _PublicCallable(_Callable):
    """The common fields of public functions and methods.

    Attributes:
        overloads: Signatures of the other definitions with the same name.
        signature: The signature, as in source code.
    """

    overloads: list[str]
    signature: Text


class PublicMethod(_PublicCallable):
    """A public method.

    Attributes:
        parent_class: The full name of its class.
    """

    parent_class: str | None


class PublicFunction(_PublicCallable):
    """A public function.

    Attributes:
        parent_class: Always null.
    """

    parent_class: None


class PublicClass(Record):
    """A public class.

    Attributes:
        name: The name, without its module or class.
        full_name: The importable name.
        module_name: The importable name of its module.
        docstring: The docstring; null if there is none.
        parent_classes: Its base classes, in order.
        decorators: Decorators, as written in the source.
        signature: Signature of the constructor; null if the class defines none.
        attributes: Its public attributes.
        methods: Its public methods.
    """

    name: Text
    full_name: Text
    module_name: Text
    docstring: str | None
    parent_classes: list[str]
    decorators: list[str]
    signature: str | None
    attributes: list[PublicAttribute]
    methods: list[PublicMethod]


class PublicVariable(Record):
    """A public variable of a module: a constant, a type, a configuration.

    Attributes:
        name: The name, without its module.
        full_name: The importable name.
        module_name: The importable name of its module.
        docstring: The docstring; null if there is none.
        line_number: Its line.
        type_annotation: The annotation; null if there is none.
        default_value: The value, or an ellipsis if it is long; null if there is none.
    """

    name: Text
    full_name: Text
    module_name: Text
    docstring: str | None
    line_number: Positive
    type_annotation: str | None
    default_value: str | None


class ApiDocs(Record):
    """The public API of one extension.

    Attributes:
        extension_id: The extension's id.
        version: The version.
        classes: The public classes by importable name.
        methods: The public functions.
        variables: The public variables of modules: constants, types, configurations.
    """

    extension_id: Text
    version: Text
    classes: dict[str, PublicClass]
    methods: list[PublicFunction]
    variables: list[PublicVariable]
