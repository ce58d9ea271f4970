"""Cases of bad input: the input, the expected message, and the exit code.

A case damages a small project, and the test runs the pipeline on it. `docs/bad_input.md` lists the messages.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.project import Project

MAIN = "data_collection_pipeline.py"
GOOD = '[package]\nversion = "1.0.0"\ntitle = "Bad"\n[[python.module]]\nname = "bad.ext"\n'
_LONG = "n" * 251

Spoil = Callable[[Project], object]


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        area: What kind of input it is.
        title: What is wrong with it.
        spoil: Makes it.
        says: Part of the message.
        code: The exit code.
        command: Script and arguments.
        reported: The message is a line of the completion report, and the rest of the data set is there.
        needs: What the system must have: ``permissions``: files that a mode protects are really unreadable.
    """

    area: str
    title: str
    spoil: Spoil
    says: str
    code: int = 0
    command: tuple[str, ...] = (MAIN, "quick=1")
    reported: bool = False
    needs: str = ""


def _nothing(project: Project) -> None:
    """Change nothing, because the command line is the bad input."""


def _config(text: str | bytes) -> Spoil:
    return lambda project: project.config.write_bytes(text if isinstance(text, bytes) else text.encode())


def _with(**values: object) -> Spoil:
    return lambda project: project.configure(**values)


def _source(line: str) -> Spoil:
    """Replace the source of extensions in the configuration."""

    def spoil(project: Project) -> None:
        text = project.config.read_text()
        project.config.write_text(text[: text.index("[[input.sources]]")] + line + "\n")

    return spoil


def _write(path: str, content: str | bytes) -> Spoil:
    def spoil(project: Project) -> None:
        target = project.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def _left(path: str, content: str) -> Spoil:
    """Write a file into a work directory of an earlier run."""

    def spoil(project: Project) -> None:
        _write("work/.pipeline_lock", "")(project)
        _write(path, content)(project)

    return spoil


def _at_config(change: Callable[[Path], None]) -> Spoil:
    return lambda project: _replaced(change)(project.config)


def _all(*spoils: Spoil) -> Spoil:
    def spoil(project: Project) -> None:
        for one in spoils:
            one(project)

    return spoil


def _extension(
    manifest: str | bytes = GOOD, files: dict[str, str | bytes] | None = None, *, name: str = "bad.ext"
) -> Spoil:
    """Add an extension beside the valid ones."""
    paths = {"config/extension.toml": manifest, **(files if files is not None else {"bad/ext/__init__.py": "X = 1\n"})}
    return _all(*(_write(f"exts/{name}/{path}", content) for path, content in paths.items()))


def _python(content: str | bytes, file: str = "bad/ext/odd.py") -> Spoil:
    return _extension(files={"bad/ext/__init__.py": "X = 1\n", file: content})


