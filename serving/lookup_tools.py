"""The tools that look up extensions, symbols, settings, nodes and templates. They return Markdown of limited length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from serving.arguments import MOST_NAMES, Names, WrongArgument, name_of, names_of, tokens_of, within
from serving.budget import DEFAULT_TOKENS, fitted
from serving.catalogue import Catalogue, NotFound
from serving.rendering import NO_NODES, NO_TEMPLATES, api_parts, extension_part, fenced, grouped, node_part, symbol_part

T = TypeVar("T")

MOST_DEPTH = 10
# If a reference matches more symbols, the answer lists only their names.
_AMBIGUOUS = 3

GUIDE = """\
The data was collected from the sources of one Kit version. All answers are about that version.
- An extension for a purpose: search_kit_extensions, then get_kit_extension_details.
- An extension's API: get_kit_extension_apis, then get_kit_api_details with "extension_id@symbol".
- Example code: search_kit_code_examples, search_kit_test_examples.
- A setting's path, type and default: search_kit_settings, get_kit_setting_details.
- An OmniGraph node and its ports: search_kit_nodes, get_kit_node_details.
- A template for a new app: search_kit_app_templates, get_kit_app_template_details.
- Changes and breaking changes of a newer Kit: compare_kit_versions.
- Any other question: search_kit_knowledge.
Every tool takes max_tokens. An answer states how much it omits."""


def get_kit_extension_details(
    catalogue: Catalogue, extension_ids: Names = None, max_tokens: int = DEFAULT_TOKENS
) -> str:
    """Get the details of extensions by id: description, readme, dependencies, modules, settings, nodes."""
    names = names_of(extension_ids, "extension_ids")
    if not names:
        return extensions_list(catalogue, max_tokens)
    return _each(names, lambda name: extension_part(catalogue, name), max_tokens, "extensions")


def extensions_list(catalogue: Catalogue, max_tokens: int = DEFAULT_TOKENS) -> str:
    """Return one line for each extension."""
    lines = [
        f"- {name} {extension.version}" + (f": {extension.title}" if extension.title else "")
        for name, extension in sorted(catalogue.extensions.items())
    ]
    head = f"{len(lines)} extensions of Kit {catalogue.kit_version}."
    return fitted(head, grouped(lines), tokens_of(max_tokens), nouns="groups of extensions")


def get_kit_extension_dependencies(
    catalogue: Catalogue,
    extension_id: str,
    depth: int = 2,
    include_optional: bool = False,
    max_tokens: int = DEFAULT_TOKENS,
) -> str:
    """Get the dependency tree of an extension, and the extensions that depend on it."""
    name = name_of(extension_id, "extension_id")
    catalogue.extension(name)
    lines = list(_tree(catalogue, name, within(depth, 1, MOST_DEPTH, "depth"), include_optional, above=(), seen=set()))
    needed_by = sorted(other for other, found in catalogue.extensions.items() if name in found.dependencies)
    if needed_by:
        lines += ["", f"Needed by: {', '.join(needed_by)}"]
    return fitted(
        f"Dependencies of {name}, {depth} levels deep.", grouped(lines), tokens_of(max_tokens), nouns="groups of lines"
    )


def _tree(
    catalogue: Catalogue, name: str, depth: int, optional: bool, *, above: tuple[str, ...], seen: set[str]
) -> Iterable[str]:
    extension = catalogue.extensions.get(name)
    indent = "  " * len(above)
    if extension is None:
        yield f"{indent}- {name} (not in this data set)"
        return
    # Repeated branches would make the size of the tree exponential.
    again = name in seen and (extension.dependencies or extension.optional_dependencies)
    note = " (circular)" if name in above else " (see above)" if again else ""
    yield f"{indent}- {name} {extension.version}{note}"
    seen.add(name)
    if note or len(above) >= depth:
        return
    for other in extension.dependencies:
        yield from _tree(catalogue, other, depth, optional, above=(*above, name), seen=seen)
    for other in extension.optional_dependencies if optional else ():
        for number, line in enumerate(_tree(catalogue, other, depth, optional, above=(*above, name), seen=seen)):
            yield f"{line} (optional)" if not number else line


def get_kit_extension_apis(catalogue: Catalogue, extension_ids: Names = None, max_tokens: int = DEFAULT_TOKENS) -> str:
    """List the public API of extensions: classes with the signatures of their methods, functions, variables."""
    names = names_of(extension_ids, "extension_ids")
    if not names:
        lines = [
            f"- {name}: {extension.total_classes} classes, {extension.total_methods} methods"
            for name, extension in sorted(catalogue.extensions.items())
            if extension.api_docs_path
        ]
        return fitted(
            "Extensions with a Python API.", grouped(lines), tokens_of(max_tokens), nouns="groups of extensions"
        )
    budget = tokens_of(max_tokens)
    parts = [part for name in names for part in api_parts(catalogue, name)]
    return fitted("Look symbols up with get_kit_api_details.", parts, budget, nouns="classes and functions")


def get_kit_api_details(catalogue: Catalogue, api_references: Names = None, max_tokens: int = DEFAULT_TOKENS) -> str:
    """Get the details of a class, method or function: signature, docstring, members, code examples that use it."""
    references = names_of(api_references, "api_references")
    if not references:
        return get_kit_extension_apis(catalogue, None, max_tokens)
    budget = tokens_of(max_tokens)
    parts: list[str] = []
    examples: list[str] = []
    looked_up, wrong = _look_up(references, lambda reference: (reference, catalogue.symbols(reference)))
    for reference, found in looked_up:
        if len(found) > _AMBIGUOUS:
            listed = "\n".join(f"- {symbol.extension}@{symbol.full_name}" for symbol in found[:MOST_NAMES])
            parts.append(f'"{reference}" matches {len(found)} symbols:\n{listed}')
            continue
        for symbol in found:
            parts.append(symbol_part(symbol))
            for extension, example in catalogue.examples_with(symbol):
                place = f"{extension}/{example.file_path}:{example.start_line}"
                examples.append(f"### Example: {example.full_name}\n{place}\n{fenced(example.source_code)}")
    return fitted("", [*parts, *wrong, *examples], budget, nouns="parts")


def get_kit_setting_details(catalogue: Catalogue, setting_paths: Names, max_tokens: int = DEFAULT_TOKENS) -> str:
    """Get the details of settings by path: type, default, documentation, extensions, and the files that use them."""
    names = names_of(setting_paths, "setting_paths")
    if not names:
        raise WrongArgument('setting_paths is empty. Example: "/exts/omni.kit.viewport.window/enabled".')

    def part(name: str) -> str:
        path, setting = catalogue.setting(name)
        lines = [
            f"## {path}",
            f"- type: {setting.type}",
            f"- default: `{bytes(setting.default_value).decode()}`",
            f"- extensions: {', '.join(setting.extensions)}",
            f"- uses in code: {setting.usage_count}",
        ]
        if setting.found_in:
            shown = setting.found_in[:10]
            lines.append(f"- found in: {', '.join(shown)}{', …' if len(setting.found_in) > len(shown) else ''}")
        return "\n".join([*lines, *dict.fromkeys(filter(None, [setting.documentation, setting.description]))])

    return _each(names, part, max_tokens, "settings")


def get_kit_node_details(catalogue: Catalogue, node_names: Names, max_tokens: int = DEFAULT_TOKENS) -> str:
    """Get the details of OmniGraph nodes by name: description, inputs, outputs and state with types and defaults."""
    if not catalogue.nodes:
        return NO_NODES
    names = names_of(node_names, "node_names")
    if not names:
        raise WrongArgument('node_names is empty. Example: "omni.graph.nodes.Add".')
    return _each(names, lambda name: node_part(catalogue, name, in_full=True), max_tokens, "nodes")


def get_kit_app_template_details(
    catalogue: Catalogue, template_ids: Names = None, max_tokens: int = DEFAULT_TOKENS
) -> str:
    """Get the readme and the .kit files of app templates by id."""
    names = names_of(template_ids, "template_ids")
    if not catalogue.templates:
        return NO_TEMPLATES
    if not names:
        return fitted("App templates:", [f"- {name}" for name in catalogue.templates], tokens_of(max_tokens))

    def part(name: str) -> str:
        template = catalogue.template(name)
        files = [f"### {file}\n{fenced(text, 'toml')}" for file, text in template.kit_files.items()]
        return "\n\n".join([f"## {template.id}", *filter(None, [template.readme]), *files])

    return _each(names, part, max_tokens, "app templates")


def get_kit_instructions(catalogue: Catalogue, instruction_sets: Names = None, max_tokens: int = DEFAULT_TOKENS) -> str:
    """Get an overview of the data set, and the purpose of each tool."""
    unknown = [name for name in names_of(instruction_sets, "instruction_sets") if name != "data_set"]
    sources = catalogue.data_set.manifest.sources if catalogue.data_set.manifest else []
    parts = [
        f"Kit {catalogue.kit_version}: {len(catalogue.extensions)} extensions, {len(catalogue.settings)} settings, "
        f"{len(catalogue.nodes)} nodes, {len(catalogue.templates)} app templates. "
        f"Collected from: {', '.join(source.name for source in sources) or 'unknown'}.",
        GUIDE,
    ]
    if unknown:
        parts.append(f"There is no instruction set {', '.join(unknown)} here. The only one is data_set, shown above.")
    return fitted("", parts, tokens_of(max_tokens))


def _each(names: Sequence[str], part: Callable[[str], str], max_tokens: int, nouns: str) -> str:
    """Return a part for each known name and a message for each unknown name.

    Raises:
        NotFound: All names are unknown.
    """
    budget = tokens_of(max_tokens)
    parts, wrong = _look_up(names, part)
    return fitted("", [*parts, *wrong], budget, nouns=nouns)


def _look_up(names: Sequence[str], look_up: Callable[[str], T]) -> tuple[list[T], list[str]]:
    """Return the results for the known names, and an error message for each unknown name.

    Raises:
        NotFound: All names are unknown.
    """
    found: list[T] = []
    wrong: list[str] = []
    for name in names:
        try:
            found.append(look_up(name))
        except NotFound as error:
            wrong.append(str(error))
    if not found:
        raise NotFound(" ".join(wrong))
    return found, wrong
