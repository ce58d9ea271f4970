"""Loading a configuration: values, overrides, and the one-line error for every fault."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from config import Config, ConfigError, load, validate

ROOT = Path(validate.__file__).parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "config/pipeline_config.schema.json").read_text())


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "pipeline_config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fault(path: Path, **overrides: object) -> str:
    """Return the error message of loading a file, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides, environ={})
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.replace(f"{path.parent}/", "")


def test_a_signal_during_the_validation_takes_effect_after_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The exception of a signal handler must not be taken for an invalid value."""

    def interrupted(self: object, value: object) -> None:
        del self, value
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(validate._Type, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(write(tmp_path, "[processing]\nmax_extensions = 3\n"), environ={})


# --- the default file and the schema ---------------------------------------------------------------------------------


def test_the_default_file_shows_the_schemas_defaults() -> None:
    shipped = load(environ={})
    assert shipped.path == ROOT / "pipeline_config.toml"
    bare = copy.deepcopy(shipped.values)
    assert [source["requirement"] for source in bare["input"].pop("sources")] == ["isaaclab==2.3.2"]
    for section, table in SCHEMA["properties"].items():
        assert bare[section] == {k: r["default"] for k, r in table["properties"].items() if k != "sources"}


def test_the_default_file_shows_every_key() -> None:
    text = (ROOT / "pipeline_config.toml").read_text()
    # Rarely needed keys, which only the reference lists.
    hidden = {"sources", "max_archive_bytes", "max_archive_files", "app_template_path", "dimensions", "input_type"}
    hidden |= {"truncate", "max_in_flight", "timeout_seconds", "max_tries", "max_wait_seconds", "hnsw_above"}
    keys = {key for table in SCHEMA["properties"].values() for key in table["properties"]}
    keys |= {key for kind in ("wheel", "git", "path") for key in SCHEMA["$defs"][kind]["properties"]}
    shown = {line.removeprefix("# ").split(" = ")[0] for line in text.splitlines() if " = " in line}
    assert shown == keys - hidden


@pytest.mark.parametrize("key", ["work_dir", "target_dir", "backend", "endpoint_url"])
def test_lines_that_other_programs_rewrite_begin_with_their_key(key: str) -> None:
    lines = (ROOT / "pipeline_config.toml").read_text().splitlines()
    assert len([line for line in lines if line.startswith(f"{key} = ")]) == 1


def test_the_schema_is_valid_and_documents_every_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    tables = [*SCHEMA["properties"].values(), *(SCHEMA["$defs"][kind] for kind in ("wheel", "git", "path"))]
    for table in tables:
        assert table["additionalProperties"] is False
        for key, rule in table["properties"].items():
            assert rule["description"].endswith("."), key
            assert ("default" in rule) != (key in table.get("required", []) or key == "kind"), key


def test_a_short_name_is_unique_and_not_a_flag_of_the_command_line() -> None:
    names = [key for table in SCHEMA["properties"].values() for key in table["properties"]]
    assert len(set(names)) == len(names)
    assert not set(names) & {"config", "resume", "force", "start", "end", "update", "no_cache", "kit_cache"}


def test_a_valid_file_is_loaded_without_importing_jsonschema() -> None:
    """The import would double the time of a run with nothing to do."""
    code = "import sys, config; config.load(); print([m for m in ('jsonschema', 'difflib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- values ----------------------------------------------------------------------------------------------------------


def test_relative_folders_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    path = write(tmp_path / "project", '[output]\nwork_dir = "../work"\n[logging]\nlog_file = "logs/run.log"\n')
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load(Path("../project/pipeline_config.toml"), {"target_dir": "out"})
    assert config.path == path
    assert config.work_dir == tmp_path / "work"
    assert config.target_dir == tmp_path / "project/out"
    assert config.log_file == tmp_path / "work/logs/run.log"
    assert load(path, {"log_file": "/var/x.log"}).log_file == Path("/var/x.log")


def test_sources_have_all_keys_absolute_paths_and_lists(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[input.sources]]
        kind = "path"
        path = "${KIT}/exts"
        exts_path = ["a", "b*"]
        [[input.sources]]
        kind = "git"
        url = "../repo"
        apps_path = "apps"
        [[input.sources]]
        kind = "git"
        url = "git@example.org:group/repo.git"
        build_command = ["./build.sh", "-r", "${KIT}"]
        """,
    )
    first, second, third = load(path, environ={"KIT": "kit"}).sources()
    assert first == {
        "kind": "path",
        "path": str(tmp_path / "kit/exts"),
        "exts_path": ["a", "b*"],
        "apps_path": [],
        "app_template_path": None,
        "links": "any",
    }
    assert second["url"] == str(tmp_path.parent / "repo")
    assert (second["apps_path"], second["branch"], second["build_timeout_seconds"]) == (["apps"], None, 7200)
    assert third["url"] == "git@example.org:group/repo.git"
    assert third["build_command"] == ["./build.sh", "-r", "kit"]