def _made(change: Callable[[Path], None], path: str = "exts/bad.ext/bad/ext/odd.py") -> Spoil:
    """Add a valid extension with a special file at a path."""
    return _all(_extension(), lambda project: change(project.path / path))


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _replaced(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        change(path)

    return replace


def _checkpoint(content: str | bytes) -> Spoil:
    return _write("work/.pipeline_checkpoint.json", content)


def _documented(**changes: object) -> str:
    snapshot = {"kit_cache_path": None, "kit_version": "107.3.3", "work_dir": "work"}
    value = {"timestamp": "2025-01-01T00:00:00", "completed_stages": [], "config_snapshot": snapshot, **changes}
    return json.dumps(value)


def _foreign(project: Project) -> None:
    other = project.path / "other"
    other.mkdir()
    snapshot = {"kit_cache_path": None, "kit_version": None, "work_dir": str(other)}
    for folder in (other, project.work):
        folder.mkdir(exist_ok=True)
        (folder / ".pipeline_checkpoint.json").write_text(_documented(config_snapshot=snapshot))


def _at_checkpoint(change: Callable[[Path], None]) -> Spoil:
    def spoil(project: Project) -> None:
        project.work.mkdir()
        change(project.checkpoint_file)

    return spoil


def _unreadable(content: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(content)
        path.chmod(0)

    return change


def _database(statements: list[str]) -> Spoil:
    def spoil(project: Project) -> None:
        project.work.mkdir()
        connection = sqlite3.connect(project.work / ".doit.db")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return spoil


def _at_database(change: Callable[[Path], None]) -> Spoil:
    def spoil(project: Project) -> None:
        project.work.mkdir()
        change(project.work / ".doit.db")

    return spoil


def _no_extension(project: Project) -> None:
    shutil.rmtree(project.extensions)
    project.extensions.mkdir()


def _name_of_bytes(path: Path) -> None:
    with open(os.fsencode(path.parent) + b"/b\xe4d.py", "w") as stream:
        stream.write("X = 1\n")


def _closed_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0)


def _deep(path: Path) -> None:
    for _ in range(150):
        path = path / "d"
    path.mkdir(parents=True)
    (path / "deep.py").write_text("X = 1\n")


RESUME = (MAIN, "quick=1", "--resume")
STRING = "x" * 5_000_000

CASES = [
    # --- configuration ---
    Case("configuration", "no such file", lambda p: p.config.unlink(), "there is no such file", 2),
    Case("configuration", "empty file", _config(""), "found an empty file", 2),
    Case("configuration", "not TOML", _config("[input\n"), ":1: not valid TOML", 2),
    Case(
        "configuration", "a duplicate key", _config("[input]\nkit_version = '1.0'\nkit_version = '2.0'\n"), ":3: not", 2
    ),
    Case("configuration", "not UTF-8", _config(b"[input]\nkit_version = '\xff'\n"), ":2: expected UTF-8", 2),
    Case("configuration", "UTF-16", _config("[input]\n".encode("utf-16")), "expected UTF-8", 2),
    Case("configuration", "a NUL byte", _config(b"[input]\n\0\n"), ":2: not valid TOML", 2),
    Case("configuration", "2 MB", _config("#" * 2_000_000), "expected at most 1048576 bytes", 2),
    Case("configuration", "1,000 nested lists", _config("x = " + "[" * 1000), "not usable as TOML", 2),
    Case(
        "configuration",
        "a folder in place of the file",
        _at_config(Path.mkdir),
        "found a folder",
        2,
    ),
    Case(
        "configuration",
        "a FIFO in place of the file",
        _at_config(os.mkfifo),
        "device or pipe",
        2,
    ),
    Case("configuration", "no permission", lambda p: p.config.chmod(0), "cannot be read", 2, needs="permissions"),
    Case("configuration", "unknown section", _config("[proccessing]\n"), "processing", 2),
    Case("configuration", "unknown key", _with(processing__max_extension=3), "max_extensions", 2),
    Case("configuration", "a string for a number", _with(processing__max_extensions="three"), "max_extensions", 2),
    Case("configuration", "a number out of range", _with(processing__parallel_workers=0), "parallel_workers", 2),
    Case("configuration", "an unknown choice", _with(processing__code_examples_scan_mode="some"), "regular", 2),
    Case(
        "configuration",
        "one folder for work_dir and target_dir",
        _with(output__target_dir="work"),
        "another folder than",
        2,
    ),
    Case("configuration", "an unknown kind of source", _source('[[input.sources]]\nkind = "zip"'), "kind", 2),
    Case("configuration", "a source without its path", _source('[[input.sources]]\nkind = "path"'), "path", 2),
    Case(
        "configuration",
        "a missing path",
        _source('[[input.sources]]\nkind = "path"\npath = "nowhere"'),
        "does not exist",
        1,
    ),
    Case(
        "configuration",
        "a path that is a file",
        _source('[[input.sources]]\nkind = "path"\npath = "pipeline_config.toml"'),
        "is not a folder",
        1,
    ),
    Case(
        "configuration",
        "exts_path outside the source",
        _source('[[input.sources]]\nkind = "path"\npath = "exts"\nexts_path = "../.."'),
        "leads out of the source",
        1,
    ),
    Case(
        "configuration",
        "a missing exts_path",
        _source('[[input.sources]]\nkind = "path"\npath = "exts"\nexts_path = "none"'),
        "there is no folder 'none'",
        1,
    ),
    Case(
        "configuration",
        "a wheel requirement that is an option of pip",
        _source('[[input.sources]]\nkind = "wheel"\nrequirement = "--index-url=http://127.0.0.1:9/"'),
        "requirement",
        2,
    ),
    Case(
        "configuration",
        "a git address that is a command",
        _source('[[input.sources]]\nkind = "git"\nurl = "ext::sh -c touch% /tmp/owned"'),
        "'ext::",
        1,
    ),
    Case(
        "configuration",
        "a git address that is an option",
        _source('[[input.sources]]\nkind = "git"\nurl = "--upload-pack=touch /tmp/owned"'),
        "url",
        1,
    ),
    Case("configuration", "an invalid Kit version", _with(input__kit_version="../../etc"), "kit_version", 2),
    Case("configuration", "a log file that is a folder", _with(logging__log_file="."), "logging.log_file", 2),
    Case(
        "configuration",
        "a secret with an unset variable",
        _with(embeddings__backend="openai", embeddings__api_key="${NOT_SET_ANYWHERE}"),
        "NOT_SET_ANYWHERE",
        2,
        (MAIN,),
    ),
    Case("configuration", "an unknown encoding", _with(embeddings__encoding_model="klingon"), "klingon", 2),
    Case(
        "configuration",
        "an unknown local model",
        _with(embeddings__model="nothing/here", processing__parallel_workers=1),
        "nothing/here",
        1,
        (MAIN,),
    ),
    Case(
        "configuration",
        "no Dask scheduler at the address",
        _with(processing__scheduler="tcp://127.0.0.1:9", processing__parallel_workers=1),
        "127.0.0.1:9",
        1,
    ),
    Case("configuration", "everything is excluded", _with(input__excluded_extensions=["*"]), "excludes all", 1),
    Case(
        "configuration",
        "an exclusion that excludes nothing",
        _with(input__excluded_extensions=["omni.nothing"]),
        "no extension matches 'omni.nothing'",
        reported=True,
    ),
    # --- checkpoint file ---
    Case("checkpoint", "truncated", _checkpoint(_documented()[:40]), "it is not JSON", command=RESUME),
    Case("checkpoint", "empty", _checkpoint(""), "it is not JSON", command=RESUME),
    Case("checkpoint", "not JSON", _checkpoint("hello"), "it is not JSON", command=RESUME),
    Case("checkpoint", "not UTF-8", _checkpoint(b'{"timestamp": "\xff"}'), "it is not JSON", command=RESUME),
    Case("checkpoint", "a list", _checkpoint("[]"), "it is not a JSON object", command=RESUME),
    Case("checkpoint", "without the documented keys", _checkpoint("{}"), "required property", command=RESUME),
    Case("checkpoint", "wrong types", _checkpoint(_documented(completed_stages="all")), "not of type", command=RESUME),
    Case("checkpoint", "an unknown stage", _checkpoint(_documented(completed_stages=["x"])), "'x'", command=RESUME),
    Case("checkpoint", "100,000 nested lists", _checkpoint("[" * 100_000), "it is not JSON", command=RESUME),
    Case("checkpoint", "5 MB", _checkpoint('"' + STRING + '"'), "larger than 4000000 bytes", command=RESUME),
    Case("checkpoint", "written by a newer version", _checkpoint(_documented(schema_version=99)), "Update", 2, RESUME),
    Case("checkpoint", "of another project", _foreign, "for another work directory", command=RESUME),
    Case(
        "checkpoint",
        "no permission",
        _at_checkpoint(_unreadable(_documented())),
        "cannot be read",
        0,
        RESUME,
        needs="permissions",
    ),
    Case("checkpoint", "a folder", _at_checkpoint(Path.mkdir), "it is not a file", command=RESUME),
    Case("checkpoint", "a link", _at_checkpoint(_link_to("/etc/passwd")), "it is a symbolic link", command=RESUME),
    Case(
        "checkpoint",
        "a link to itself",
        _at_checkpoint(_link_to(".pipeline_checkpoint.json")),
        "symbolic link",
        command=RESUME,
    ),
    Case("checkpoint", "a FIFO", _at_checkpoint(os.mkfifo), "it is not a file", command=RESUME),
    Case("checkpoint", "truncated, without --resume", _checkpoint("{"), "it is not JSON"),
    # --- doit's database ---
    Case("database", "not a database", _write("work/.doit.db", "hello" * 1000), "not a usable dependency database"),
    Case("database", "torn", _write("work/.doit.db", b"SQLite format 3\0" + b"\xff" * 600), "not a usable dependency"),
    Case("database", "of another schema version", _database(["PRAGMA user_version = 7"]), "its version is 7"),
    Case("database", "without the table", _database(["PRAGMA user_version = 1"]), "no such table"),
    Case(
        "database",
        "a table with other columns",
        _database(["PRAGMA user_version = 1", "CREATE TABLE task (a)", "INSERT INTO task VALUES (1)"]),
        "no such column",
    ),
    Case(
        "database",
        "records that are not JSON",
        _database(
            [
                "PRAGMA user_version = 1",
                "CREATE TABLE task (name TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID",
                "INSERT INTO task VALUES ('preparation', '{')",
                "INSERT INTO task VALUES ('settings', '[]')",
                "INSERT INTO task VALUES ('pull_repo_exts', '{\"_values_:\": 3, \"deps:\": 4}')",
                "INSERT INTO task VALUES ('embeddings', NULL)",
            ]
        ),
        "ompleted successfully",
    ),
    Case("database", "a folder", _at_database(Path.mkdir), "not a usable dependency database"),
    Case("database", "a FIFO", _at_database(os.mkfifo), "not a usable dependency database"),
    Case(
        "database",
        "a broken link",
        _at_database(_link_to("../nowhere/x")),
        "not a usable dependency database",
    ),
    Case("database", "no permission", _at_database(_unreadable("x")), ".doit.db", 0, needs="permissions"),
    # --- intermediate results ---
    Case("intermediates", "extensions.json is not JSON", _left("work/extensions.json", "{"), "ompleted successfully"),
    Case("intermediates", "sources.json is a list", _left("work/sources.json", "[]"), "ompleted successfully"),
    Case(
        "intermediates",
        "an embedding cache that is not a database",
        _left("work/embeddings/cache.sqlite3", "hello" * 1000),
        "cache",
        command=(MAIN,),
    ),
    Case(
        "intermediates",
        "a malformed manifest of the data set",
        _write("data/107.3/MANIFEST.json", '{"files": {"../../pipeline_config.toml": 3}}'),
        "ompleted successfully",
    ),
    Case(
        "intermediates",
        "a user's file with the name of a pipeline file",
        _write("work/extensions.json", "{}"),
        "not made by the pipeline",
        2,
    ),
    Case(
        "intermediates",
        "a user's folder with the name of a pipeline folder",
        _write("work/sources/mine.txt", "mine"),
        "not made by the pipeline",
        2,
    ),
    # --- extension.toml ---
    Case("extension.toml", "empty", _extension(""), "does not count as an extension", reported=True),
    Case("extension.toml", "no [package]", _extension("[settings]\na = 1\n"), "no [package] table", reported=True),
    Case("extension.toml", "a line that is not TOML", _extension(GOOD + "x = = 1\n"), "left out", reported=True),
    Case(
        "extension.toml",
        "an unclosed table header",
        _extension(GOOD + "[settings\na = 1\n"),
        "left out",
        reported=True,
    ),
    Case("extension.toml", "an unclosed string", _extension(GOOD + 'a = "b\n'), "left out", reported=True),
    Case(
        "extension.toml",
        "a key that is also a table",
        _extension(GOOD + "[a]\nb = 1\n[a.b]\nc = 1\n"),
        "a.b",
        reported=True,
    ),
    Case("extension.toml", "a NUL byte", _extension(GOOD.encode() + b'a = "\0"\n'), "left out", reported=True),
    Case("extension.toml", "not UTF-8", _extension(GOOD.encode() + b'a = "\xff"\n'), "UTF-8", reported=True),
    Case("extension.toml", "UTF-16", _extension(GOOD.encode("utf-16")), "ompleted successfully"),
    Case("extension.toml", "12 MB", _extension(GOOD + "#" * 12_000_000), "is not read", reported=True),
    Case(
        "extension.toml",
        "10,000 nested lists",
        _extension(GOOD + "a = " + "[" * 10_000 + "\n"),
        "nested",
        reported=True,
    ),
    Case(
        "extension.toml",
        "5,000 nested tables",
        _extension(GOOD + "[" + ".".join("a" * 5000) + "]\n"),
        "nested",
        reported=True,
    ),
    Case(
        "extension.toml",
        "a version with a /",
        _extension(GOOD.replace("1.0.0", "../../1")),
        "cannot be used",
        reported=True,
    ),
    Case(
        "extension.toml",
        "a version that is a list",
        _extension(GOOD.replace('"1.0.0"', "[1]")),
        "cannot be used",
        reported=True,
    ),
    Case(
        "extension.toml",
        "a version of 10,000 digits",
        _extension(GOOD.replace('"1.0.0"', "1" * 10_000)),
        "left out",
        reported=True,
    ),
    Case(
        "extension.toml",
        "a broken link",
        _made(_replaced(_link_to("../nowhere.toml")), "exts/bad.ext/config/extension.toml"),
        "bad.ext",
        reported=True,
    ),
    Case(
        "extension.toml",
        "a FIFO",
        _made(_replaced(os.mkfifo), "exts/bad.ext/config/extension.toml"),
        "bad.ext",
        reported=True,
    ),
    Case(
        "extension.toml",
        "no permission",
        _made(lambda path: path.chmod(0), "exts/bad.ext/config/extension.toml"),
        "cannot be read",
        reported=True,
        needs="permissions",
    ),
    # --- names ---
    Case("names", "an id with ..", _extension(name="bad..ext"), "is not a valid extension id", reported=True),
    Case("names", "an id with a newline", _extension(name="bad\next"), "is not a valid extension id", reported=True),
    Case("names", "an id with a backslash", _extension(name="bad\\ext"), "is not a valid extension id", reported=True),
    Case("names", "an id with =", _extension(name="bad=ext"), "is not a valid extension id", reported=True),
    Case("names", "an id of 251 characters", _extension(name=_LONG), "it is too long", reported=True),
    Case(
        "names",
        "ids that differ in case",
        _all(_extension(), _extension(name="Bad.ext")),
        "only in case",
        reported=True,
    ),
    Case("names", "a file name that is not UTF-8", _made(_name_of_bytes), "not valid UTF-8", reported=True),
    Case(
        "names",
        "a folder name that is not UTF-8",
        lambda p: os.mkdir(os.fsencode(p.extensions) + b"/b\xe4d"),
        "not valid UTF-8",
        reported=True,
    ),
    Case(
        "names",
        "a Python file with a newline",
        _python("X = 1\n", "bad/ext/o\nd.py"),
        "cannot be imported",
        reported=True,
    ),
    Case(
        "names", "a Python file with a space", _python("X = 1\n", "bad/ext/o d.py"), "cannot be imported", reported=True
    ),
    Case(
        "names", "a Python file of 255 characters", _python("X = 1\n", f"bad/ext/{'n' * 252}.py"), "ompleted successf"
    ),
    Case(
        "names",
        "a Python file called class.py",
        _python("X = 1\n", "bad/ext/class.py"),
        "cannot be imported",
        reported=True,
    ),
    Case(
        "names",
        "a module name with ..",
        _extension(GOOD.replace("bad.ext", "../../etc")),
        "The declared Python module '../../etc' is missing",
        reported=True,
    ),
    # --- Python sources ---
    Case("Python", "a syntax error", _python("def f(:\n"), "is not valid Python 3", reported=True),
    Case("Python", "Python 2", _python("print 'x'\n"), "is not valid Python 3", reported=True),
    Case("Python", "a NUL byte", _python(b"X = 1\n\0\n"), "is not valid Python 3", reported=True),
    Case("Python", "not UTF-8", _python(b"X = '\xe4'\n"), "cannot be decoded", reported=True),
    Case("Python", "an unknown encoding", _python("# coding: klingon\nX = 1\n"), "cannot be decoded", reported=True),
    Case(
        "Python",
        "an encoding that does not match",
        _python(b"# coding: ascii\nX = '\xe4'\n"),
        "cannot be decoded",
        reported=True,
    ),
    Case(
        "Python",
        "an encoding of bytes, not text",
        _python("# coding: hex\nX = 1\n"),
        "cannot be decoded",
        reported=True,
    ),
    Case(
        "Python",
        "an encoding that runs code",
        _python("# coding: unicode_escape\nX = '\\N'\n"),
        "cannot be decoded",
        reported=True,
    ),
    Case("Python", "a byte order mark of UTF-16", _python("X = 1\n".encode("utf-16")), "left out", reported=True),
    Case(
        "Python", "10,000 parentheses", _python("X = " + "(" * 10_000 + ")" * 10_000 + "\n"), "left out", reported=True
    ),
    Case(
        "Python",
        "an expression of 20,000 terms",
        _python("X = " + "+".join("a" * 20_000) + "\n"),
        "left out",
        reported=True,
    ),
    Case(
        "Python",
        "90 nested functions",
        _python("".join(f"{' ' * n}def f{n}():\n" for n in range(110)) + " " * 110 + "pass\n"),
        "left out",
        reported=True,
    ),
    Case("Python", "3,000 attributes in a row", _python("X = a" + ".b" * 3000 + "\n"), "left out", reported=True),
    Case("Python", "a number of 10,000 digits", _python("X = " + "1" * 10_000 + "\n"), "left out", reported=True),
    Case("Python", "a lone surrogate", _python("X = '\\ud800'\n"), "ompleted successfully"),
    Case("Python", "a line of 5 MB", _python(f"X = '{STRING}'\n"), "ompleted successfully"),
    Case(
        "Python",
        "a computed __all__",
        _python("__all__ = make()\n", "bad/ext/__init__.py"),
        "computed",
        reported=True,
    ),
    Case(
        "Python",
        "no permission",
        _made(_unreadable("X = 1\n")),
        "cannot be read",
        reported=True,
        needs="permissions",
    ),
    # --- special files ---
    Case(
        "files",
        "a FIFO among the sources",
        _made(os.mkfifo),
        "either a file nor a folder",
        reported=True,
    ),
    Case("files", "a link to itself", _made(_link_to("odd.py")), "odd.py", reported=True),
    Case("files", "a broken link", _made(_link_to("/nonexistent.py")), "odd.py", reported=True),
    Case(
        "files",
        "a link to a parent folder",
        _made(_link_to("../../.."), "exts/bad.ext/bad/loop"),
        "ot followed",
        reported=True,
    ),
    Case("files", "a link to a device", _made(_link_to("/dev/zero")), "either a file nor a folder", reported=True),
    Case("files", "150 nested folders", _made(_deep, "exts/bad.ext/bad/deep"), "too deeply", reported=True),
    Case(
        "files",
        "a folder without permission",
        _made(_closed_folder, "exts/bad.ext/bad/closed"),
        "cannot be read",
        reported=True,
        needs="permissions",
    ),
    Case("files", "a zip that is not a zip archive", _write("exts/bad.zip", "hello"), "not a sound zip", reported=True),
    Case("files", "no extension", _no_extension, "No extension was found", 1),
    Case(
        "files",
        "a broken settings file",
        _extension(files={"config/more.kit": "[settings]\na = = 1\n"}),
        "more.kit",
        reported=True,
    ),
    # --- command lines ---
    Case("command line", "an unknown flag", _nothing, "unrecognized arguments", 2, (MAIN, "--frobnicate")),
    Case("command line", "a word that is not KEY=VALUE", _nothing, "expected KEY=VALUE", 2, (MAIN, "fast")),
    Case("command line", "an unknown key", _nothing, "max_extensions", 2, (MAIN, "max_extension=3")),
    Case("command line", "a value of the wrong type", _nothing, "max_extensions", 2, (MAIN, "max_extensions=many")),
    Case("command line", "a flag that is neither 1 nor 0", _nothing, "expected 1 or 0", 2, (MAIN, "quick=perhaps")),
    Case("command line", "an unknown stage", _nothing, "settings", 2, (MAIN, "--start", "setings")),
    Case("command line", "an unknown end stage", _nothing, "faiss", 2, (MAIN, "--end", "fais")),
    Case(
        "command line",
        "--start after --end",
        _nothing,
        "comes after",
        2,
        (MAIN, "--start", "faiss", "--end", "settings"),
    ),
    Case(
        "command line", "--resume and --force", _nothing, "--force overrides --resume", 0, (MAIN, "--resume", "--force")
    ),
    Case("command line", "--start without earlier outputs", _nothing, "is missing", 2, (MAIN, "--start", "settings")),
    Case("command line", "a secret", _nothing, "literal secret", 2, (MAIN, "embeddings.api_key=canary")),
    Case(
        "command line",
        "a missing Kit cache",
        _nothing,
        "does not exist",
        1,
        ("run_pipeline.py", "--quick", "--kit-cache", "/nonexistent/kit"),
    ),
    Case(
        "command line",
        "an empty Kit cache",
        _nothing,
        "expected a folder, found nothing",
        2,
        ("run_pipeline.py", "--quick", "--kit-cache", ""),
    ),
    Case(
        "command line",
        "an invalid number",
        _nothing,
        "invalid int value",
        2,
        ("run_pipeline.py", "--max-extensions", "x"),
    ),
    Case(
        "command line",
        "a negative number of extensions",
        _nothing,
        "max_extensions",
        2,
        ("run_pipeline.py", "--max-extensions", "-7"),
    ),
    Case(
        "command line", "zero extensions", _nothing, "max_extensions", 2, ("run_pipeline.py", "--max-extensions", "0")
    ),
    Case("command line", "doit: an unknown task", _nothing, "frobnicate", 2, ("doit", "frobnicate")),
    Case("command line", "doit: an unknown subtask", _nothing, "no.such", 2, ("doit", "settings:no.such")),
    Case("command line", "doit: an unknown option", _nothing, "frobnicate", 3, ("doit", "run", "--frobnicate")),
    Case("command line", "doit: an unknown key", _nothing, "max_extensions", 2, ("doit", "max_extension=3")),
    Case(
        "command line",
        "doit: checkpoint without a subcommand",
        _nothing,
        "expected show or clear",
        3,
        ("doit", "checkpoint"),
    ),
    Case("command line", "doit: search before a run", _nothing, "data", 1, ("doit", "search", "camera")),
    Case("command line", "doit: report before a run", _nothing, "Report: ", 0, ("doit", "report")),
    Case("command line", "doit: a dry run of an unknown stage", _nothing, "setings", 3, ("doit", "dry-run", "setings")),
]
