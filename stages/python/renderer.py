"""The code atlas and the API documentation of an extension, in the form of the output contract."""

from __future__ import annotations

from typing import Any

from stages.python.docstring_types import argument_types
from stages.python.model import KEYWORD_ONLY, POSITIONAL_ONLY, VARIADIC, Class, Function, Variable
from stages.python.resolver import Api, definitions
from stages.python.text import dedent


def codeatlas(api: Api, extension_id: str, sources: dict[str, list[str]] | None) -> dict[str, Any]:
    """Return the code atlas in the form of the output contract.

    Fields beyond the contract: an argument's ``docstring_type``, if only the docstring gives a type; a module's
    ``aliases`` (local name -> full name of a definition elsewhere) and ``variable_names``; an argument's ``kind`` (the
    names in `inspect`, in lower case); and ``overloads`` of classes and methods, the full names of the other
    definitions with the same name.

    Args:
        api: The linked modules of the extension.
        extension_id: The ``extension_name`` of the declared modules.
        sources: Lines of each file, for the ``source_code`` of methods; None makes it null.
    """
    modules: dict[str, Any] = {}
    classes: dict[str, Any] = {}
    methods: dict[str, Any] = {}
    used: dict[str, list[str]] = {}
    for name, module in api.modules.items():
        modules[name] = {
            "name": name.rpartition(".")[2],
            "full_name": name,
            "file_path": module.path,
            "docstring": module.docstring,
            "class_names": [],
            "function_names": [],
            "variable_names": [],
            "extension_name": extension_id if name in api.declared else None,
            "aliases": api.alias_names(module),
        }
    for module in api.modules.values():
        for item in definitions(module.members):
            full_name = api.full_name(item)
            if isinstance(item, Class):
                classes[full_name] = _class_record(api, item, full_name)
            elif isinstance(item, Function):
                record = methods[full_name] = _method_record(api, item, full_name, sources)
                for usage in record["class_usages"]:
                    used.setdefault(usage, []).append(full_name)
            if item.owner is None:
                where, _, short = full_name.rpartition(".")
                modules[where]["class_names" if isinstance(item, Class) else "function_names"].append(short)
        for variable in api.variables(module):
            where, _, short = api.full_name(variable).rpartition(".")
            modules[where]["variable_names"].append(short)
    for record in modules.values():
        for kind in ("class_names", "function_names", "variable_names"):
            record[kind].sort()
    for names in used.values():
        names.sort()
    return {"modules": modules, "classes": classes, "methods": methods, "used_classes": used}


def _class_record(api: Api, item: Class, full_name: str) -> dict[str, Any]:
    return {
        "name": full_name.rpartition(".")[2].partition("#")[0],
        "full_name": full_name,
        "module_name": api.module_of(item),
        "docstring": item.docstring,
        "line_number": item.line,
        "methods": [member.qualname.rpartition(".")[2] for member in item.members if isinstance(member, Function)],
        "class_variables": sorted(item.variables),
        "parent_classes": [api.parent(base, item.module) for base in item.bases if isinstance(base, str)],
        "decorators": item.decorators,
        "overloads": [api.full_name(other) for other in item.overloads],
    }


def _method_record(api: Api, item: Function, full_name: str, sources: dict[str, list[str]] | None) -> dict[str, Any]:
    decorators = item.decorators
    source = None
    if sources is not None and item.module.path in sources:
        source = dedent(sources[item.module.path][item.start - 1 : item.end])
    return {
        "name": full_name.rpartition(".")[2].partition("#")[0],
        "full_name": full_name,
        "module_name": api.module_of(item),
        "parent_class": api.full_name(item.owner) if item.owner is not None else None,
        "docstring": item.docstring,
        "line_number": item.line,
        "return_type": item.returns,
        "arguments": _argument_records(item, full_name),
        "is_class_method": "classmethod" in decorators or "abc.abstractclassmethod" in decorators,
        "is_static_method": "staticmethod" in decorators or "abc.abstractstaticmethod" in decorators,
        "is_async_method": item.is_async,
        "decorators": decorators,
        "source_code": source,
        "class_usages": api.class_usages(item),
        "overloads": [api.full_name(other) for other in item.overloads],
    }


