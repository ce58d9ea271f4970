"""Reading of an extension's Python files: API, used settings, node types, candidates for examples."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

from stages.artifacts.extension_data import FileUse, Function, PythonFileReport
from stages.artifacts.nodes import Node
from stages.artifacts.preparation import Extension
from stages.artifacts.settings import SettingUse
from stages.failures import StageWarning, contained, warning
from stages.nodes.collection import collect_nodes
from stages.python import files
from stages.python.files import PythonFile, UnreadableSource
from stages.python.grammar import parse
from stages.python.model import Class, Module
from stages.python.resolver import Api
from stages.python.stubs import merge_stub
from stages.python.visitor import visit
from stages.setting_scan.calls import python_uses
from stages.setting_scan.constants import referenced_texts
from stages.setting_scan.strings import Where


def declared_modules(extension: Extension) -> list[str]:
    """Return the names of an extension's declared modules, sorted."""
    return sorted({module.name for module in extension.python_modules})


class Reading:
    """One extension's Python files, read and linked.

    Attributes:
        api: The linked modules.
        texts: Text of each parsed file, without stubs.
        setting_uses: The results of `calls.python_uses`, by file and line.
        report: The outcome for each file, by path.
        warnings: Warnings about skipped input.
    """

    def __init__(self, extension: Extension, folder: Path, excluded_modules: list[str]) -> None:

        self.id: str = extension.id
        self.folder = folder
        self.extension = extension
        self.excluded_modules = excluded_modules
        self.declared: list[str] = declared_modules(extension)
        self.files = files.classify(
            [*extension.files.python, *extension.files.stubs],
            declared=self.declared,
            roots=extension.python_roots,
            excluded_modules=excluded_modules,
        )
        self.texts: dict[str, str] = {}
        self.setting_uses: list[SettingUse] = []
        self.report: dict[str, PythonFileReport] = {}
        self.warnings: list[StageWarning] = []
        self._modules: dict[tuple[str, bool], Module] = {}
        self._tests: list[Module] = []
        self._scripts: list[Module] = []
        self._by_name: dict[str, Module] = {}  # tests recognized only by their own name
        self._with_source = {file.module for file in self.files if not file.is_stub}

    def read(self) -> None:
        """Read and parse every file that is not excluded, then link the modules."""
        for file in self.files:
            use, why, parsed = file.use, file.why, False
            if use != files.EXCLUDED:
                use, why = "unreadable", "an internal error"
                with contained(self.warnings, self.id, file.path):
                    try:
                        self._read_file(file)
                        use, why, parsed = file.use, file.why, True
                    except UnreadableSource as error:
                        why = str(error)
                        self._warn(error.kind, file.path, error.line, f"The file is left out: it {error}.")
            self._report(file.path, use, why, parsed=parsed)
        self.setting_uses = referenced_texts(self.setting_uses)
        self._add_imported_tests()
        modules = {name: module for (name, stub), module in self._modules.items() if not stub}
        for (name, stub), module in sorted(self._modules.items()):
            if stub and name in modules:
                merge_stub(modules[name], module)
            elif stub:
                modules[name] = module
        for module in modules.values():
            if module.dynamic_exports:
                self._warn(
                    "python-dynamic-all",
                    module.path,
                    module.dynamic_exports,
                    "__all__ is computed at run time. Its static entries, or else the names without leading "
                    "underscore, count as public.",
                )
        self.api = Api(list(modules.values()), self._tests, self.declared, self._scripts)
        for module, name in self.api.missing_exports():
            self._warn(
                "python-all",
                module.path,
                module.exports_line,
                f"__all__ lists {name!r}, but neither the module nor its package's modules define it.",
            )

    def _read_file(self, file: PythonFile) -> None:

        text = files.decode(files.read_bytes(self.folder, file.path))
        parsed = parse(text)
        tree = parsed.tree
        try:
            # The constants of a compiled module are only in its stub.
            settings = not file.is_stub or file.module not in self._with_source
            warn = partial(self._warn, "python-strings", file.path, 0)
            module_name = file.module if file.use in (files.API, files.TESTS) else ""
            where = Where(self.id, module_name, file.is_package)
            uses = python_uses(tree, file=file.path, source=text, where=where, warn=warn) if settings else []
            if file.use in (files.API, files.TESTS) or file.is_script:
                module = visit(file.module, file.path, is_package=file.is_package, parsed=parsed)
        except (RecursionError, MemoryError) as error:
            raise UnreadableSource("python-nesting", 0, "is nested too deeply to be read") from error
        self.setting_uses += uses
        if not file.is_stub:
            self.texts[file.path] = text
        if file.use == files.API:
            self._modules[file.module, file.is_stub] = module
        elif file.is_script:
            self._scripts.append(module)
        elif file.use == files.TESTS and not file.is_stub:
            self._tests.append(module)
            if file.by_name:
                self._by_name[file.module] = module

    def _add_imported_tests(self) -> None:
        """Add a file that counts as a test only by its own name to the API, if the API imports from it.

        For example, a test framework offers modules such as ``test_reporters``.
        """
        waiting = list(self._modules.values())
        while waiting and self._by_name:
            module = waiting.pop()
            for target in (*module.bindings.values(), *module.stars):
                for name in (target, target.rpartition(".")[0]):
                    found = self._by_name.pop(name, None)
                    if found is not None:
                        self._tests.remove(found)
                        self._modules[name, False] = found
                        self._report(found.path, files.API, "", parsed=True)
                        waiting.append(found)

    def _report(self, file: str, use: str, why: str, *, parsed: bool) -> None:
        self.report[file] = PythonFileReport(file=file, use=cast("FileUse", use), why=why, parsed=parsed)

    def _warn(self, kind: str, file: str, line: int, message: str) -> None:
        self.warnings.append(warning(kind, self.id, file, line, message))

    def modules_of_settings(self) -> dict[str, str]:
        """Return the names of the modules that use settings, by file. Other extensions may import their constants."""
        with_uses = {use.file for use in self.setting_uses}
        importable = (files.API, files.TESTS)
        return {file.path: file.module for file in self.files if file.use in importable and file.path in with_uses}

    def nodes(self) -> dict[str, Node]:
        """Return the OmniGraph node types, without those in excluded folders."""
        # Exclusions match module names. An .ogn file is matched by the name of a Python file beside it.
        beside = {f"{path.rpartition('.')[0]}.py": path for path in self.extension.files.ogn}
        named = files.classify(
            list(beside),
            declared=self.declared,
            roots=self.extension.python_roots,
            excluded_modules=self.excluded_modules,
        )
        paths = [beside[file.path] for file in named if file.use != files.EXCLUDED]
        return collect_nodes(self.extension, self.folder, paths, class_of=self._node_class, warnings=self.warnings)

    def _node_class(self, path: str, name: str) -> str | None:
        """Return the full name of the class in a file that implements a node type; None if there is none."""
        module = next((module for module in self._modules.values() if module.path == path), None)
        classes = [item for item in (module.members if module else []) if isinstance(item, Class)]
        stem, short = path.rpartition("/")[2].removesuffix(".py"), name.rpartition(".")[2]
        for candidate in (stem, short, f"Ogn{short}"):
            for item in classes:
                if item.name == candidate:
                    return self.api.full_name(item)
        computing = [item for item in classes if any(member.name == "compute" for member in item.members)]
        return self.api.full_name(computing[0]) if computing else None

    def example_functions(self) -> list[Function]:
        """Return the candidates of stage 4: every function and method with a body, including scripts and tests."""
        return [
            Function(
                name=item.name,
                full_name=self.api.full_name(item),
                module=self.api.module_of(item),
                file_path=item.module.path,
                start_line=item.start,
                signature_end_line=item.signature_end,
                code_line=item.code,
                end_line=item.end,
                literal_lines=item.literal_lines,
                docstring=item.docstring,
                complexity_score=item.complexity,
                is_async=item.is_async,
                is_test=is_test,
                handles_errors=item.handles_errors,
                is_recursive=item.is_recursive,
                decorators=item.decorators,
                class_usages=self.api.class_usages(item),
            )
            for is_test in (False, True)
            for item in self.api.functions(tests=is_test)
            if item.module.path in self.texts
        ]
