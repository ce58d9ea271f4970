"""Stubs (``.pyi``) next to modules. Their additional declarations are merged into the modules."""

from __future__ import annotations

from stages.python.model import Class, Definition, Function, Module


def merge_stub(module: Module, stub: Module) -> None:
    """Merge the additional declarations of a stub into its module: definitions, members, annotations, exports."""
    _merge_members(module.members, stub.members, None)
    for name, target in stub.bindings.items():
        module.bindings.setdefault(name, target)
    module.references |= {name: target for name, target in stub.references.items() if name not in module.references}
    for name, variable in stub.variables.items():
        own = module.variables.setdefault(name, variable)
        own.annotation = own.annotation or variable.annotation
        own.module = module
    module.redundant |= stub.redundant
    module.stars += [star for star in stub.stars if star not in module.stars]
    if module.exports is None:
        module.exports, module.exports_line = stub.exports, stub.exports_line
        module.unbound, module.hints = stub.unbound, stub.hints
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
