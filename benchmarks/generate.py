"""Generate synthetic Kit extensions of realistic sizes and shapes for benchmarks.

    python benchmarks/generate.py FOLDER --extensions 150

The output is reproducible: the same arguments give the same bytes. The quantiles below were measured on a real set of
six extensions (969 Python files, 7.1 MB, 749,000 syntax nodes). The generator copies no text from that set. The mean
file size is a parameter, because Kit's own extensions have larger files.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

# Measured quantiles at these probabilities.
_AT = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
_MODULE_BYTES = (456, 1147, 1436, 3015, 6636, 11211, 20296, 33735, 59985, 107526)  # of modules with definitions
_FUNCTION_LINES = (2, 3, 3, 7, 16, 32, 56, 76, 128, 387)
_ARGUMENTS = (0, 0, 1, 1, 1, 2, 4, 5, 8, 20)
_FIELDS = (0, 0, 0, 0, 2, 4, 8, 11, 22, 53)
_IMPORTS = (0, 2, 2, 4, 7, 11, 15, 18, 25, 36)
_METHODS = (0, 0, 0, 0, 1, 3, 5, 8, 14, 30)  # of one class
# Shares measured on all files, functions and lines.
_PACKAGE_FILES = 0.25  # __init__.py
_MODULE_MEAN = 12_450  # bytes; mean size of modules drawn from _MODULE_BYTES
_PACKAGE_MEAN = 700  # bytes of an __init__.py, licence header included
_OVERSHOOT = 1_500  # bytes by which a module typically exceeds its drawn size, because its last definition is complete
_DOCUMENTED = 0.77
_BRANCHING = 0.12  # of the statements; gives the measured cyclomatic complexity, 3.3 on average
_CLASSES = 0.41  # of the definitions at the top of a module

_WRITTEN = 1_700_000_000  # modification time of every file; real collections are not fresh either

# Files of an extension in a block of ten; the mean is 16 whatever the number of extensions.
_FILES = (3, 5, 7, 9, 11, 13, 16, 20, 28, 48)
MEAN_FILES = sum(_FILES) // len(_FILES)

_NOUNS = """
    action actor agent anchor angle animation asset attribute axis batch body bone bounds box buffer button camera
    cell channel chunk collider collision color command component config contact container context controller cursor
    curve dataset device dialog dimension distance domain edge effort emitter encoder entity environment episode event
    extent feature field filter fluid force frame friction gain gizmo graph grasp grid gripper group handle height
    history image index inertia input instance integrator interface item joint kernel keyframe label layer layout lens
    light limit link listener loader loss manager map marker mask mass material matrix menu mesh metric mode model
    module motion node noise normal object observation observer offset operator option orbit orientation origin
    overlay panel parameter particle patch path payload pixel plane planner plugin policy pose position preset
    primitive prim property provider proxy quaternion query queue range ray record reference region registry renderer
    request reset resolution reward rig robot rollout root sample scale scene scheduler schema segment selection
    sensor sequence session shader shape signal simulation skeleton slider solver source spawner stage state step
    stiffness stream style subscription surface sweep target task template tensor terrain texture threshold tile
    timeline token tool torque track transform tree trigger unit update vector velocity vertex view viewport volume
    voxel weight widget window wrapper zone
""".split()  # noqa: SIM905  a list of words is easier to read so
_VERBS = """
    add apply attach bind build clear clone compute convert create destroy detach emit evaluate export fetch filter
    find flush get initialize insert load log make merge move parse play process query read refresh register remove
    render reset resolve restore run sample save scale schedule select set spawn start step stop store sync track
    transform update validate visualize wrap write
