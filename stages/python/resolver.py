"""The modules of one extension taken together: public names, the code atlas and the API documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stages.python.model import KEYWORD_ONLY, POSITIONAL_ONLY, VARIADIC, Class, Definition, Function, Module, Variable

# What a name may be given to.
Item = Definition | Variable

# A name that by convention is a class: an upper-case letter first, and a lower-case one to tell it from a constant.
_CLASS_NAME = re.compile(r"_*[A-Z]\w*[a-z]\w*\Z")
# What looks like a class there is a typing construct.
_NO_CLASSES = frozenset({"typing", "typing_extensions", "collections.abc", "__future__"})
# Packages whose modules are written like classes, and whose functions are too: by a verb.
_LIKE_PXR = frozenset({"pxr", "usdrt"})
_PXR_FUNCTION = re.compile(
    r"(?:Compute|Convert|Copy|Create|Find|Flatten|Get|Has|Is|Load|Open|Register|Resolve|Set|Stitch|Traverse)[A-Z]"
)
_LONGEST_CHAIN = 64


class Api:
    """An extension's modules, linked: each definition under the name it is public by.

    **Names.** A class, function or variable of a module is named by its definition's place unless a package makes it
    public elsewhere: through ``__all__``, or, in a package that has none, by importing a name without leading
    underscore from below itself, or with ``*``. Of several public names, one without private parts comes first, then
    one in a package above the definition, then the shortest, then one that ends in the defined name, then the first in
    the alphabet. The other names are listed as the modules' ``aliases``.

    **What is counted.** Each ``class`` at module or class level is a class and each ``def`` and ``async def`` there is
    a method, also in ``if``, ``try``, ``with`` and loops, but not below ``if __name__ == "__main__"``; what is defined
    inside functions cannot be imported and is not counted.

    Args:
        modules: The modules of the API; a stub's is merged into its module's beforehand (`merge_stub`).
        tests: Modules that are read for their functions alone; they name nothing.
        declared: Names in ``[[python.module]]``.
    """

    def __init__(self, modules: list[Module], tests: list[Module], declared: list[str]) -> None:
        self.modules = {module.name: module for module in sorted(modules, key=lambda module: module.name)}
        self._tests = sorted(tests, key=lambda module: (module.name, module.path))
        self.declared = sorted(declared)
        # Tests are found by name as well, so that what they import from one another is resolved.
        self._all = {**{module.name: module for module in self._tests}, **self.modules}
        self._members = {
            name: {member.name: member for member in module.members if "#" not in member.qualname}
            for name, module in self._all.items()
        }
        self._exports: dict[str, list[str] | None] = {}
        self._star: dict[str, frozenset[str]] = {}
        self._class_names: dict[str, str | None] = {}
        self._names: dict[Item, str] = {}
        self._aliases: dict[str, dict[str, Item]] = {}
        self._name_everything()

    # -- names -------------------------------------------------------------------------------------------------------

    def full_name(self, item: Item) -> str:
        """Return the name a definition or variable is public by."""
        return self._names[item]

    def exports(self, module: Module) -> list[str] | None:
        """Return the names in ``__all__``, those of other modules' ``__all__`` put in; None if it has none."""
        if module.name in self._exports:
            return self._exports[module.name]
        if module.exports is None:
            return None
        names: set[str] = set()
        seen = {module.name}
        waiting = [module]
        while waiting:
            for entry in waiting.pop().exports or ():
                if not entry.endswith("."):
                    names.add(entry)
                    continue
                other = self._all.get(entry[:-1])  # ``*other.__all__``
                if other is not None and other.name not in seen:
                    seen.add(other.name)
                    waiting.append(other)
        result = self._exports[module.name] = sorted(names)
        return result

    def _star_names(self, module: Module) -> frozenset[str]:
        """Return the names ``from module import *`` binds, as far as they come from this extension."""
        known = self._star.get(module.name)
        if known is not None:
            return known
        names: set[str] = set()
        seen = {module.name}
        waiting = [module]
        while waiting:
            current = waiting.pop()
            exports = self.exports(current)
            if exports is not None:
                names.update(exports)
                continue
            names.update(name for name in self._members[current.name] if not name.startswith("_"))
            names.update(name for name in (*current.bindings, *current.variables) if not name.startswith("_"))
            for star in current.stars:
                if star in self._all and star not in seen:
                    seen.add(star)
                    waiting.append(self._all[star])
        result = self._star[module.name] = frozenset(names)
        return result

    def public_names(self, module: Module) -> list[str]:
        """Return the names a module makes public, whether they are defined there or re-exported."""
        exports = self.exports(module)
        if exports is not None:
            return exports
        names = {name for name in (*self._members[module.name], *module.variables) if not name.startswith("_")}
        for name, target in module.bindings.items():
            if name.startswith("_"):
                continue
            below = module.is_package and target.startswith(module.name + ".")
            own = target.startswith(module.name + ".") and target.count(".") == module.name.count(".") + 1
            if below or own or name in module.redundant:
                names.add(name)
        for star in module.stars:
            other = self._all.get(star)
            if other is not None and other is not module:
                names.update(name for name in self._star_names(other) if not name.startswith("_"))
        return sorted(names)

    def _find(self, module: Module, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Item | str | None:
        """Return what a module-level name denotes: a definition, a variable or the dotted name of something outside."""
        member = self._members[module.name].get(name)
        if member is not None:
            return member
        if (module.name, name) in seen or len(seen) > _LONGEST_CHAIN:
            return None
        seen |= {(module.name, name)}
        target = module.bindings.get(name)
        found = self._resolve(target, seen) if target is not None else None
        if found is None:
            found = module.variables.get(name)
        if found is not None or target is not None:
            return found
        for star in reversed(module.stars):
            other = self._all.get(star)
            if other is not None and name in self._star_names(other):
                found = self._find(other, name, seen)
                if found is not None:
                    return found
        return None

    def _resolve(self, dotted: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Item | str | None:
        """Follow a dotted name; of one that leads out of the extension, return the dotted name it has there."""
        parts = dotted.split(".")
        for end in range(len(parts) - 1, 0, -1):
            module = self._all.get(".".join(parts[:end]))
            if module is None:
                continue
            found = self._find(module, parts[end], seen)
            rest = parts[end + 1 :]
            if isinstance(found, str):
                return ".".join([found, *rest])
            for part in rest:
                members = found.members if isinstance(found, Class) else []
                inner = next((item for item in members if item.name == part and "#" not in item.qualname), None)
                if inner is None:
                    break
                found = inner
            return found
        return None if dotted in self._all else dotted

    def _name_everything(self) -> None:
        candidates: dict[Item, list[str]] = {}
        for name, module in self.modules.items():
            aliases = self._aliases[name] = {}
            for public in self.public_names(module):
                found = self._own(self._find(module, public))
                if found is not None:
                    aliases[public] = found
                    candidates.setdefault(found, []).append(f"{name}.{public}")

        def best(item: Item, base: str, home: str) -> str:
            names = candidates.get(item)
            return min({*names, base}, key=lambda full: _preference(full, home, item.name)) if names else base

        # Several test files may have one module name (`tests.py` beside `tests/`): each keeps its own functions.
        namesakes = [test for test in self._tests if self._all.get(test.name) is not test]
        for module in (*self._all.values(), *namesakes):
            name = module.name
            for member in module.members:
                if "#" in member.qualname:
                    continue
                base = best(member, f"{name}.{member.name}", name)
                for item in (member, *member.overloads):
                    self._name(item, base + item.qualname[len(member.name) :])
            for variable in module.variables.values():
                self._names[variable] = best(variable, f"{name}.{variable.name}", name)

    def _own(self, found: Item | str | None) -> Item | None:
        """Return what was found, if it is at the level of a module of the API."""
        if isinstance(found, str | None) or found.module.name not in self.modules:
            return None
        return found if isinstance(found, Variable) or found.owner is None else None

    def _name(self, item: Definition, full_name: str) -> None:
        self._names[item] = full_name
        if isinstance(item, Class):
            for member in item.members:
                self._name(member, full_name + member.qualname[len(item.qualname) :])

    # -- classes that are used ---------------------------------------------------------------------------------------

    def class_name(self, dotted: str) -> str | None:
        """Return the full name of the class that a dotted name denotes or leads through; None if it is no class.

        A class of this extension is known as such. What other packages hold is not read: there, a part that is written
        like a class is taken for one (``omni.ui.Window`` of ``omni.ui.Window.Flags``); below ``pxr``, whose modules are
        written like classes, the part after the module (``pxr.Gf.Vec3d``) unless it begins with a verb.
        """
        try:
            return self._class_names[dotted]
        except KeyError:
            result = self._class_names[dotted] = self._class_name(dotted)
            return result

    def _class_name(self, dotted: str) -> str | None:
        found = self._resolve(dotted)
        if isinstance(found, Function):
            found = found.owner
        if isinstance(found, Class):
            return self._names.get(found)
        if not isinstance(found, str):
            return None
        parts = found.split(".")
        if ".".join(parts[:-1]) in _NO_CLASSES:
            return None
        like_pxr = parts[0] in _LIKE_PXR
        for index in range(2 if like_pxr else 1, len(parts)):
            if _CLASS_NAME.match(parts[index]):
                if like_pxr and _PXR_FUNCTION.match(parts[index]):
                    return None
                return ".".join(parts[: index + 1])
        return None

    def class_usages(self, function: Function) -> list[str]:
        """Return the full names of the classes a function mentions, sorted."""
        return sorted({name for name in map(self.class_name, function.uses) if name})

    def _parent(self, base: str, module: Module) -> str:
        known = self.class_name(base)
        if known:
            return known
        prefix = module.name + "."
        if base.startswith(prefix) and base[len(prefix) :].partition(".")[0] not in self._members[module.name]:
            return base[len(prefix) :]
        return base

    # -- what is handed over -----------------------------------------------------------------------------------------

    def functions(self, *, tests: bool) -> Iterator[Function]:
        """Yield the functions and methods of the API, or of the tests, in the order of modules and lines."""
        for module in self._tests if tests else self.modules.values():
            yield from _functions(module.members)

    def codeatlas(self, extension_id: str, sources: dict[str, list[str]] | None) -> dict[str, Any]:
        """Return the code atlas in the form of the output contract.

        Fields beyond the contract: a module's ``aliases`` (name there -> full name of what is named elsewhere) and
        ``variable_names``, an argument's ``kind`` (as `inspect` calls them, in lower case), and ``overloads`` of
        classes and methods, the full names of the other definitions under the same name.

        Args:
            extension_id: Put into the declared modules' ``extension_name``.
            sources: Lines of each file, to give methods their ``source_code``; None leaves it null.
        """
        modules: dict[str, Any] = {}
        classes: dict[str, Any] = {}
        methods: dict[str, Any] = {}
        used: dict[str, list[str]] = {}
        for name, module in self.modules.items():
            modules[name] = {
                "name": name.rpartition(".")[2],
                "full_name": name,
                "file_path": module.path,
                "docstring": module.docstring,
                "class_names": [],
                "function_names": [],
                "variable_names": [],
                "extension_name": extension_id if name in self.declared else None,
                "aliases": self._alias_names(module),
            }
        for module in self.modules.values():
            for item in _definitions(module.members):
                full_name = self._names[item]
                if isinstance(item, Class):
                    classes[full_name] = self._class_record(item, full_name)
                elif isinstance(item, Function):
                    record = methods[full_name] = self._method_record(item, full_name, sources)
                    for usage in record["class_usages"]:
                        used.setdefault(usage, []).append(full_name)
                if item.owner is None:
                    where, _, short = full_name.rpartition(".")
                    modules[where]["class_names" if isinstance(item, Class) else "function_names"].append(short)
            for variable in self._variables(module):
                where, _, short = self._names[variable].rpartition(".")
                modules[where]["variable_names"].append(short)
        for record in modules.values():
            for kind in ("class_names", "function_names", "variable_names"):
                record[kind].sort()
        for names in used.values():
            names.sort()
        return {"modules": modules, "classes": classes, "methods": methods, "used_classes": used}

    def _variables(self, module: Module) -> Iterator[Variable]:
        """Yield a module's variables that no definition or import of the same name takes the place of."""
        for name, variable in module.variables.items():
            if self._find(module, name) is variable:
                yield variable

    def _alias_names(self, module: Module) -> dict[str, str]:
        names = {name: self._names[item] for name, item in self._aliases[module.name].items()}
        names.update((name, self._names[item]) for name, item in self._members[module.name].items())
        names.update((variable.name, self._names[variable]) for variable in self._variables(module))
        return {name: full for name, full in names.items() if full != f"{module.name}.{name}"}

    def module_of(self, item: Definition) -> str:
        """Return the module a definition is public in."""
        while item.owner is not None:
            item = item.owner
        return self._names[item].rpartition(".")[0]

    def _class_record(self, item: Class, full_name: str) -> dict[str, Any]:
        return {
            "name": full_name.rpartition(".")[2].partition("#")[0],
            "full_name": full_name,
            "module_name": self.module_of(item),
            "docstring": item.docstring,
            "line_number": item.line,
            "methods": [member.qualname.rpartition(".")[2] for member in item.members if isinstance(member, Function)],
            "class_variables": sorted(item.variables),
            "parent_classes": [self._parent(base, item.module) for base in item.bases if isinstance(base, str)],
            "decorators": item.decorators,
            "overloads": [self._names[other] for other in item.overloads],
        }

    def _method_record(self, item: Function, full_name: str, sources: dict[str, list[str]] | None) -> dict[str, Any]:
        decorators = item.decorators
        source = None
        if sources is not None and item.module.path in sources:
            source = dedent(sources[item.module.path][item.start - 1 : item.end])
        return {
            "name": full_name.rpartition(".")[2].partition("#")[0],
            "full_name": full_name,
            "module_name": self.module_of(item),
            "parent_class": self._names[item.owner] if item.owner is not None else None,
            "docstring": item.docstring,
            "line_number": item.line,
            "return_type": item.returns,
            "arguments": [
                {
                    "name": name,
                    "type_annotation": annotation,
                    "default_value": default,
                    "is_variadic": name[0] == "*",
                    "parent_method": full_name,
                    "kind": kind,
                }
                for name, annotation, default, kind in item.arguments
            ],
            "is_class_method": "classmethod" in decorators or "abc.abstractclassmethod" in decorators,
            "is_static_method": "staticmethod" in decorators or "abc.abstractstaticmethod" in decorators,
            "is_async_method": item.is_async,
            "decorators": decorators,
            "source_code": source,
            "class_usages": self.class_usages(item),
            "overloads": [self._names[other] for other in item.overloads],
        }

    def public(self) -> list[Item]:
        """Return the classes, functions and variables that are public through a declared module, by full name.

        A module with ``__all__`` offers what that lists. Any other offers its names without leading underscore and, if
        it is a package, the modules below it that have none either. Where nothing is declared, the topmost modules
        are taken as declared.
        """
        found: dict[Item, str] = {}
        seen: set[str] = set()
        # A declared module may be a namespace without a file of its own; then what lies in it is looked at.
        waiting = list(self.declared or sorted({name.partition(".")[0] for name in self.modules}))
        children: dict[str, list[str]] = {}
        for name in self.modules:
            parts = name.split(".")
            for end in range(1, len(parts)):
                children.setdefault(".".join(parts[:end]), []).append(".".join(parts[: end + 1]))
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            module = self.modules.get(name)
            if module is not None:
                for public in self.public_names(module):
                    item = self._own(self._find(module, public))
                    if item is not None:
                        found[item] = self._names[item]
                    else:
                        target = module.bindings.get(public, f"{name}.{public}")
                        if target in self.modules:
                            waiting.append(target)
            if module is None or self.exports(module) is None:
                waiting += [child for child in children.get(name, ()) if not child.rpartition(".")[2].startswith("_")]
        return sorted(found, key=found.__getitem__)

    def api_docs(self, extension_id: str, version: str, codeatlas: dict[str, Any]) -> dict[str, Any]:
        """Return the documentation of the public API in the form of the output contract.

        A class is listed by its name, a nested one as ``Outer.Inner``. Where several public classes have the same, the
        one with the fewest parts in its full name, then the first in the alphabet, has it and the others are listed by
        full name. Methods are those without leading underscore and the special ones (``__init__``, …). Of definitions
        under one name, the one that counts is listed, with the others' signatures in ``overloads``.

        Fields beyond the contract: ``variables``, the public ones of modules; a class's ``attributes`` (name,
        type_annotation, default_value, docstring) and ``signature``.

        Args:
            extension_id: The extension's id.
            version: Its version.
            codeatlas: What `codeatlas` returned.
        """
        classes: list[tuple[str, str, dict[str, Any]]] = []
        functions: list[dict[str, Any]] = []
        variables: list[dict[str, Any]] = []
        for item in self.public():
            if isinstance(item, Function):
                functions.append(self._documented(item, codeatlas))
            elif isinstance(item, Class):
                classes += self._documented_classes(item, "", codeatlas)
            elif isinstance(item, Variable):
                variables.append(self._documented_variable(item))
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

    def _documented_variable(self, item: Variable) -> dict[str, Any]:
        full_name = self._names[item]
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

    def _documented(self, item: Function, codeatlas: dict[str, Any]) -> dict[str, Any]:
        record = dict(codeatlas["methods"][self._names[item]])
        record["signature"] = signature(record)
        record["overloads"] = [
            signature(codeatlas["methods"][self._names[other]])
            for other in item.overloads
            if isinstance(other, Function)
        ]
        return record

    def _documented_classes(
        self, item: Class, outer: str, codeatlas: dict[str, Any]
    ) -> list[tuple[str, str, dict[str, Any]]]:
        full_name = self._names[item]
        record = codeatlas["classes"][full_name]
        short = f"{outer}.{record['name']}" if outer else str(record["name"])
        methods = [
            self._documented(member, codeatlas)
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
            "signature": signature(
                {**constructor, "name": record["name"], "return_type": None, "is_async_method": False}
            )
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
                result += self._documented_classes(member, short, codeatlas)
        return result

    def release(self) -> None:
        """Take apart what refers to one another, so that it is freed at once; of no use afterwards.

        Left to Python's cycle collector, a large extension's 150,000 objects take it a tenth of the whole extraction.
        """
        for module in (*self.modules.values(), *self._tests):
            for item in list(_definitions(module.members)):
                item.overloads.clear()
                del item.module, item.owner
                if isinstance(item, Class):
                    item.members.clear()
            module.members.clear()
            module.variables.clear()


def merge_stub(module: Module, stub: Module) -> None:
    """Add to a module what only the stub beside it declares: definitions, members, annotations, exports."""
    _merge_members(module.members, stub.members, None)
    for name, target in stub.bindings.items():
        module.bindings.setdefault(name, target)
    for name, variable in stub.variables.items():
        own = module.variables.setdefault(name, variable)
        own.annotation = own.annotation or variable.annotation
        own.module = module
    module.redundant |= stub.redundant
    module.stars += [star for star in stub.stars if star not in module.stars]
    if module.exports is None:
        module.exports = stub.exports
        module.dynamic_exports = 0 if stub.exports is not None else module.dynamic_exports
    if module.docstring is None:
        module.docstring = stub.docstring


def _merge_members(members: list[Definition], added: list[Definition], owner: Class | None) -> None:
    known = {member.name: member for member in members if "#" not in member.qualname}
    for item in added:
        own = known.get(item.name)
        if own is None:
            item.owner = owner
            members.append(item)
        elif isinstance(own, Class) and isinstance(item, Class):
            _merge_members(own.members, item.members, own)
            for name, value in item.variables.items():
                own.variables.setdefault(name, value)
        elif (
            isinstance(own, Function)
            and isinstance(item, Function)
            and "#" not in item.qualname
            and own.returns is None
            and not any(argument[1] for argument in own.arguments)
        ):
            own.arguments, own.returns = item.arguments, item.returns


def signature(record: dict[str, Any]) -> str:
    """Return a method's signature as it is written: ``async name(self, a: int = 1, *, b) -> str``."""
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


def dedent(lines: list[str]) -> str:
    """Return a definition's lines without the indentation of the first; lines that have less keep none of it."""
    first = lines[0] if lines else ""
    indentation = first[: len(first) - len(first.lstrip(" \t"))]
    if not indentation:
        return "\n".join(lines)
    width = len(indentation)
    return "\n".join(
        line[width:] if line.startswith(indentation) else line.lstrip(" \t") if not line.strip(" \t") else line
        for line in lines
    )


def _preference(full_name: str, home: str, name: str) -> tuple[bool, bool, int, bool, str]:
    """Return the key by which the public name of what module ``home`` calls ``name`` is chosen: the least wins."""
    where, _, last = full_name.rpartition(".")
    above = where == home or home.startswith(where + ".")
    private = any(part.startswith("_") for part in full_name.split("."))
    return private, not above, full_name.count("."), last != name, full_name


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _definitions(members: list[Definition]) -> Iterator[Definition]:
    for item in members:
        yield item
        if isinstance(item, Class):
            yield from _definitions(item.members)


def _functions(members: list[Definition]) -> Iterator[Function]:
    for item in _definitions(members):
        if isinstance(item, Function):
            yield item