@pytest.mark.parametrize("url", ["-x", "ext::sh -c x", "ssh://git@h/r", "https://h/r", "host:path"])
def test_addresses_other_than_local_paths_are_unchanged(tmp_path: Path, url: str) -> None:
    config = load(write(tmp_path, "[input]"), {"sources": [{"kind": "git", "url": url}]})
    assert config.sources()[0]["url"] == url


def test_sections_are_copies_that_do_not_depend_on_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, '[embeddings]\nmodel = "${MODEL}"\n')
    config = load(path, environ={"MODEL": "m"})
    assert config.section("embeddings")["model"] == "${MODEL}"
    assert config.options("embeddings")["model"] == "m"
    assert "api_key" not in config.section("embeddings")
    assert "api_key" not in config.options("embeddings")
    config.section("processing")["excluded_modules"].append("x")
    config.public()["processing"]["excluded_modules"].append("x")
    assert "x" not in config.values["processing"]["excluded_modules"]


def test_workers_are_the_cores_unless_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, "[processing]")
    assert load(path).workers == len(os.sched_getaffinity(0))
    assert load(path, {"parallel_workers": "3"}).workers == 3


def test_a_folder_name_that_is_not_utf_8(tmp_path: Path) -> None:
    config = load(write(tmp_path, "[output]"), {"work_dir": os.fsdecode(b"w\xff")})
    assert os.fsencode(config.work_dir) == os.fsencode(tmp_path) + b"/w\xff"


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert load(write(tmp_path, b'\xef\xbb\xbf[logging]\r\nlevel = "DEBUG"\r\n')).values["logging"]["level"] == "DEBUG"


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_read_on_demand_and_stored_nowhere(tmp_path: Path) -> None:
    environ = {"NVIDIA_API_KEY": "canary-1"}
    config = load(write(tmp_path, '[embeddings]\nbackend = "openai"\n'), environ=environ)
    assert config.secret("embeddings.api_key") == "canary-1"
    environ["NVIDIA_API_KEY"] = "canary-2"
    assert config.secret("embeddings.api_key") == "canary-2"
    assert config.values["embeddings"]["api_key"] == "${NVIDIA_API_KEY}"
    assert "canary" not in repr(config) + json.dumps(config.public())


def test_a_literal_secret_is_never_shown(tmp_path: Path) -> None:
    path = write(tmp_path, '[embeddings]\nbackend = "openai"\napi_key = "canary-file"\n')
    config = load(path)
    assert config.secret("embeddings.api_key") == "canary-file"
    assert config.public()["embeddings"]["api_key"] == "***"
    assert "canary" not in f"{config!r} {config.values} {config.section('embeddings')} {config.options('embeddings')}"
    with pytest.raises(TypeError):
        pickle.dumps(config)
    assert "canary" not in fault(path, api_key=["canary"])


def test_a_literal_secret_is_refused_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, '[embeddings]\nbackend = "openai"\napi_key = "canary-file"\n')
    for override in ({"api_key": "canary"}, {"api_key": "canary-${X}"}, {"endpoint_url": "https://a:canary@host"}):
        message = fault(path, **override)
        assert "expected the name of an environment variable, as ${NAME}, found a literal secret" in message
        assert "canary" not in message
    named = load(path, {"api_key": "${X}"}, environ={"X": "canary"})
    assert named.secret("embeddings.api_key") == "canary"
    assert named.overrides == {"embeddings.api_key": "${X}"}