""".split()  # noqa: SIM905  a list of words is easier to read so
_TYPES = ("int", "float", "str", "bool", "torch.Tensor", "dict[str, float]", "list[str]", "tuple[int, int]", "Any")
_MODULES = (
    "torch",
    "numpy as np",
    "omni.usd",
    "omni.kit.app",
    "carb",
    "math",
    "re",
    "os",
    "json",
    "logging",
    "asyncio",
)
_IMPORTED = (
    "from collections.abc import Sequence",
    "from dataclasses import MISSING, field",
    "from typing import Any, ClassVar",
    "from pxr import Gf, Sdf, Usd, UsdGeom",
    "import omni.ui as ui",
    "from omni.kit.widget.stage import StageWidget",
)
_HEADER = (
    "# Copyright (c) 2022-2025, the authors of made-up extensions.\n# All rights reserved.\n#\n"
    "# SPDX-License-Identifier: BSD-3-Clause\n\n"
)


@dataclass(frozen=True)
class Generated:
    """The numbers of written extensions and Python files, and the total size of the Python files in bytes."""

    extensions: int
    python_files: int
    python_bytes: int


def generate(
    folder: Path,
    extensions: int,
    *,
    seed: int = 0,
    mean_bytes: int = 10_500,
    mean_files: int = MEAN_FILES,
    workers: int = 2,
) -> Generated:
    """Write synthetic extensions to ``folder/exts`` and one app to ``folder/apps``.

    Extension number ``i`` depends only on ``seed`` and ``i``. A larger set therefore contains the smaller one.

    Args:
        folder: Target folder. Existing files stay.
        extensions: Number of extensions. Multiples of ten have exactly ``mean_files`` Python files on average.
        seed: Seed of the random generator.
        mean_bytes: Mean size of a Python file.
        mean_files: Mean number of Python files in an extension.
        workers: Number of writing processes.
    """
    write = partial(_write_extension, folder / "exts", seed=seed, mean_bytes=mean_bytes, mean_files=mean_files)
    with ProcessPoolExecutor(workers) as pool:
        sizes = list(pool.map(write, range(extensions), chunksize=max(1, extensions // (workers * 8))))
    _write_app(folder / "apps", extensions)
    return Generated(extensions, sum(files for files, _ in sizes), sum(size for _, size in sizes))


def extension_id(number: int) -> str:
    """Return the id of an extension. Its Python module has the same name."""
    return f"bench.{_NOUNS[number % len(_NOUNS)]}.{_NOUNS[number * 7 % len(_NOUNS)]}_{number:04d}"


def _draw(rng: random.Random, quantiles: Sequence[float]) -> int:
    """Return a random number from a distribution given by its quantiles, with linear interpolation."""
    chance = rng.random()
    above = next(place for place in range(1, len(_AT)) if chance <= _AT[place])
    share = (chance - _AT[above - 1]) / (_AT[above] - _AT[above - 1])
    return round(quantiles[above - 1] + share * (quantiles[above] - quantiles[above - 1]))


def _camel(*words: str) -> str:
    return "".join(word.capitalize() for word in words)


# --- statements ------------------------------------------------------------------------------------------------------


def _block(rng: random.Random) -> str:
    """Return one to six lines of typical statements of a function body."""
    a, b, c, d = rng.sample(_NOUNS, 4)
    verb, number, ratio = rng.choice(_VERBS), rng.randrange(2, 4096), round(rng.uniform(0.01, 10), 2)
    plain = (
        f"{a}_{b} = self._{a}.{verb}_{c}({b}={number}, {c}={ratio})",
        f"{a}_{b} = torch.zeros((self.num_envs, {number % 64}), device=self.device)",
        f"self._{a}_{b}[env_ids] = {c}_{d}[env_ids, :{number % 9 + 1}].clone()",
        f'{a}_options = {{"{a}": {number}, "{b}": {ratio}, "{c}_{d}": self._{b}}}\nself._{a}.{verb}_{c}(**{a}_options)',
        f"with {a}_context(self._{b}, {c}={ratio}) as {d}:\n    {d}.{verb}()\n    self._{a}_{b}.append({d})",
        f'carb.log_info(f"[{{self._name}}] {verb} {a} {{{b}}} with {c} {{self._{d}}}")',
        f"self.{a}_{b}, {c} = torch.where({d} > {ratio}, {d} - {ratio}, {d} * self._{a}), {number}",
        f"{a} = {b}_{c}.{d}_{verb}",
        f"self.{a} = {b}",
        f"{a}_{b}.{c} = {number}",
        f'self._{a}_{b} = {c}_registry["The {a} {b} of the {c} to {verb}"]',
    )
    branching = (
        f"{a} = math.sqrt(sum({b} * {b} for {b} in self._{c}_{d}[:{number % 9 + 2}])) + {ratio}",
        f"if {a}_{b} is None:\n    {a}_{b} = self._default_{c}.{d}\nelif len({a}_{b}) > {number}:\n"
        f'    raise ValueError(f"Too many {a} items: {{len({a}_{b})}}, expected at most {number}.")',
        f"for {a} in self._{b}.{c}_{d}:\n    if not {a}.enabled or {a}.{b} < {ratio}:\n        continue\n"
        f"    {a}.{verb}({c}={a}.{d} + {number}, immediate=True)",
        f"try:\n    self._{a} = {b}_{c}.{verb}(self._{d})\nexcept (KeyError, RuntimeError) as error:\n"
        f'    carb.log_error(f"Could not {verb} the {a}: {{error}}")\n    return None',
        f"{a}_{b} = [{c}.{d} for {c} in self._{a}_{c} if {c}.{b} is not None and {c}.{d} >= {number}]",
        f"assert self._{a}.shape == (self.num_envs, {number % 32}), self._{a}.shape",
        f"while {a}_{b} < {number} and self._{c}:\n    {a}_{b} += self._{c}.pop().{d}\n    {c} = {a}_{b} % {number}",
    )
    templates = branching if rng.random() < _BRANCHING else plain
    note = f"# {_sentence(rng)}\n" if rng.random() < 0.42 else ""
    return note + rng.choice(templates) + ("\n" if rng.random() < 0.3 else "")


@cache
def _bodies(indent: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return a pool of indented statement blocks, and the number of lines of each. Bodies are slices of the pool."""
    rng = random.Random("statements of every seed")
    space = " " * indent
    blocks = tuple(_block(rng) for _ in range(30_000))
    return (
        tuple("".join(f"{space}{line}\n" if line else "\n" for line in block.split("\n")) for block in blocks),
        tuple(block.count("\n") + 1 for block in blocks),
    )


