"""Configurations of the former pipeline: the error on loading, and the conversion."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import ConfigError, load
from config.former import FORMER_KEYS
from config.migrate import Migration, migrate

FORMER = """\
# Collected for the assistant

[input]
# Not worth it
excluded_extensions = [
    "omni.kit.test",   # noisy
    "omni.kit.pip_archive"
]

# The template tells the version
[[input.repo]]
url = "https://git.example.com/kit-app-template.git"  # the mirror
branch = "production/109.0"
exts_path = "extscache"
has_version = true
app_template_path = "templates/apps"

# And ours
[[input.repo]]
url = "https://git.example.com/ours.git"

[output]
work_dir = "../_pipeline_output/kit"  # big
target_dir = "../data"
keep_intermediates = false

[processing]
code_examples_scan_mode = "test"  # of the extensions
parallel_workers = 4
speed = "high"

[embeddings]
model = "nvidia/nv-embedqa-e5-v5"
nvidia_api_key = "${NVIDIA_API_KEY}"  # from the vault
endpoint_url = ""
max_tokens = 500

[faiss]
index_type = "flat"

[logging]
level = "INFO"

[advanced]
resume_on_failure = true
"""


def migrated(folder: Path, text: str) -> Migration:
    path = folder / "old.toml"
    path.write_text(text)
    return migrate(path)


def test_a_former_configuration_is_converted(tmp_path: Path) -> None:
    result = migrated(tmp_path, FORMER)
    (tmp_path / "new.toml").write_text(result.text)
    values = load(tmp_path / "new.toml", environ={"NVIDIA_API_KEY": "k"}).values
    first, second = values["input"]["sources"]
    build = ["./repo.sh", "build", "-r"]
    assert (first["kind"], first["url"]) == ("git", "https://git.example.com/kit-app-template.git")
    assert (first["branch"], first["app_template_path"]) == ("production/109.0", "templates/apps")
    assert (first["exts_path"], first["build_command"]) == ("_build/*/release/extscache", build)
    assert (second["exts_path"], second["build_command"]) == ("_build/*/release/exts", build)
    assert values["input"]["excluded_extensions"] == ["omni.kit.test", "omni.kit.pip_archive"]
    assert values["output"]["work_dir"] == "../_pipeline_output/kit"
    assert values["output"]["keep_intermediates"] is False
    assert values["processing"]["code_examples_scan_mode"] == "tests"
    assert values["processing"]["parallel_workers"] == 4
    assert (values["embeddings"]["backend"], values["embeddings"]["api_key"]) == ("openai", "${NVIDIA_API_KEY}")
    assert values["embeddings"]["endpoint_url"] == "https://integrate.api.nvidia.com/v1"
    assert values["advanced"]["resume_on_failure"] is True


def test_comments_are_kept(tmp_path: Path) -> None:
    lines = migrated(tmp_path, FORMER).text.splitlines()
    kept = [line.partition("#")[2].strip() for line in FORMER.splitlines() if "#" in line]
    assert [line.partition("#")[2].strip() for line in lines if "#" in line] == kept
    assert 'url = "https://git.example.com/kit-app-template.git"  # the mirror' in lines
    assert 'api_key = "${NVIDIA_API_KEY}"  # from the vault' in lines
    assert lines.index("# And ours") > lines.index('build_command = ["./repo.sh", "build", "-r"]')


def test_keys_without_a_replacement_are_listed(tmp_path: Path) -> None:
    result = migrated(tmp_path, FORMER)
    assert result.not_converted == [
        "processing.speed: not a key of this pipeline.",
        f"faiss.index_type: {FORMER_KEYS['faiss']}.",
    ]
    assert 'embeddings.nvidia_api_key is now embeddings.api_key, and embeddings.backend is "openai".' in result.changed
    relative = "output.work_dir, output.target_dir: paths are now relative to the folder of the new file."
    assert relative in result.changed


def test_the_error_for_a_former_file_names_the_replacement_of_each_key(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(FORMER)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    head, *lines = str(caught.value).splitlines()
    assert head == (
        f"{path}: 3 keys of the former pipeline. This command writes the new file: "
        f"doit config migrate {path} > new.toml"
    )
    assert [line.strip().partition(":")[0] for line in lines] == [
        "input.repo",
        "embeddings.nvidia_api_key",
        "faiss.index_type",
    ]
    assert "now embeddings.api_key" in lines[1]


def test_a_former_key_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text("[logging]\n")
    with pytest.raises(ConfigError, match=r"nvidia_api_key: a key of the former pipeline, now embeddings\.api_key"):
        load(path, {"nvidia_api_key": "x"}, environ={})


@pytest.mark.parametrize(
    "text",
    [
        '[input.repo]\nurl = "https://host/a.git"\nbranch = "main"\n',
        '[input]\nrepo = [{url = "https://host/a.git", branch = "main"}]\n',
        '[input]\nrepo = {url = "https://host/a.git", branch = "main"}\nkit_version = "107.3"\n',
        '[input]\nrepo_url = "https://host/a.git"\nbranch = "main"\n[output]\n',
        '[input]\nrepo = "https://host/a.git"\nbranch = "main"\n',
        '[input]\nbranch = "main"\nrepo = "https://host/a.git"  # ours\nkit_version = "107.3"\n',
        '[[input.repo]]\nurl = "https://host/a.git"\nbranch = "main"\n',
        'input.repo.url = "https://host/a.git"\ninput.repo.branch = "main"\n',
        '[output]\n[input.repo]\nurl = "https://host/a.git"\nbranch = "main"\n[input]\nkit_version = "107.3"\n',
    ],
    ids=["table", "inline", "inline-table", "two-keys", "text", "text-between", "tables", "dotted", "out-of-order"],
)
def test_each_way_to_write_a_repository(tmp_path: Path, text: str) -> None:
    document = tomli.loads(migrated(tmp_path, text).text)
    (source,) = document["input"]["sources"]
    assert (source["kind"], source["url"], source["branch"]) == ("git", "https://host/a.git", "main")
    assert document["embeddings"] == {"backend": "openai"}
    assert document["input"].keys() <= {"sources", "kit_version"}
    assert ("kit_version" in document["input"]) == ("kit_version" in text)


def test_repositories_that_are_addresses(tmp_path: Path) -> None:
    result = migrated(tmp_path, '[input]\nrepo = ["https://host/a.git", "git@host:b.git", 3, ""]\nbranch = "main"\n')
    sources = tomli.loads(result.text)["input"]["sources"]
    assert [(one["kind"], one["url"], one.get("branch")) for one in sources] == [
        ("git", "https://host/a.git", None),
        ("git", "git@host:b.git", None),
    ]
    assert [line.partition(":")[0] for line in result.not_converted] == [
        "input.repo[2]",
        "input.repo[3]",
        "input.branch",
    ]


def test_an_address_beside_repo_url(tmp_path: Path) -> None:
    result = migrated(
        tmp_path,
        '[input]\nrepo = "https://me:canary@host/a.git"\nrepo_url = "https://host/b.git"\nbranch = "main"\n',
    )
    sources = tomli.loads(result.text)["input"]["sources"]
    assert [(one["url"], one.get("branch")) for one in sources] == [
        ("https://host/a.git", None),
        ("https://host/b.git", "main"),
    ]
    assert "canary" not in result.text
    assert [line.partition(":")[0] for line in result.not_converted] == ["input.repo.url"]


def test_folders_become_sources(tmp_path: Path) -> None:
    text = '[input]\nkit_cache_path = "/opt/kit/extscache"\nexts_paths = ["a", "b"]\nkit_version = "107.3.1"\n'
    document = tomli.loads(migrated(tmp_path, text).text)
    assert [(one["kind"], one["path"]) for one in document["input"]["sources"]] == [
        ("path", "/opt/kit/extscache"),
        ("path", "a"),
        ("path", "b"),
    ]
    assert document["input"]["kit_version"] == "107.3.1"


def test_no_secret_is_copied(tmp_path: Path) -> None:
    text = (
        '[[input.repo]]\nurl = "https://me:canary@host/a.git"\nbranch = "x"\n'
        '[embeddings]\nnvidia_api_key = "nvapi-canary"\nmodel = "m"\n'
    )
    result = migrated(tmp_path, text)
    assert "canary" not in result.text + "".join(result.changed + result.not_converted)
    document = tomli.loads(result.text)
    assert document["input"]["sources"][0]["url"] == "https://host/a.git"
    assert document["embeddings"]["api_key"] == "${NVIDIA_API_KEY}"
    assert [line.partition(":")[0] for line in result.not_converted] == [
        "input.repo[0].url",
        "embeddings.nvidia_api_key",
    ]


def test_sources_that_are_not_a_list_are_left_out_and_listed(tmp_path: Path) -> None:
    result = migrated(tmp_path, '[input]\nrepo_url = "x"\nsources = false\n')
    assert [source["url"] for source in tomli.loads(result.text)["input"]["sources"]] == ["x"]
    assert [line.partition(":")[0] for line in result.not_converted] == ["input.sources"]


def test_a_wrong_value_is_left_out_and_listed(tmp_path: Path) -> None:
    result = migrated(tmp_path, '[embeddings]\nnvidia_api_key = ""\nencoding_model = "p50k_base"\nbatch_size = 0\n')
    assert set(tomli.loads(result.text)["embeddings"]) == {"backend", "api_key"}
    assert [line.partition(":")[0] for line in result.not_converted] == [
        "embeddings.encoding_model",
        "embeddings.batch_size",
    ]


def test_a_file_of_this_pipeline_is_unchanged(tmp_path: Path) -> None:
    text = (Path(load.__code__.co_filename).parent.parent / "pipeline_config.toml").read_text()
    assert migrated(tmp_path, text) == Migration(text=text)


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-2, 3), st.sampled_from(["", "x", "${A}", "https://a:b@c/d"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["url", "branch", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_KEYS = st.sampled_from(["repo", "repo_url", "branch", "exts_path", "exts_paths", "kit_version", "sources", "x"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(table=st.dictionaries(_KEYS, _VALUES, max_size=5), section=st.sampled_from(["input", "faiss", "embeddings"]))
def test_any_document_becomes_toml(tmp_path: Path, table: dict[str, object], section: str) -> None:
    import tomlkit

    result = migrated(tmp_path, tomlkit.dumps({section: table}) or "\n#\n")
    new = tomli.loads(result.text)
    assert new.keys() <= {"input", "embeddings"}
    if not table.keys() & {"kit_version", "sources"}:
        (tmp_path / "new.toml").write_text(result.text + "\n# not empty")
        load(tmp_path / "new.toml", environ={"A": "1", "NVIDIA_API_KEY": "k"})
