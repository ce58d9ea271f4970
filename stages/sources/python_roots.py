"""The folders of an extension's Python modules, and the dotted names of their contents."""

from __future__ import annotations

import keyword
import os
from typing import NamedTuple

from stages.artifacts.preparation import PythonModule
from stages.nodes.generated import NODES_FOLDER
from stages.product_facts import NO_PACKAGES, PATH_FOLDERS
from stages.sources import premake
from stages.sources.inventory import Listing
from stages.sources.manifest import Candidate
from stages.sources.notes import Notes


class PythonLayout(NamedTuple):
    """The locations of an extension's Python modules.

    Attributes:
        roots: Folder or file (``""``: the extension itself) -> dotted name of its contents (``""``: none). A folder
            followed by ``/*`` stands for its files without its subfolders.
        modules: The declared modules; existing packages replace missing ones.
    """

    roots: dict[str, str]
    modules: list[PythonModule]


def python_layout(candidate: Candidate, modules: list[PythonModule], listing: Listing, notes: Notes) -> PythonLayout:
    """Return the locations of an extension's Python modules.

    Declared modules are searched for in this order: in the folders that Kit searches; in the source folders of the
    build file's links; in ``bindings/python``; below a folder from which they could be imported; in ``python``, whose
    content then is the declared module. If none is found, the existing packages are used instead.

    Args:
        candidate: The extension.
        modules: Its declared modules, see `stages.sources.manifest.python_modules`.
        listing: The contents of its folder.
        notes: Receives the missing declared modules.
    """
    plan = _build_plan(candidate, listing, notes)
    roots = {"": ""}
    for module in modules:
        base = "" if module.path == "." else module.path
        if base in listing.folders:
            roots.setdefault(base, "")
    missing = [module for module in modules if not _is_there(_path_of(module), listing)]
    # In a source tree, modules are not yet in their declared folders.
    roots.update(_build_roots(plan, modules, listing))
    missing = [module for module in missing if not _is_placed(module.name, roots, listing)]
    _add_unbuilt_roots(roots, candidate.id, [module.name for module in missing], listing)
    missing = [module for module in missing if not _is_placed(module.name, roots, listing)]
    if not missing:
        return PythonLayout(roots, modules)
    fetched = {module.name: _fetched(module, plan) for module in missing}
    found = [module for module in modules if module not in missing]
    taken: list[PythonModule] = []
    if not any(_is_main(module) for module in found) and not all(fetched.values()):
        taken = _packages(listing)
        roots.update((package.path, "") for package in taken if package.path != ".")
    for name, package in fetched.items():
        message = f"The declared Python module {name!r} is missing"
        if package:
            message += f": the build copies it from {package}. Build the source to get it."
        elif taken:
            message += f"; used instead: {', '.join(package.name for package in taken)}."
        else:
            message += "."
        notes.warn("python-module-missing", candidate.id, candidate.found.manifest, message)
    return PythonLayout(roots, [*found, *taken] if taken else modules)


def _build_plan(candidate: Candidate, listing: Listing, notes: Notes) -> premake.BuildPlan:
    if not listing.build_file:
        return premake.BuildPlan([], [], [])
    try:
        with open(os.path.join(candidate.folder, premake.FILE), "rb") as stream:
            data = stream.read(premake.MAX_BYTES + 1)
    except OSError as error:
        notes.warn("unreadable", candidate.id, premake.FILE, f"Cannot be read ({error.strerror or error}).")
        return premake.BuildPlan([], [], [])
    if len(data) > premake.MAX_BYTES:
        message = f"The build file is larger than {premake.MAX_BYTES:,} bytes; the rest is not read."
        notes.warn("build-file-size", candidate.id, premake.FILE, message)
    return premake.build_plan(data, candidate.id)


def _build_roots(plan: premake.BuildPlan, modules: list[PythonModule], listing: Listing) -> dict[str, str]:
    """Return the folders and files that the build would put on Python's path, with their import names."""
    bases = sorted({module.path for module in modules} - {"."}, key=len, reverse=True)
    tops = {module.name.split(".")[0] for module in modules}
    roots = {}
    # A folder of nodes may be linked twice. The link below `ogn` counts, because Kit loads nodes from there.
    for link in sorted(plan.links, key=lambda link: _is_ogn_link(link, plan)):
        base = next((base for base in bases if f"{link.target}/".startswith(f"{base}/")), "")
        target = link.target[len(base) :].lstrip("/")
        source, suffix = link.source, link.source.rpartition(".")[2]
        if suffix in ("py", "pyi") and link.scope == "path":
            name = source.rpartition("/")[2] if not target.endswith(f".{suffix}") else target.rpartition("/")[2]
            folder = target if not target.endswith(f".{suffix}") else target.rpartition("/")[0]
            target = "/".join(part for part in (folder, name.removesuffix(f".{suffix}")) if part)
            target = target.removesuffix("/__init__")
            if source.removesuffix(f".{suffix}") not in listing.modules:
                continue
        elif source and source not in listing.folders:
            continue
        elif link.scope == "files":
            source = f"{source}/*" if source else "*"
        # A link to a folder on Python's path: its contents have no name prefix.
        onto_path = not target and link.scope != "files" and (bool(base) or _contains_any(source, modules, listing))
        if source and source != link.target and (onto_path or target.split("/")[0] in tops):
            roots[source] = target.replace("/", ".")
    return roots