def _sentence(rng: random.Random) -> str:
    a, b, c, d = rng.sample(_NOUNS, 4)
    return f"The {a} {rng.choice(_VERBS)}s each {b} of the {c}, so that none is left without a {d}."


def _sentences(rng: random.Random, count: int, space: str = "") -> str:
    """Return a paragraph of ``count`` sentences, one per line."""
    return f"\n{space}".join(_sentence(rng) for _ in range(count))


def _function(rng: random.Random, indent: int, imported: Sequence[str]) -> list[str]:
    """Return the lines of one function or method."""
    space, inner = " " * indent, " " * (indent + 4)
    method = indent > 0
    private = "_" if rng.random() < 0.25 else ""
    name = f"{private}{rng.choice(_VERBS)}_{rng.choice(_NOUNS)}_{rng.choice(_NOUNS)}"
    arguments = rng.sample(_NOUNS, min(_draw(rng, _ARGUMENTS), 20))
    shown = [
        f"{a}: {rng.choice(_TYPES)}" + (f" = {rng.choice(('None', '0', '1.0'))}" if a > "m" else "")
        for a in sorted(arguments)
    ]
    receiver = ["self"] if method else []
    lines = []
    kind = rng.random()
    if method and kind < 0.08:
        lines.append(f"{space}@property\n")
        shown = []
    elif method and kind < 0.12:
        lines.append(f"{space}@staticmethod\n")
        receiver = []
    keyword = "async def" if 0.12 < kind < 0.17 else "def"
    lines.append(f"{space}{keyword} {name}({', '.join(receiver + shown)}) -> {rng.choice(_TYPES)}:\n")
    if rng.random() < _DOCUMENTED:
        verb = rng.choice(_VERBS).capitalize()
        if shown and rng.random() < 0.5:
            lines.append(f'{inner}"""{verb} the {rng.choice(_NOUNS)} of the {rng.choice(_NOUNS)}.\n\n')
            lines.append(f"{inner}{_sentences(rng, rng.randrange(1, 5), inner)}\n\n{inner}Args:\n")
            for argument in shown:
                word = argument.split(":")[0]
                lines.append(f"{inner}    {word}: The {rng.choice(_NOUNS)} and its {rng.choice(_NOUNS)}.\n")
            lines.append(f'{inner}"""\n')
        else:
            lines.append(f'{inner}"""{verb} the {rng.choice(_NOUNS)}. {_sentences(rng, rng.randrange(4), inner)}"""\n')
    blocks, sizes = _bodies(indent + 4)
    left = _draw(rng, _FUNCTION_LINES) - "".join(lines).count("\n")
    at = rng.randrange(len(blocks))
    while left > 0:
        lines.append(blocks[at])
        left -= sizes[at]
        at = (at + 1) % len(blocks)
    used = rng.choice(imported) if imported and rng.random() < 0.4 else "dict"
    lines.append(f"{inner}return {used}({name.strip('_').split('_')[1]}={rng.randrange(1000)})\n\n")
    return lines