def test_an_unset_secret_is_an_error_only_if_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path, "[embeddings]")
    assert load(path, environ={}).secret("embeddings.api_key") is None
    remote = load(path, {"backend": "openai"}, environ={})
    with pytest.raises(ConfigError, match=r"embeddings\.api_key: the environment variable NVIDIA_API_KEY is not set"):
        remote.secret("embeddings.api_key")
    assert load(path, {"backend": "openai", "api_key": ""}, environ={}).secret("embeddings.api_key") is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pw@host/r.git", "https://***@host/r.git"),
        ("https://token@host/r.git", "https://***@host/r.git"),
        ("https://${USER}:${TOKEN}@host/r", "https://${USER}:${TOKEN}@host/r"),
        ("https://me:${TOKEN}@host/r", "https://***@host/r"),
        ("ssh://git@host/r", "ssh://git@host/r"),
        ("ssh://git:pw@host/r", "ssh://***@host/r"),
        ("git@host:r", "git@host:r"),
    ],
)
def test_credentials_in_an_address_are_used_but_not_shown(tmp_path: Path, address: str, shown: str) -> None:
    environ = {"USER": "me", "TOKEN": "t"}
    config = load(write(tmp_path, f'[[input.sources]]\nkind = "git"\nurl = "{address}"\n'), environ=environ)
    assert config.public()["input"]["sources"][0]["url"] == shown
    assert config.sources()[0]["url"] == address.replace("${USER}", "me").replace("${TOKEN}", "t")


# --- overrides -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("max_extensions", "25", "processing.max_extensions", 25),
        ("processing.max_extensions", -1, "processing.max_extensions", -1),
        ("include_source_code", "true", "processing.include_source_code", True),
        ("include_source_code", "False", "processing.include_source_code", False),
        ("excluded_extensions", '["omni.a", "omni.b*"]', "input.excluded_extensions", ["omni.a", "omni.b*"]),
        ("excluded_extensions", "[]", "input.excluded_extensions", []),
        ("kit_version", "107.3", "input.kit_version", "107.3"),
        ("kit_version", None, "input.kit_version", None),
        ("model", "true", "embeddings.model", "true"),
        ("timeout_seconds", "0.5", "embeddings.timeout_seconds", 0.5),
        ("timeout_seconds", "2", "embeddings.timeout_seconds", 2),
        ("scheduler", "tcp://127.0.0.1:8786", "processing.scheduler", "tcp://127.0.0.1:8786"),
    ],
)
def test_overrides_have_the_type_in_the_schema(
    tmp_path: Path, name: str, value: object, key: str, expected: object
) -> None:
    config = load(write(tmp_path, "[processing]\nmax_extensions = 7\n"), {name: value})
    section, last = key.split(".")
    assert config.overrides == {key: expected}
    assert config.values[section][last] == expected
    assert type(config.values[section][last]) is type(expected)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"max_extension": "3"}, "max_extension: unknown key; the nearest known key is processing.max_extensions."),
        ({"input.max_extensions": "3"}, "unknown key; the nearest known key is processing.max_extensions."),
        ({"": ""}, ": unknown key; the nearest known key is "),
        ({"max_extensions": "many"}, 'expected a whole number of 1 or more, or -1 for all, found the string "many".'),
        ({"max_extensions": "0"}, "expected a whole number of 1 or more, or -1 for all, found 0."),
        ({"max_extensions": "2.5"}, "or -1 for all, found 2.5."),
        ({"max_extensions": "1\nx = 2"}, 'or -1 for all, found the string "1\\nx = 2".'),
        ({"max_extensions": ""}, 'found the string "".'),
        ({"timeout_seconds": "nan"}, "embeddings.timeout_seconds: expected a finite value, found nan."),
        ({"timeout_seconds": "0"}, "expected a number above 0 and up to 86400, found 0."),
        ({"keep_intermediates": "1"}, 'expected true or false, found the string "1".'),
        ({"excluded_extensions": "omni.a"}, 'expected a list of strings, found the string "omni.a".'),
        ({"backend": "nim"}, 'embeddings.backend: expected one of "local", "openai", found the string "nim".'),
        ({"work_dir": "a\0b"}, "output.work_dir: expected text, found a NUL character in it."),
        ({"work_dir": Path("x")}, "output.work_dir: expected a string that is not empty, found a value of type "),
        ({"work_dir": "${NOWHERE}"}, "output.work_dir: the environment variable NOWHERE is not set"),
    ],
)
def test_the_error_names_a_wrong_override(tmp_path: Path, overrides: dict[str, object], message: str) -> None:
    found = fault(write(tmp_path, "[input]"), **overrides)
    assert found.startswith("command line: ")
    assert message in found


