"""Records of a data set as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from comparison.records import Class, Function, Member, Port, Variable
from serving.catalogue import Catalogue, Symbol
from stages.retrieval.search import Hit

NO_NODES = "This data set has no OmniGraph nodes."
NO_TEMPLATES = "This data set has no app templates."


def extension_line(catalogue: Catalogue, hit: Hit) -> str:
    """Return the text of an extension in search results."""
    extension = catalogue.extension(hit.id)
    lines = [f"## {hit.id} {extension.version}", f"{extension.title}: {extension.description}".strip(": ")]
    facts = {
        "category": extension.category,
        "keywords": ", ".join(extension.keywords),
        "depends on": ", ".join(extension.dependencies),
        "API": f"{extension.total_classes} classes, {extension.total_methods} methods"
        if extension.api_docs_path
        else "",
    }
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in facts.items() if value)])


def extension_part(catalogue: Catalogue, name: str) -> str:
    """Return all details of an extension."""
    extension = catalogue.extension(name)
    settings = [path for path, setting in catalogue.settings.items() if name in setting.extensions]
    nodes = [node for node, found in catalogue.nodes.items() if found.extension == name]
    facts = {
        "category": extension.category,
        "keywords": ", ".join(extension.keywords),
        "Python modules": ", ".join(extension.python_modules),
        "depends on": ", ".join(extension.dependencies),
        "can use": ", ".join(extension.optional_dependencies),
        "needed by": ", ".join(
            sorted(other for other, found in catalogue.extensions.items() if name in found.dependencies)
        ),
        "modules, classes, methods": f"{extension.total_modules}, {extension.total_classes}, {extension.total_methods}",
        "settings": f"{len(settings)} ({', '.join(settings[:10])}{', …' if len(settings) > 10 else ''})"
        if settings
        else "",
        "nodes": ", ".join(nodes),
    }
    lines = [f"## {name} {extension.version}", f"{extension.title}: {extension.description}".strip(": ")]
    lines += [f"- {key}: {value}" for key, value in facts.items() if value]
    return "\n".join([*lines, *(["", extension.long_description] if extension.long_description else [])])


def example_part(hit: Hit) -> str:
    """Return a code example with its file and line."""
    data = hit.metadata
    place = f"{data['extension']}/{data['file_path']}:{data['start_line']}"
    return f"## {data['full_name']}\n{place}, {data['line_count']} lines\n{fenced(data['source_code'])}"


def setting_line(catalogue: Catalogue, path: str) -> str:
    """Return a setting as one line."""
    _, setting = catalogue.setting(path)
    line = f"- `{path}` ({setting.type}, default `{bytes(setting.default_value).decode()}`)"
    line += f": {setting.documentation or setting.description}" if setting.documentation or setting.description else ""
    return line + (f" — {', '.join(setting.extensions)}" if setting.extensions else "")


def node_part(catalogue: Catalogue, name: str, *, in_full: bool) -> str:
    """Return a node with its ports: all details of them if ``in_full``, else their names and types."""
    full_name, node = catalogue.node(name)
    lines = [f"## {full_name}", node.description or "It has no description."]
    facts = {
        "shown as": node.ui_name or "",
        "extension": node.extension,
        "version, language": f"{node.node_version}, {node.language}" if node.language else str(node.node_version),
        "categories": ", ".join(node.categories),
    }
    lines += [f"- {key}: {value}" for key, value in facts.items() if value]
    for title, ports in (("inputs", node.inputs), ("outputs", node.outputs), ("state", node.state)):
        if ports and in_full:
            lines += [f"\n### {title.capitalize()}", *(_port_line(name, port) for name, port in ports.items())]
        elif ports:
            lines.append(f"- {title}: {', '.join(f'{name} ({port.type})' for name, port in ports.items())}")
    return "\n".join(lines)


def _port_line(name: str, port: Port) -> str:
    default = bytes(port.default).decode()
    facts = [
        port.type,
        *(["optional"] if port.optional else []),
        *([f"default {default}"] if default != "null" else []),
    ]
    return f"- {name} ({', '.join(facts)})" + (f": {port.description}" if port.description else "")


def api_parts(catalogue: Catalogue, name: str) -> list[str]:
    """Return an extension's public API: a part per class, function and variable, the least nested names first."""
    api = catalogue.api(name)
    classes = sorted(api.classes.values(), key=lambda one: (one.full_name.count("."), one.full_name))
    functions = sorted(api.methods, key=lambda one: (one.full_name.count("."), one.full_name))
    variables = sorted(api.variables, key=lambda one: (one.full_name.count("."), one.full_name))
    parts = [f"# {name}: {len(classes)} classes, {len(functions)} functions, {len(variables)} variables"]
    for one in classes:
        members = [f"  - {member.signature}" for member in one.members.values()]
        parts.append("\n".join([f"- {name}@{one.full_name}{summary(one.docstring)}", *members]))
    parts += [f"- {name}@{one.full_name}: {one.signature}{summary(one.docstring)}" for one in functions]
    return [*parts, *(f"- {name}@{one.full_name}: {one.signature}" for one in variables)]


def symbol_part(symbol: Symbol) -> str:
    """Return all details of a symbol."""
    record = symbol.record
    head = f"## {symbol.extension}@{symbol.full_name}"
    if isinstance(record, Class):
        return "\n".join([head, *_class_lines(record)])
    lines = [head, f"member of {symbol.owner.full_name}"] if symbol.owner else [head]
    lines.append(fenced(_written(record)))
    return "\n".join([*lines, record.docstring or "It has no docstring."])


def _class_lines(record: Class) -> Iterable[str]:
    bases = f"({', '.join(record.parent_classes)})" if record.parent_classes else ""
    written = f"class {record.name}{bases}"
    yield fenced(f"{written}\n{record.signature}" if record.signature else written)
    yield record.docstring or "It has no docstring."
    methods = [one for one in record.members.values() if isinstance(one, Function)]
    attributes = [one for one in record.members.values() if isinstance(one, Variable)]
    if attributes:
        yield "\n### Attributes"
        yield from (f"- `{one.signature}`{summary(one.docstring)}" for one in attributes)
    if methods:
        yield "\n### Methods"
        yield from (f"- `{_written(one)}`{summary(one.docstring)}" for one in methods)


def _written(member: Member) -> str:
    if isinstance(member, Variable):
        return member.signature
    kinds = [f"@{name}" for name in member.decorators if name in {"staticmethod", "classmethod", "property"}]
    return (
        "\n".join([*kinds, *member.overloads, member.signature])
        if len(kinds) > 1 or member.overloads
        else " ".join([*kinds, member.signature])
    )


def grouped(lines: Sequence[str], size: int = 20) -> list[str]:
    """Return lines in groups, because counting the tokens of each line would be slow."""
    return ["\n".join(lines[start : start + size]) for start in range(0, len(lines), size)]


def summary(docstring: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    first = " ".join((docstring or "").split("\n\n", 1)[0].split())
    return f" — {first}" if first else ""


def fenced(code: str, language: str = "python") -> str:
    """Return code in a fence that is longer than any fence in the code."""
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"