def _class(rng: random.Random, name: str, base: str, imported: Sequence[str]) -> list[str]:
    lines = ["@configclass\n"] if name.endswith("Cfg") else []
    lines.append(f"class {name}({base}):\n" if base else f"class {name}:\n")
    lines.append(f'    """{_sentences(rng, rng.randrange(2, 9), "    ")}"""\n\n')
    for noun in rng.sample(_NOUNS, _draw(rng, _FIELDS)):
        value = rng.choice(("MISSING", "None", "1.0", '"auto"', "(0.0, 0.0, 1.0)", "True", "12", f"{base or 'dict'}()"))
        lines.append(f"    {noun}_{rng.choice(_NOUNS)}: {rng.choice(_TYPES)} = {value}\n")
        if rng.random() < 0.5:
            said = value.replace('"', "")
            lines.append(f'    """The {rng.choice(_NOUNS)} and its {rng.choice(_NOUNS)}. Defaults to {said}."""\n\n')
    lines.append("\n")
    for _ in range(_draw(rng, _METHODS)):
        lines.extend(_function(rng, 4, imported))
    return lines


def _constants(rng: random.Random) -> list[str]:
    """Return a table of constants, typical of configuration modules."""
    rows = [
        f'    "{rng.choice(_NOUNS)}_{rng.choice(_NOUNS)}_{row}": {rng.choice((12, 0.5, 100, 1.25, 7))},\n'
        for row in range(rng.randrange(3, 20))
    ]
    return [f"{rng.choice(_NOUNS).upper()}_{rng.choice(_NOUNS).upper()} = {{\n", *rows, "}\n\n"]


# --- files -----------------------------------------------------------------------------------------------------------


def _module(
    rng: random.Random, size: int, owner: str, others: Sequence[str], settings: Sequence[str]
) -> tuple[str, list[str]]:
    """Return the text of a module of about ``size`` bytes, and its public classes."""
    imports = [f"import {name}\n" for name in rng.sample(_MODULES, min(_draw(rng, _IMPORTS), len(_MODULES)))]
    imports += [f"{line}\n" for line in rng.sample(_IMPORTED, rng.randrange(len(_IMPORTED)))]
    imported: list[str] = []
    for other in rng.sample(others, min(len(others), rng.randrange(3))):
        imported.append(_camel(*other.rsplit(".", 1)[1].split("_")[:1], "Base"))
        imports.append(f"from {other} import {imported[-1]}\n")
    lines = [_HEADER, f'"""{_sentences(rng, 1)}"""\n\n', *sorted(set(imports)), "\n\n"]
    if settings and rng.random() < 0.4:
        path = rng.choice(settings)
        lines.append(
            f'_settings = carb.settings.get_settings()\n_{rng.choice(_NOUNS)} = _settings.get("/exts/{owner}/{path}")\n'
        )
        lines.append(f'_settings.set_default("/persistent/exts/{owner}/{path}", {rng.randrange(99)})\n\n')
    classes: list[str] = []
    left = size - sum(map(len, lines))
    while left > _OVERSHOOT:
        kind = rng.random()
        if kind < 0.1:
            part = _constants(rng)
        elif kind < 0.1 + 0.9 * _CLASSES:
            name = _camel(rng.choice(_NOUNS), rng.choice(_NOUNS)) + rng.choice(("", "Cfg", "Cfg", "Base", "Env"))
            part = _class(rng, name, rng.choice([*imported, *classes, "", ""]), imported)
            classes.append(name)
        else:
            part = _function(rng, 0, imported)
        lines.extend([*part, "\n"])
        left -= sum(map(len, part))
    return "".join(lines), classes


def _package(rng: random.Random, exports: Sequence[tuple[str, Sequence[str]]], base: str) -> str:
    """Return an ``__init__.py`` that re-exports its modules' classes and defines a base class for other extensions."""
    lines = [_HEADER, f'"""{_sentences(rng, 1)}"""\n\n']
    names = [base] if base else []
    for module, classes in exports:
        if classes:
            lines.append(f"from .{module} import {', '.join(sorted(set(classes)))}\n")
            names += classes
    if base:
        lines.append(f'\n\nclass {base}:\n    """{_sentences(rng, 1)}"""\n\n    value: int = 0\n\n')
    lines.append("\n__all__ = [\n" + "".join(f'    "{name}",\n' for name in sorted(set(names))) + "]\n")
    return "".join(lines)