# --- faults of the file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[procesing]\n", "procesing: unknown key; the nearest known key is processing."),
        ("max_extensions = 3\n", "max_extensions: unknown key; the nearest known key is processing.max_extensions."),
        ("[output]\nwork_dri = 'x'\n", "output.work_dri: unknown key; the nearest known key is output.work_dir."),
        ("[output]\nmax_extensions = 1\n", "output.max_extensions: unknown key; the nearest known key is processing."),
        ('"a\\nb" = 1\n', '"a\\nb": unknown key'),
        ("output = 3\n", "output: expected a table, found 3."),
        ("[output]\nwork_dir = ''\n", 'output.work_dir: expected a string that is not empty, found the string "".'),
        ("[processing]\ninclude_source_code = 'no'\n", 'expected true or false, found the string "no".'),
        ("[processing]\nmax_extensions = 25.0\n", "or -1 for all, found 25.0."),
        ("[embeddings]\nbatch_size = true\n", "expected a whole number from 1 to 2048, found true."),
        ("[embeddings]\nbatch_size = 1979-05-27\n", "from 1 to 2048, found a value of type date."),
        ("[embeddings]\nendpoint_url = 'ftp://me:pw@h'\n", 'or "https://", found the string "ftp://***@h".'),
        ("[input]\nkit_version = '../..'\n", 'input.kit_version: expected a version such as "107.3.3", found'),
        ("[input]\nexcluded_extensions = ['a', 3]\n", "input.excluded_extensions[1]: expected a string that is not"),
        ("[input.sources]\nkind = 'path'\n", "input.sources: expected [[input.sources]] tables, found a table."),
        ("[[input.sources]]\n", 'input.sources[0]: expected one of "wheel", "git", "path" as kind, found no such key.'),
        ("[[input.sources]]\nkind = 'whl'\n", 'input.sources[0].kind: expected one of "wheel", "git", "path", found'),
        ("[[input.sources]]\nkind = 'git'\n", "input.sources[0]: expected a string that is not empty as url, found no"),
        (
            "[[input.sources]]\nkind = 'path'\npath = 'x'\nbrunch = 'y'\n",
            "input.sources[0].brunch: unknown key; the nearest known key is ",
        ),
        (
            "[[input.sources]]\nkind = 'git'\nurl = 'x'\nbrunch = 'y'\n",
            "input.sources[0].brunch: unknown key; the nearest known key is input.sources[0].branch.",
        ),
        ("[[input.sources]]\nkind = 'git'\nurl = 'x'\nbuild_command = 'make'\n", "build_command: expected a list of"),
        ("[[input.sources]]\nkind = 'path'\npath = 'x'\nexts_path = 1\n", "exts_path: expected a path or a list of p"),
        (
            "[[input.sources]]\nkind = 'wheel'\nrequirement = 'x>=1'\n",
            "requirement: expected a pinned requirement such",
        ),
        ("[[input.sources]]\nkind = 'wheel'\nrequirement = 'x==1'\nsha256 = 'ab'\n", "expected 64 hexadecimal digits"),
        ("[[input.sources]]\nkind = 'path'\npath = '${GONE}'\n", "input.sources[0].path: the environment variable GON"),
        ("[output]\nwork_dir = './data'\n", "output.target_dir: expected another folder than output.work_dir, found"),
        ("a = 1\nb = 2\n", "a: unknown key; the nearest known key is "),
        ("[logging]\nlevel = 1\n[input]\nkit_version = 1\n", 'logging.level: expected one of "DEBUG", "INFO", '),
        ("logging = 1\n[input]\nsources = [3]\n", "logging: expected a table, found 1. (1 more after this one.)"),
        ("[input]\nsources = [3]\n", "input.sources[0]: expected a [[input.sources]] table, found 3."),
        ("[output]\nwork_dir = 1979-05-27\n", "expected a string that is not empty, found a value of type date."),
        ("output = 1979-05-27\n", "output: expected a table, found a value of type date."),
        ("[output]\nwork_dir = " + "[" * 60 + "]" * 60 + "\n", "expected a string that is not empty, found a list."),
        ("[embeddings]\nbatch_size = 1" + "0" * 3000 + "\n", "a whole number from 1 to 2048, found a huge number."),
    ],
)
def test_the_error_for_a_wrong_file_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    found = fault(write(tmp_path, text))
    assert found.startswith("pipeline_config.toml: ")
    assert message in found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "pipeline_config.toml: expected a configuration, found an empty file."),
        (b"\xef\xbb\xbf \n", "pipeline_config.toml: expected a configuration, found an empty file."),
        (b"[input]\nx = [1,\n", "pipeline_config.toml:3: not valid TOML ("),
        (b"[input]\n[input]\n", "pipeline_config.toml:2: not valid TOML ("),
        (b"[input]\n# caf\xe9\n", "pipeline_config.toml:2: expected UTF-8, found the byte 0xe9."),
        (b"\xff\xfe[\0i\0", "pipeline_config.toml:1: expected UTF-8, found the byte 0xff."),
        (b"x = " + b"[" * 5000, "pipeline_config.toml: not usable as TOML ("),
        (b"x = " + b"1" * 9000, "pipeline_config.toml: not usable as TOML ("),
        (b"#" * (1 << 20) + b"\n", "pipeline_config.toml: expected at most 1048576 bytes, found 1048577."),
        (b'[output]\nwork_dir = "\\u0000"\n', "output.work_dir: expected text, found a NUL character in it."),
    ],
)
def test_the_error_for_invalid_toml_names_the_line(tmp_path: Path, data: bytes, message: str) -> None:
    assert message in fault(write(tmp_path, data))


