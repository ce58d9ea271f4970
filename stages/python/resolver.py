"""Resolution of names across the modules of an extension: public names and their definitions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stages.python.model import Class, Definition, Function, Module, Variable

# The possible targets of a name.
Item = Definition | Variable

# The name of a class by convention: an upper-case letter first; a lower-case letter distinguishes it from a constant.
_CLASS_NAME = re.compile(r"_*[A-Z]\w*[a-z]\w*\Z")
# Classes in these modules are typing constructs.
_NO_CLASSES = frozenset({"typing", "typing_extensions", "collections.abc", "__future__"})
# In these packages, modules and functions also begin with an upper-case letter, but functions begin with a verb.
_LIKE_PXR = frozenset({"pxr", "usdrt"})
_PXR_FUNCTION = re.compile(
    r"(?:Compute|Convert|Copy|Create|Find|Flatten|Get|Has|Is|Load|Open|Register|Resolve|Set|Stitch|Traverse)[A-Z]"
)
_LONGEST_CHAIN = 64


class Api:
    """An extension's linked modules, with the public name of each definition.

    **Names.** The full name of a class, function or variable is its place of definition unless a package makes it
    public elsewhere: through ``__all__``, or, in a package without ``__all__``, by importing a name without leading
    underscore from below itself, or with ``*``. Of several public names, those without private parts come first, then
    those in a package above the definition, then the shortest, then those that end in the defined name, then the first
    in the alphabet. The other names are listed as ``aliases`` of the modules.

    **Counting.** Each ``class`` at module or class level is a class, and each ``def`` and ``async def`` there is a
    method, also in ``if``, ``try``, ``with`` and loops, but not below ``if __name__ == "__main__"``. Definitions inside
    functions cannot be imported and are not counted.

    Args:
        modules: The modules of the API, with their stubs already merged (`merge_stub`).
        tests: Test modules, read only for their functions; they do not affect names.
        declared: Names in ``[[python.module]]``.
        scripts: Modules beside the API, also read only for their functions.

    It is one class because every method needs the links that the constructor makes between all modules.
    """

    def __init__(
        self, modules: list[Module], tests: list[Module], declared: list[str], scripts: Iterable[Module] = ()
    ) -> None:
        self.modules = {module.name: module for module in sorted(modules, key=lambda module: module.name)}
        self._tests = sorted(tests, key=lambda module: (module.name, module.path))
        self._scripts = sorted(scripts, key=lambda module: (module.name, module.path))
        self.declared = sorted(declared)
        # Tests can be found by name too, to resolve their imports from one another.
        self._beside = [*self._scripts, *self._tests]
        self._all = {**{module.name: module for module in self._beside}, **self.modules}
        self._members = {
            name: {member.name: member for member in module.members if "#" not in member.qualname}
            for name, module in self._all.items()
        }
        self._exports: dict[str, list[str] | None] = {}
        self._star: dict[str, frozenset[str]] = {}
        self._class_names: dict[str, str | None] = {}
        self._by_member: dict[str, list[Module]] = {}
        self._exporters = {f"{module.name}.{name}" for module in self._all.values() for name in module.exporters}
        self._names: dict[Item, str] = {}
        self._aliases: dict[str, dict[str, Item]] = {}
        self._assign_names()

    def full_name(self, item: Item) -> str:
        """Return the public name of a definition or variable."""
        return self._names[item]

    def exports(self, module: Module) -> list[str] | None:
        """Return the names in ``__all__``, with the ``__all__`` of other modules expanded; None without ``__all__``."""
        if module.name in self._exports:
            return self._exports[module.name]
        decorated = self._exported_by_decorators(module) if self._exporters else []
        if module.exports is None and not decorated:
            return None
        names: set[str] = set(decorated)
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

    def _exported_by_decorators(self, module: Module) -> list[str]:
        """Return the classes and functions that a decorator adds to the module's ``__all__``."""
        names = []
        for member in self._members[module.name].values():
            for decorator in member.decorators:
                root, _, rest = decorator.partition("(")[0].partition(".")
                target = module.bindings.get(root, f"{module.name}.{root}")
                dotted = f"{target}.{rest}" if rest else target
                found = self._resolve(dotted) if dotted not in self._exporters else None
                home = f"{found.module.name}.{found.name}" if isinstance(found, Function) else dotted
                if home in self._exporters:
                    names.append(member.name)
        return names

    def _star_names(self, module: Module) -> frozenset[str]:
        """Return the names that ``from module import *`` binds, limited to this extension's definitions."""
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
        """Return the public names of a module, both defined and re-exported."""
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
        """Return the target of a module-level name: a definition, a variable or an external dotted name."""
        member = self._members[module.name].get(name)
        if member is not None:
            return member
        if (module.name, name) in seen or len(seen) > _LONGEST_CHAIN:
            return None
        seen |= {(module.name, name)}
        target = module.bindings.get(name)
        found = self._resolve(target, seen) if target is not None else None
        if found is None and name in module.references:
            referred = self._resolve(module.references[name], seen)
            # A name assigned from another module's variable stays a separate variable with its own value.
            found = referred if isinstance(referred, Definition) else None
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
        return self._find_below(module, name) if name in module.unbound else None

    def _find_below(self, module: Module, name: str) -> Item | None:
        """Return the most likely target of a name in ``__all__`` that no statement binds.

        The target is a class, function or variable with that name in a module below the package. Modules that the
        package imports or names in a string come first, then the shortest name, then the first in the alphabet.
        """
        package = module.name if module.is_package else module.name.rpartition(".")[0]
        if not self._by_member:
            for other in self._all.values():
                for known in (*self._members[other.name], *other.variables):
                    self._by_member.setdefault(known, []).append(other)
        below = [
            other
            for other in self._by_member.get(name, ())
            if other.name.startswith(f"{package}.") and other is not module
        ]
        if not below:
            return None

        imported = frozenset(module.bindings.values())

        def order(other: Module) -> tuple[bool, int, str]:
            tails = {other.name, other.name.removeprefix(package), other.name.removeprefix(f"{package}.")}
            return not (tails & module.hints or other.name in imported), other.name.count("."), other.name

        best = min(below, key=order)
        return self._members[best.name].get(name) or best.variables.get(name)

    def missing_exports(self) -> Iterator[tuple[Module, str]]:
        """Yield the entries of ``__all__`` without a definition, with their modules, by module and name.

        Skips modules with ``from … import *`` from outside of the extension, which may define the entries.
        """
        for module in self.modules.values():
            if any(star not in self._all for star in module.stars):
                continue
            for name in sorted(module.unbound):
                if f"{module.name}.{name}" not in self._all and self._find(module, name) is None:
                    yield module, name

    def _resolve(self, dotted: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Item | str | None:
        """Return the target of a dotted name; outside of the extension, its dotted name there."""
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

    def _assign_names(self) -> None:
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

        # Several files may have the same module name (`tests.py` beside `tests/`). Each keeps its functions.
        namesakes = [module for module in self._beside if self._all.get(module.name) is not module]
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

        self._make_unique()

    def _make_unique(self) -> None:
        """Assign a unique full name to every class and function.

        A package may export a class under the name of its module (``from .Window import Window``). Then
        ``pkg.Window.show`` may be both a method and a function of the module. Python finds the method by that name, so
        the function gets the suffix ``#2``, like other repeated definitions.
        """
        taken: set[tuple[type, str]] = set()
        everything = [
            item for module in (*self.modules.values(), *self._beside) for item in definitions(module.members)
        ]
        # Members come first. Classes come before functions, because a class takes its members with it.
        everything.sort(key=lambda item: (isinstance(item, Function), item.owner is None))
        for item in everything:
            kind = Class if isinstance(item, Class) else Function
            full_name, count = self._names[item], 1
            while (kind, full_name) in taken:
                count += 1
                full_name = f"{self._names[item]}#{count}"
            taken.add((kind, full_name))
            if count > 1:
                self._name(item, full_name)

    def _own(self, found: Item | str | None) -> Item | None:
        """Return the target if it is at module level in the API, else None."""
        if isinstance(found, str | None) or found.module.name not in self.modules:
            return None
        return found if isinstance(found, Variable) or found.owner is None else None

    def _name(self, item: Definition, full_name: str) -> None:
        self._names[item] = full_name
        if isinstance(item, Class):
            for member in item.members:
                self._name(member, full_name + member.qualname[len(item.qualname) :])

    def class_name(self, dotted: str) -> str | None:
        """Return the full name of the class in a dotted name; None if there is none.

        Classes of this extension are known. Other packages are not read: the first part with the form of a class name
        counts as a class (``omni.ui.Window`` in ``omni.ui.Window.Flags``). Modules of ``pxr`` have that form as well:
        there, the part after the module counts (``pxr.Gf.Vec3d``) unless it begins with a verb.
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
        """Return the full names of the classes mentioned in a function, sorted."""
        return sorted({name for name in map(self.class_name, function.uses) if name})

    def parent(self, base: str, module: Module) -> str:
        """Return the full name of a base class if known, else the base as written."""
        known = self.class_name(base)
        if known:
            return known
        prefix = module.name + "."
        if base.startswith(prefix) and base[len(prefix) :].partition(".")[0] not in self._members[module.name]:
            return base[len(prefix) :]
        return base

    def functions(self, *, tests: bool) -> Iterator[Function]:
        """Yield the functions and methods of the API and the scripts, or of the tests, by modules and lines."""
        for module in self._tests if tests else (*self.modules.values(), *self._scripts):
            yield from functions_of(module.members)

    def variables(self, module: Module) -> Iterator[Variable]:
        """Yield a module's variables, without those hidden by a definition or import of the same name."""
        for name, variable in module.variables.items():
            if self._find(module, name) is variable:
                yield variable

    def alias_names(self, module: Module) -> dict[str, str]:
        """Return the module's names for definitions elsewhere: local name -> full name."""
        names = {name: self._names[item] for name, item in self._aliases[module.name].items()}
        names.update((name, self._names[item]) for name, item in self._members[module.name].items())
        names.update((variable.name, self._names[variable]) for variable in self.variables(module))
        return {name: full for name, full in names.items() if full != f"{module.name}.{name}"}

    def module_of(self, item: Definition) -> str:
        """Return the module in which a definition is public."""
        while item.owner is not None:
            item = item.owner
        return self._names[item].rpartition(".")[0]

    def public(self) -> list[Item]:
        """Return the classes, functions and variables that are public through a declared module, by full name.

        The public names of a module are the entries of ``__all__``, or else its names without leading underscore and
        the submodules without leading underscore. Without declared modules, the topmost modules count as declared.
        """
        found: dict[Item, str] = {}
        seen: set[str] = set()
        # A declared module may be a namespace without its own file. Then its contents count.
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

    def release(self) -> None:
        """Break reference cycles to free the memory immediately. The object is unusable afterwards.

        Python's cycle collector would need a tenth of the extraction time for a large extension's 150,000 objects.
        """
        for module in (*self.modules.values(), *self._beside):
            for item in list(definitions(module.members)):
                item.overloads.clear()
                del item.module, item.owner
                if isinstance(item, Class):
                    item.members.clear()
            module.members.clear()
            module.variables.clear()


def _preference(full_name: str, home: str, name: str) -> tuple[bool, bool, int, bool, str]:
    """Return the sort key of a candidate for the public name of ``name`` in module ``home``. The smallest wins."""
    where, _, last = full_name.rpartition(".")
    above = where == home or home.startswith(where + ".")
    private = any(part.startswith("_") for part in full_name.split("."))
    return private, not above, full_name.count("."), last != name, full_name


def definitions(members: list[Definition]) -> Iterator[Definition]:
    """Yield definitions, including those inside classes, in order."""
    for item in members:
        yield item
        if isinstance(item, Class):
            yield from definitions(item.members)


def functions_of(members: list[Definition]) -> Iterator[Function]:
    """Yield functions and the methods of classes, in order."""
    for item in definitions(members):
        if isinstance(item, Function):
            yield item
