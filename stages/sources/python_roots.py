"""Find out where the Python modules of an extension lie, and which names they have there."""

from __future__ import annotations

import os

from stages.sources import premake
from stages.sources.inventory import Listing
from stages.sources.manifest import Candidate
from stages.sources.notes import Notes


def python_roots(candidate: Candidate, modules: list[dict[str, str]], listing: Listing, notes: Notes) -> dict[str, str]:
    """Return the folders that hold Python modules, and the dotted name of what lies in each.

    Args:
        candidate: The extension.
        modules: Its declared modules, see `stages.sources.manifest.python_modules`.
        listing: What its folder holds.
        notes: Gets which declared modules are not there.

    Returns:
        Folder or file (``""``: the extension itself) -> dotted name (``""``: none). With ``/*`` after it a folder
        stands for its files without what lies deeper.
    """
    roots = {"": ""}
    missing = []
    for module in modules:
        base = "" if module["path"] == "." else module["path"]
        path = module["name"].replace(".", "/")
        path = f"{base}/{path}" if base else path
        if base in listing.folders:
            roots.setdefault(base, "")
        if path not in listing.folders and path not in listing.modules:
            missing.append(module["name"])
    # In a source tree the build has yet to put the modules where they are declared.
    roots.update(_build_roots(candidate, modules, listing, notes))
    missing = [name for name in missing if not _is_placed(name, roots, listing)]
    for name in missing:
        if f"bindings/python/{name}" in listing.folders:
            roots.setdefault(f"bindings/python/{name}/*", name)
    if (
        missing
        and (candidate.id in missing or not any(root.startswith("python/") for root in roots))
        and any(name.startswith("python/") for name in listing.modules)
    ):
        roots.setdefault("python", _unbuilt_name(candidate.id, missing))
    missing = [name for name in missing if not _is_placed(name, roots, listing)]
    for name in missing:
        message = f"The declared Python module {name!r} is not there."
        notes.warn("python-module-missing", candidate.id, candidate.found.manifest, message)
    return roots


def _build_roots(candidate: Candidate, modules: list[dict[str, str]], listing: Listing, notes: Notes) -> dict[str, str]:
    """Return the folders and files that the build would put into the declared packages, with their names there.

    A root that ends in ``/*`` stands for the files of a folder without what lies deeper.
    """
    if not listing.build_file:
        return {}
    try:
        with open(os.path.join(candidate.folder, premake.FILE), "rb") as stream:
            data = stream.read(premake.MAX_BYTES)
    except OSError as error:
        notes.warn("unreadable", candidate.id, premake.FILE, f"Cannot be read ({error.strerror or error}).")
        return {}
    bases = sorted({module["path"] for module in modules} - {"."}, key=len, reverse=True)
    tops = {module["name"].split(".")[0] for module in modules}
    roots = {}
    for link in premake.build_links(data, candidate.id):
        target = next(
            (link.target[len(base) + 1 :] for base in bases if link.target.startswith(f"{base}/")), link.target
        )
        source, suffix = link.source, link.source.rpartition(".")[2]
        if suffix in ("py", "pyi") and link.what == "it":
            name = source.rpartition("/")[2] if not target.endswith(f".{suffix}") else target.rpartition("/")[2]
            folder = target if not target.endswith(f".{suffix}") else target.rpartition("/")[0]
            target = "/".join(part for part in (folder, name.removesuffix(f".{suffix}")) if part)
            target = target.removesuffix("/__init__")
            if source.removesuffix(f".{suffix}") not in listing.modules:
                continue
        elif source and source not in listing.folders:
            continue
        elif link.what == "files":
            source = f"{source}/*" if source else "*"
        if source != target and source and target.split("/")[0] in tops:
            roots[source] = target.replace("/", ".")
    return roots


def _unbuilt_name(id_: str, missing: list[str]) -> str:
    """Return which declared module lies in ``python/``: the extension's own, or else the first, or its parent."""
    if id_ in missing:
        return id_
    return min((name for name in missing if f"{missing[0]}.".startswith(f"{name}.")), key=len)


def _is_placed(name: str, roots: dict[str, str], listing: Listing) -> bool:
    """Return whether a declared module lies in one of the roots, or is one of them or a package above it."""
    for root, parent in roots.items():
        if not parent:
            continue
        # That the tests are placed says nothing of what they test.
        if parent == name or (parent.startswith(f"{name}.") and not parent.endswith(".tests")):
            return True
        if name.startswith(f"{parent}.") and not root.endswith(".py"):
            path = f"{root.removesuffix('*').rstrip('/')}/{name.removeprefix(f'{parent}.').replace('.', '/')}"
            if path in listing.modules or (path in listing.folders and not root.endswith("*")):
                return True
    return False