def test_unreadable_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert fault(tmp_path / "gone.toml").startswith("gone.toml: there is no such file")
    assert "expected a TOML file, found a device or pipe." in fault(tmp_path / "pipe")
    assert "loop: cannot be read (" in fault(tmp_path / "loop")
    assert ": cannot be read (" in fault(tmp_path / "pipe" / "x")
    assert ": cannot be read (" in fault(tmp_path / ("x" * 300))
    assert ": cannot be read (" in fault(tmp_path / "a\0b")
    with pytest.raises(ConfigError, match="expected a TOML file, found a folder"):
        load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write(tmp_path, "[input]")
    path.chmod(0)
    assert "cannot be read (Permission denied)" in fault(path)


# --- arbitrary input -------------------------------------------------------------------------------------------------

names = st.sampled_from(
    sorted({*SCHEMA["properties"], *(k for t in SCHEMA["properties"].values() for k in t["properties"]), "kind", "x"})
)
words = st.sampled_from(
    [
        "wheel",
        "git",
        "path",
        "local",
        "openai",
        "x==1",
        "107.3",
        "https://a:b@c",
        "${A}",
        "${B",
        "\0",
        "",
        "INFO",
        "all",
    ]
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), words, st.text(max_size=5))
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
documents = st.fixed_dictionaries(
    {},
    optional={
        section: trees
        | st.fixed_dictionaries(
            {}, optional={key: st.just(rule["default"]) | trees for key, rule in table["properties"].items()}
        )
        for section, table in SCHEMA["properties"].items()
    },
)


def unless_expanded(name: str) -> Any:
    def check(validator: Any, operand: Any, value: Any, rule: dict[str, Any]) -> Any:
        if not (isinstance(value, str) and re.search(r"\$\{[A-Za-z_]\w*\}", value) and not rule.get("x-literal")):
            yield from Draft202012Validator.VALIDATORS[name](validator, operand, value, rule)

    return check


SECOND_OPINION = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {name: unless_expanded(name) for name in ("pattern", "enum")},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)(SCHEMA)