def _write_extension(folder: Path, number: int, *, seed: int, mean_bytes: int, mean_files: int) -> tuple[int, int]:
    """Write one extension.

    Returns:
        The number of its Python files, and their total size in bytes.
    """
    rng = random.Random(f"{seed}/{number}")
    owner = extension_id(number)
    block = random.Random(f"{seed}/block/{number // 10}")
    files = max(1, round(block.sample(_FILES, len(_FILES))[number % len(_FILES)] * mean_files / MEAN_FILES))
    packages = max(1, round(files * _PACKAGE_FILES))
    scale = ((mean_bytes - _PACKAGE_FILES * _PACKAGE_MEAN) / (1 - _PACKAGE_FILES)) / _MODULE_MEAN
    others = [extension_id(rng.randrange(number)) for _ in range(min(number, 4))]
    settings = [f"{rng.choice(_NOUNS)}/{rng.choice(_NOUNS)}_{row}" for row in range(rng.randrange(2, 12))]

    root = folder / owner
    home = root.joinpath(*owner.split("."))
    folders = [home] + [home / f"{rng.choice(_NOUNS)}_{place}" for place in range(1, packages)]
    contents: dict[Path, list[tuple[str, list[str]]]] = {path: [] for path in folders}
    texts: dict[Path, str] = {}
    for place in range(files - packages):
        text, classes = _module(rng, round(_draw(rng, _MODULE_BYTES) * scale), owner, others, settings)
        name = f"{rng.choice(_NOUNS)}_{rng.choice(_NOUNS)}_{place}"
        path = rng.choice(folders)
        texts[path / f"{name}.py"] = text
        contents[path].append((name, classes))
    for path in folders:
        base = _camel(owner.rsplit(".", 1)[1].split("_")[0], "Base") if path == home else ""
        texts[path / "__init__.py"] = _package(rng, contents[path], base)

    texts[root / "config" / "extension.toml"] = _manifest(rng, owner, others, settings)
    texts[root / "docs" / "README.md"] = f"# {owner}\n\n" + "\n\n".join(
        _sentences(rng, 4) for _ in range(rng.randrange(1, 12))
    )
    texts[root / "docs" / "CHANGELOG.md"] = "# Changelog\n\n" + "".join(
        f"## [1.{minor}.0]\n- {_sentences(rng, 1)}\n\n" for minor in range(rng.randrange(1, 30), -1, -1)
    )
    for path in {path.parent for path in texts}:
        path.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
        os.utime(path, (_WRITTEN, _WRITTEN))
    sources = [text for path, text in texts.items() if path.suffix == ".py"]
    return len(sources), sum(map(len, sources))


def _manifest(rng: random.Random, owner: str, others: Sequence[str], settings: Sequence[str]) -> str:
    words = ", ".join(f'"{rng.choice(_NOUNS)}"' for _ in range(4))
    lines = [
        f'[package]\nversion = "1.{rng.randrange(30)}.{rng.randrange(9)}"\ntitle = "{_camel(*owner.split(".")[1:])}"\n',
        f'description = "{_sentences(rng, 1)}"\ncategory = "simulation"\nkeywords = [{words}]\n',
        'readme = "docs/README.md"\nchangelog = "docs/CHANGELOG.md"\n\n[dependencies]\n"omni.usd" = {}\n',
        *(f'"{other}" = {{}}\n' for other in sorted(set(others))),
        f'\n[[python.module]]\nname = "{owner}"\n\n[settings]\n',
    ]
    for path in settings:
        value = rng.choice(("true", "0.5", "12", '"auto"', "[1, 2, 3]"))
        lines.append(f'# {_sentences(rng, 1)}\nexts."{owner}".{path.replace("/", ".")} = {value}\n')
    return "".join(lines)


def _write_app(folder: Path, extensions: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['[package]\nversion = "1.0.0"\ntitle = "Bench"\n\n[dependencies]\n']
    lines += [f'"{extension_id(number)}" = {{}}\n' for number in range(min(extensions, 100))]
    lines += ["\n[settings]\n"]
    lines += [f"# The {noun} of the app.\napp.{noun}.enabled = true\n" for noun in _NOUNS[:60]]
    (folder / "bench.app.kit").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Write synthetic Kit extensions of realistic sizes and shapes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extensions", type=int, default=150)
    parser.add_argument("--mean-files", type=int, default=MEAN_FILES)
    parser.add_argument("--mean-bytes", type=int, default=10_500)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    done = generate(
        chosen.folder, chosen.extensions, seed=chosen.seed, mean_bytes=chosen.mean_bytes, mean_files=chosen.mean_files
    )
    print(f"{done.extensions} extensions, {done.python_files} Python files, {done.python_bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