def _is_ogn_link(link: premake.BuildLink, plan: premake.BuildPlan) -> bool:
    return link.source in plan.ogn_folders and link.target.endswith(f"/{NODES_FOLDER}/{link.source}")


def _add_unbuilt_roots(roots: dict[str, str], id_: str, missing: list[str], listing: Listing) -> None:
    """Add the locations of declared modules in a source tree, if the build file does not define them."""
    for name in missing:
        if f"bindings/python/{name}" in listing.folders:
            roots.setdefault(f"bindings/python/{name}/*", name)
    rest = []
    for name in missing:
        folder = _folder_above(name, listing)
        if folder:
            roots.setdefault(folder, "")
        else:
            rest.append(name)
    if (
        rest
        and (id_ in rest or not any(root.startswith("python/") for root in roots))
        and any(name.startswith("python/") for name in listing.modules)
    ):
        roots.setdefault("python", _unbuilt_name(id_, rest))


def _is_there(path: str, listing: Listing) -> bool:
    return path in listing.modules or path in listing.folders


def _contains_any(folder: str, modules: list[PythonModule], listing: Listing) -> bool:
    return any(_is_there(f"{folder}/{module.name.replace('.', '/')}", listing) for module in modules)


def _path_of(module: PythonModule) -> str:
    path = module.name.replace(".", "/")
    return path if module.path == "." else f"{module.path}/{path}"


def _folder_above(name: str, listing: Listing) -> str:
    """Return the folder to import a module from: the topmost, then the first by name."""
    end = f"/{name.replace('.', '/')}"
    found = [path[: -len(end)] for path in (*listing.folders, *listing.modules) if path.endswith(end)]
    usable = [folder for folder in found if not any(part.lower() in NO_PACKAGES for part in folder.split("/"))]
    return min(usable, key=lambda folder: (folder.count("/"), folder), default="")


def _unbuilt_name(id_: str, missing: list[str]) -> str:
    """Return the declared module in ``python/``: the extension's own, else the first, or its parent."""
    if id_ in missing:
        return id_
    return min((name for name in missing if f"{missing[0]}.".startswith(f"{name}.")), key=len)


def _is_placed(name: str, roots: dict[str, str], listing: Listing) -> bool:
    """Return True if a declared module is in one of the roots, equals one, or is a package above one."""
    for root, parent in roots.items():
        folder = root.removesuffix("*").rstrip("/")
        if not parent:
            path = f"{folder}/{name.replace('.', '/')}"
            if folder and _is_there(path, listing):
                return True
            continue
        # The location of the tests says nothing about the modules under test.
        if parent == name or (parent.startswith(f"{name}.") and not parent.endswith(".tests")):
            return True
        if name.startswith(f"{parent}.") and not root.endswith(".py"):
            path = f"{folder}/{name.removeprefix(f'{parent}.').replace('.', '/')}"
            if path in listing.modules or (path in listing.folders and not root.endswith("*")):
                return True
    return False


def _fetched(module: PythonModule, plan: premake.BuildPlan) -> str:
    """Return the path of a declared module in the build; empty if the build file does not give it."""
    path = f"{_path_of(module)}/"
    for link in plan.fetched:
        target = f"{link.target}/"
        if link.target and (path.startswith(target) or target.startswith(path)):
            return link.package
    return ""


def _is_main(module: PythonModule) -> bool:
    return module.name.rpartition(".")[2] != "tests"


def _packages(listing: Listing) -> list[PythonModule]:
    """Return the topmost packages of an extension, or else its topmost modules, in the form of declared modules."""
    packages: list[PythonModule] = []
    taken: list[str] = []
    for folder in sorted(listing.folders, key=lambda folder: (folder.count("/"), folder)):
        if not folder or f"{folder}/__init__" not in listing.modules:
            continue
        if any(folder.startswith(f"{above}/") for above in taken):
            continue
        taken.append(folder)
        top, _, below = folder.partition("/")
        path, name = (top, below) if top in PATH_FOLDERS and below else (".", folder)
        if _is_name(name):
            packages.append(PythonModule(name=name.replace("/", "."), path=path))
    if not packages:
        plain = sorted(module for module in listing.modules if "/" not in module)
        packages = [PythonModule(name=module, path=".") for module in plain if _is_name(module)]
    return packages


def _is_name(path: str) -> bool:
    parts = path.split("/")
    usable = all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
    return usable and parts[0].lower() not in NO_PACKAGES