@given(documents)
@example({"input": {"sources": [{"kind": "path", "path": "x"}]}})
@example({"input": {"sources": [{"kind": "path"}]}})
@example({"input": {"sources": [{"kind": "git", "url": "x", "exts_path": ["a"]}]}})
@example({"processing": {"max_extensions": 0}})
@example({"embeddings": {"batch_size": 25.0, "timeout_seconds": 25.0}})
@example({"input": {"sources": [{"kind": "${KIND}"}]}, "embeddings": {"backend": "${BACKEND}"}})
@settings(deadline=None)
def test_the_validator_agrees_with_jsonschema(document: dict[str, Any]) -> None:
    """Two implementations of the standard read the same schema. Both have the same exceptions."""
    try:
        validate.validate(document, "")
    except ConfigError as error:
        assume("NUL character" not in str(error) and "finite value" not in str(error))
        assert not SECOND_OPINION.is_valid(document)
    else:
        assert SECOND_OPINION.is_valid(document)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.tuples(names, names, st.text(max_size=20)).map(
        lambda t: f"[{t[0]}]\n{t[1]} = {t[2]}\n".encode(errors="replace")
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_configuration_or_one_line(folder: Path, data: bytes) -> None:
    try:
        assert isinstance(load(write(folder, data), environ={}), Config)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1


@given(st.dictionaries(names | st.text(max_size=8), trees, max_size=3))
@settings(deadline=None)
def test_any_overrides_give_a_configuration_or_one_line(folder: Path, overrides: dict[str, object]) -> None:
    try:
        config = load(write(folder, "[input]"), overrides, environ={"A": "a"})
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
    else:
        json.dumps(config.public(), allow_nan=False)
        assert config.sources() is not None


# --- variables -------------------------------------------------------------------------------------------------------

NAMED = """
[input]
kit_version = "${KIT}"
excluded_extensions = ["omni.kit.test*", "${LEFT_OUT}"]
[processing]
code_examples_scan_mode = "${MODE}"
excluded_modules = ["${MODULES}"]
scheduler = "${SCHEDULER}"
[embeddings]
backend = "${BACKEND}"
[logging]
level = "${LEVEL}"
[[input.sources]]
kind = "wheel"
requirement = "${WHEEL}"
exts_path = ["a", "${BELOW}/source"]
"""
ENVIRON = {
    "KIT": "107.3.1",
    "LEFT_OUT": "omni.x",
    "MODE": "all",
    "MODULES": "vendored",
    "SCHEDULER": "dask",
    "BACKEND": "openai",
    "LEVEL": "DEBUG",
    "WHEEL": "isaaclab==2.3.2",
    "BELOW": "isaaclab",
    "NVIDIA_API_KEY": "canary",
}


def test_variables_are_expanded_in_every_string(tmp_path: Path) -> None:
    config = load(write(tmp_path, NAMED), environ=ENVIRON)
    found = config.effective
    assert found["input"]["kit_version"] == "107.3.1"
    assert found["input"]["excluded_extensions"] == ["omni.kit.test*", "omni.x"]
    assert found["processing"]["code_examples_scan_mode"] == "all"
    assert found["processing"]["excluded_modules"] == ["vendored"]
    assert found["processing"]["scheduler"] == "dask"
    assert found["logging"]["level"] == "DEBUG"
    assert config.sources()[0]["exts_path"] == ["a", "isaaclab/source"]
    assert config.sources()[0]["requirement"] == "isaaclab==2.3.2"
    assert config.uses_service
    assert config.secret("embeddings.api_key") == "canary"
    assert "canary" not in json.dumps(found)
    assert config.values["processing"]["code_examples_scan_mode"] == "${MODE}"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("KIT", 'input.kit_version: expected a version such as "107.3.3", found something else in the environment.'),
        ("LEFT_OUT", "input.excluded_extensions: expected a list of strings, found something else in the environment."),
        ("MODE", 'processing.code_examples_scan_mode: expected one of "regular", "tests", "all", found something else'),
        ("WHEEL", "input.sources[0].requirement: expected a pinned requirement"),
        ("BACKEND", 'embeddings.backend: expected one of "local", "openai", found something else in the environment.'),
    ],
)
def test_the_value_of_a_variable_is_validated_but_not_shown(tmp_path: Path, variable: str, message: str) -> None:
    path = write(tmp_path, NAMED)
    wrong = "" if variable == "LEFT_OUT" else "canary/"
    with pytest.raises(ConfigError) as caught:
        load(path, environ=ENVIRON | {variable: wrong})
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "canary" not in str(caught.value)


def test_the_kind_of_a_source_cannot_be_a_variable(tmp_path: Path) -> None:
    message = fault(write(tmp_path, '[[input.sources]]\nkind = "${KIND}"\npath = "x"\n'))
    assert 'input.sources[0].kind: expected one of "wheel", "git", "path"' in message