def _argument_records(item: Function, full_name: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [
        {
            "name": name,
            "type_annotation": annotation,
            "default_value": default,
            "is_variadic": name[0] == "*",
            "parent_method": full_name,
            "kind": kind,
        }
        for name, annotation, default, kind in item.arguments
    ]
    without = [record for record in records if record["type_annotation"] is None]
    if without and (item.owner is None or len(without) > 1 or without[0] is not records[0]):
        types = argument_types(item.docstring)
        if item.owner is not None and item.name == "__init__":
            # Many classes document the arguments of their constructor in the class docstring.
            types = {**argument_types(item.owner.docstring), **types}
        for record in without:
            if (documented := types.get(record["name"].lstrip("*"))) is not None:
                record["docstring_type"] = documented
    return records


def api_docs(api: Api, extension_id: str, version: str, codeatlas: dict[str, Any]) -> dict[str, Any]:
    """Return the documentation of the public API in the form of the output contract.

    A class is listed by its name, a nested class as ``Outer.Inner``. If several public classes have the same name, the
    class with the fewest parts in its full name, then the first in the alphabet, is listed by it, the others by full
    name. Methods are listed if they have no leading underscore or are special (``__init__``, …). If a name has several
    definitions, the effective one is listed, with the signatures of the others in ``overloads``.

    Fields beyond the contract: ``variables``, the public variables of modules; a class's ``attributes`` (name,
    type_annotation, default_value, docstring) and ``signature``.

    Args:
        api: The linked modules of the extension.
        extension_id: The extension's id.
        version: Its version.
        codeatlas: The result of `codeatlas`.
    """
    classes: list[tuple[str, str, dict[str, Any]]] = []
    functions: list[dict[str, Any]] = []
    variables: list[dict[str, Any]] = []
    for item in api.public():
        if isinstance(item, Function):
            functions.append(_documented(api, item, codeatlas))
        elif isinstance(item, Class):
            classes += _documented_classes(api, item, "", codeatlas)
        elif isinstance(item, Variable):
            variables.append(_documented_variable(api, item))
    by_name: dict[str, dict[str, Any]] = {}
    for short, full_name, record in sorted(classes, key=lambda entry: (entry[1].count("."), entry[1])):
        by_name[full_name if short in by_name else short] = record
    return {
        "extension_id": extension_id,
        "version": version,
        "classes": by_name,
        "methods": sorted(functions, key=lambda record: str(record["full_name"])),
        "variables": sorted(variables, key=lambda record: str(record["full_name"])),
    }


def _documented(api: Api, item: Function, codeatlas: dict[str, Any]) -> dict[str, Any]:
    record = dict(codeatlas["methods"][api.full_name(item)])
    record["signature"] = signature(record)
    record["overloads"] = [
        signature(codeatlas["methods"][api.full_name(other)]) for other in item.overloads if isinstance(other, Function)
    ]
    return record


def _documented_variable(api: Api, item: Variable) -> dict[str, Any]:
    full_name = api.full_name(item)
    module_name, _, name = full_name.rpartition(".")
    return {
        "name": name,
        "full_name": full_name,
        "module_name": module_name,
        "docstring": item.docstring,
        "line_number": item.line,
        "type_annotation": item.annotation,
        "default_value": item.value,
    }


def _documented_classes(
    api: Api, item: Class, outer: str, codeatlas: dict[str, Any]
) -> list[tuple[str, str, dict[str, Any]]]:
    full_name = api.full_name(item)
    record = codeatlas["classes"][full_name]
    short = f"{outer}.{record['name']}" if outer else str(record["name"])
    methods = [
        _documented(api, member, codeatlas)
        for member in item.members
        if isinstance(member, Function) and "#" not in member.qualname and _is_public(member.name)
    ]
    constructor = next((method for method in methods if method["name"] == "__init__"), None)
    documented = {
        "name": record["name"],
        "full_name": full_name,
        "module_name": record["module_name"],
        "docstring": record["docstring"],
        "parent_classes": record["parent_classes"],
        "decorators": record["decorators"],
        "signature": signature({**constructor, "name": record["name"], "return_type": None, "is_async_method": False})
        if constructor
        else None,
        "attributes": [
            {"name": name, "type_annotation": annotation, "default_value": value, "docstring": text}
            for name, (annotation, value, text) in item.variables.items()
            if not name.startswith("_")
        ],
        "methods": methods,
    }
    result = [(short, full_name, documented)]
    for member in item.members:
        if isinstance(member, Class) and "#" not in member.qualname and _is_public(member.name):
            result += _documented_classes(api, member, short, codeatlas)
    return result


def signature(record: dict[str, Any]) -> str:
    """Return a method's signature as written: ``async name(self, a: int = 1, *, b) -> str``."""
    parts: list[str] = []
    keyword_only = False
    arguments = record["arguments"]
    for index, argument in enumerate(arguments):
        kind = argument["kind"]
        if kind == VARIADIC:
            keyword_only = True
        elif kind == KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            parts.append("*")
        text, default = argument["name"], argument["default_value"]
        if argument["type_annotation"] is not None:
            text += f": {argument['type_annotation']}"
            if default is not None:
                text += f" = {default}"
        elif default is not None:
            text += f"={default}"
        parts.append(text)
        if kind == POSITIONAL_ONLY and (index + 1 == len(arguments) or arguments[index + 1]["kind"] != POSITIONAL_ONLY):
            parts.append("/")
    returns = f" -> {record['return_type']}" if record["return_type"] is not None else ""
    return f"{'async ' if record['is_async_method'] else ''}{record['name']}({', '.join(parts)}){returns}"


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))
