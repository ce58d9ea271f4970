from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stages.failures import StageError
from stages.sources import git as source_git
from stages.sources.configured import GitSource
from stages.sources.git import fetch, local_commit

PROJECT = Path(__file__).parents[3]
IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *IDENTITY, "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Repository:
    """A real repository of synthetic extensions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
        git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
        self.first = self.commit(
            f"first of {folder.name}", {"source/omni.a/config/extension.toml": "[package]\nversion = '1.0.0'\n"}
        )

    def commit(self, message: str, files: dict[str, str | bytes]) -> str:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "-m", message)
        return git(self.folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "remote" / "kit-app")


class _GitBackend(BaseHTTPRequestHandler):
    """git's http-backend behind a small server. After ``stall_after`` bytes, the server waits forever."""

    root: Path
    stall_after: int | None
    stalled: threading.Event
    requests: int

    def _serve(self) -> None:
        server: Any = self.server
        server.requests += 1
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if line)
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if server.stall_after is not None and len(content) > server.stall_after:
            self.wfile.write(content[: server.stall_after])
            self.wfile.flush()
            server.stalled.set()
            server.released.wait(60)
            return
        self.wfile.write(content)

    do_GET = do_POST = _serve

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    served: Any = ThreadingHTTPServer(("127.0.0.1", 0), _GitBackend)
    served.root, served.stall_after, served.requests = tmp_path / "remote", None, 0
    served.stalled, served.released = threading.Event(), threading.Event()
    served.address = f"http://127.0.0.1:{served.server_port}"
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.released.set()
    served.shutdown()
    thread.join()
    served.server_close()


def get(tmp_path: Path, url: str | Path, update: bool = False, **source: Any) -> tuple[Path, str]:
    return fetch(GitSource(url=str(url), **source), work_dir=tmp_path / "work", update=update)


def manifest(root: Path) -> str:
    return (root / "source/omni.a/config/extension.toml").read_text()


@pytest.mark.parametrize("form", ["path", "file", "http"])
def test_clone_and_update(tmp_path: Path, repository: Repository, server: Any, form: str) -> None:
    url = {
        "path": str(repository.folder),
        "file": repository.folder.as_uri(),
        "http": f"{server.address}/kit-app/.git",
    }[form]
    root, commit = get(tmp_path, url)
    assert commit == repository.first
    assert root.parent == tmp_path / "work/sources"
    assert manifest(root) == "[package]\nversion = '1.0.0'\n"
    second = repository.commit("second", {"source/omni.a/config/extension.toml": "[package]\nversion = '2.0.0'\n"})
    asked = server.requests
    again, commit = get(tmp_path, url)
    assert again == root
    if form == "http":
        # Without `update`, the pull does not access the network.
        assert (commit, server.requests) == (repository.first, asked)
    else:
        assert commit == second
    _, commit = get(tmp_path, url, update=True)
    assert commit == second
    assert manifest(root) == "[package]\nversion = '2.0.0'\n"
    # The clone is shallow: it has no history before the commit.
    assert git(root, "rev-list", "--all", "HEAD", "--count") in ("1", "2")


def test_a_source_that_was_not_cloned_is_missing(tmp_path: Path, repository: Repository, server: Any) -> None:
    for number in range(5):
        repository.commit(f"commit {number}", {"large.bin": os.urandom(50_000)})
    root, commit = get(tmp_path, f"{server.address}/kit-app/.git")
    assert git(root, "rev-list", "--count", "HEAD") == "1"
    assert commit == git(repository.folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("kind", ["branch", "tag", "annotated", "commit", "short"])
def test_refs(tmp_path: Path, repository: Repository, server: Any, kind: str) -> None:
    git(repository.folder, "tag", "v1.0")
    git(repository.folder, "tag", "-a", "-m", "one", "v1.0-annotated")
    git(repository.folder, "branch", "release/107.3")
    repository.commit("second", {"x.txt": "x"})
    ref = {
        "branch": "release/107.3",
        "tag": "v1.0",
        "annotated": "v1.0-annotated",
        "commit": repository.first,
        "short": repository.first[:10],
    }[kind]
    root, commit = get(tmp_path, f"{server.address}/kit-app/.git", branch=ref)
    assert commit == repository.first
    assert not (root / "x.txt").exists()


def test_a_commit_of_a_server_that_serves_only_tips(tmp_path: Path, repository: Repository, server: Any) -> None:
    git(repository.folder, "config", "uploadpack.allowAnySHA1InWant", "false")
    git(repository.folder, "config", "protocol.version", "0")
    repository.commit("second", {"x.txt": "x"})
    assert get(tmp_path, f"{server.address}/kit-app/.git", branch=repository.first)[1] == repository.first


def test_other_refs_are_other_clones(tmp_path: Path, repository: Repository) -> None:
    git(repository.folder, "branch", "other")
    one, other = get(tmp_path, repository.folder)[0], get(tmp_path, repository.folder, branch="other")[0]
    assert one != other


def test_names_with_spaces(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "a b%20c" / "kit äpp")
    assert get(tmp_path, repository.folder)[1] == repository.first


def test_files_of_a_build_survive_an_update(tmp_path: Path, repository: Repository) -> None:
    root, _ = get(tmp_path, repository.folder)
    (root / "_build").mkdir()
    (root / "_build/made.txt").write_text("built")
    (root / "source/omni.a/config/extension.toml").write_text("changed by the build")
    repository.commit("second", {"x.txt": "x"})
    get(tmp_path, repository.folder)
    assert (root / "_build/made.txt").read_text() == "built"
    assert (root / "x.txt").exists()
    assert manifest(root) == "[package]\nversion = '1.0.0'\n"


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_missing_branch(tmp_path: Path, repository: Repository, server: Any) -> None:
    for url in (repository.folder, f"{server.address}/kit-app/.git"):
        with pytest.raises(StageError, match=r"there is no branch 'nowhere'\. Correct `branch`"):
            get(tmp_path, url, branch="nowhere")
        assert get(tmp_path, url)[1] == repository.first


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.git", "ssh://127.0.0.1:9/x.git", "git://127.0.0.1:9/x.git"])
def test_no_network(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=2")
    with pytest.raises(StageError, match=r"cannot be reached .*run again"):
        get(tmp_path, url)


def test_no_repository_at_the_path(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for url in (tmp_path / "plain", tmp_path / "nothing"):
        with pytest.raises(StageError, match=r"does not appear to be a git repository"):
            get(tmp_path, url)


def test_no_git(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageError, match="git is not installed"):
        get(tmp_path, repository.folder)
    assert local_commit(GitSource(url=str(repository.folder))) == ""


def test_a_password_in_an_address_is_neither_shown_nor_stored(
    tmp_path: Path, repository: Repository, server: Any
) -> None:
    address = server.address.replace("http://", "http://user:s3cret@")
    with pytest.raises(StageError) as caught:
        get(tmp_path, f"{address}/nothing/.git")
    assert "s3cret" not in str(caught.value)
    get(tmp_path, f"{address}/kit-app/.git")
    kept = [path for path in (tmp_path / "work").rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert kept == []


def test_a_damaged_clone_is_cloned_again(tmp_path: Path, repository: Repository, server: Any) -> None:
    url = f"{server.address}/kit-app/.git"
    root, _ = get(tmp_path, url)
    for path in (root / ".git/objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"torn")
    assert get(tmp_path, url) == (root, repository.first)
    assert manifest(root) == "[package]\nversion = '1.0.0'\n"
    git(root, "fsck")


@pytest.mark.parametrize("torn", ["HEAD", "config", "shallow"])
def test_a_clone_with_torn_files_is_cloned_again(tmp_path: Path, repository: Repository, torn: str) -> None:
    root, _ = get(tmp_path, repository.folder)
    (root / ".git" / torn).write_bytes(b"\0\0\0 torn")
    repository.commit("second", {"x.txt": "x"})
    assert get(tmp_path, repository.folder)[1] == git(repository.folder, "rev-parse", "HEAD")
    assert (root / "x.txt").exists()


KILLED = """
    import sys
    from pathlib import Path
    from stages.sources.configured import GitSource
    from stages.sources.git import fetch
    fetch(GitSource(url=sys.argv[1]), work_dir=Path(sys.argv[2]), update=False)
"""


def test_a_killed_clone_is_continued(tmp_path: Path, repository: Repository, server: Any) -> None:
    repository.commit("large", {"large.bin": os.urandom(2_000_000)})
    url = f"{server.address}/kit-app/.git"
    server.stall_after = 500_000
    command = [sys.executable, "-c", textwrap.dedent(KILLED), url, str(tmp_path / "work")]
    run = subprocess.Popen(command, cwd=PROJECT, start_new_session=True, stderr=subprocess.DEVNULL)
    assert server.stalled.wait(60)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    (root,) = (path for path in (tmp_path / "work/sources").iterdir() if path.is_dir())
    assert not (root / "large.bin").exists()
    # Leftovers of a git process that was killed at other times.
    for name in ("shallow.lock", "index.lock", "HEAD.lock", "config.lock"):
        (root / ".git" / name).write_text("")
    (root / ".git/marker").write_text("the same clone")
    server.stall_after = None
    server.released.set()
    again, commit = get(tmp_path, url)
    assert again == root
    assert (root / ".git/marker").exists()
    assert commit == git(repository.folder, "rev-parse", "HEAD")
    assert (root / "large.bin").read_bytes() == (repository.folder / "large.bin").read_bytes()
    assert git(root, "status", "--porcelain") == ""


def test_a_killed_checkout_is_continued(tmp_path: Path, repository: Repository, server: Any) -> None:
    url = f"{server.address}/kit-app/.git"
    root, _ = get(tmp_path, url)
    # Killed after git moved HEAD, before it wrote the files and the commit was recorded.
    (state_file,) = (tmp_path / "work/sources").glob("*.json")
    state = json.loads(state_file.read_bytes())
    del state["commit"]
    state_file.write_text(json.dumps(state))
    (root / "source/omni.a/config/extension.toml").unlink()
    get(tmp_path, url)
    assert manifest(root) == "[package]\nversion = '1.0.0'\n"


# --- safety ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch evil",
        "-u",
        "ext::sh -c touch% evil",
        "ext::sh",
        "fd::17",
        "evil::x",
        "ftp://127.0.0.1/x",
        "sftp://127.0.0.1/x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\nb",
        "",
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StageError, match=r"input.sources: url: .* is refused"):
        get(tmp_path, url)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "ref",
    ["--upload-pack=touch evil", "-x", "a..b", "a b", "HEAD~1", "a:b", "@{u}", "x^{0}", "a*", "a/", "", "a\n"],
)
def test_refs_that_are_refused(tmp_path: Path, repository: Repository, ref: str) -> None:
    with pytest.raises(StageError, match=r"input.sources: branch: .* is refused"):
        get(tmp_path, repository.folder, branch=ref)
    assert local_commit(GitSource(url=str(repository.folder), branch=ref)) in ("", repository.first)


def test_submodules_are_not_fetched(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Repository(tmp_path / "remote/inner")
    git(repository.folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "sub")
    modules = repository.folder / ".gitmodules"
    modules.write_text(modules.read_text() + '[submodule "../../evil"]\n\tpath = -x\n\turl = ext::sh -c "touch evil"\n')
    repository.commit("with a submodule", {})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "submodule.recurse")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.setenv("GIT_CONFIG_KEY_1", "protocol.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_1", "always")
    with caplog.at_level(logging.WARNING):
        root, _ = get(tmp_path, repository.folder)
    assert "submodules are not fetched" in caplog.text
    assert list((root / "sub").iterdir()) == []
    assert not list(tmp_path.rglob("evil"))


def test_hooks_do_not_run(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tmp_path / "template/hooks"
    template.mkdir(parents=True)
    hook = template / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/evil\n")
    hook.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {template}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))
    get(tmp_path, repository.folder)
    assert not (tmp_path / "evil").exists()


def test_the_repository_of_the_current_folder_is_not_changed(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = Repository(tmp_path / "outer")
    monkeypatch.setenv("GIT_DIR", str(outer.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(outer.folder))
    root, commit = get(tmp_path, repository.folder)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_WORK_TREE")
    assert commit == repository.first != outer.first
    assert git(outer.folder, "rev-parse", "HEAD") == outer.first
    assert git(root, "rev-parse", "HEAD") == repository.first


# --- builds ----------------------------------------------------------------------------------------------------------

BUILD = """#!/bin/sh
echo "building $1"
echo "a warning" >&2
mkdir -p _build/linux-x86_64/release/exts _build/linux-x86_64/release/kit
cp -r source/omni.a _build/linux-x86_64/release/exts/omni.a
echo 107.3.3+isaac > _build/linux-x86_64/release/kit/VERSION
echo run >> runs.txt
"""


def with_build(repository: Repository, script: str = BUILD) -> None:
    (repository.folder / "build.sh").write_text(script)
    (repository.folder / "build.sh").chmod(0o755)
    repository.commit("build", {})


def build_log(tmp_path: Path) -> str:
    (log,) = (tmp_path / "work/logs").glob("build-*.log")
    return log.read_text()


def test_build_runs_once_for_each_commit(tmp_path: Path, repository: Repository) -> None:
    with_build(repository)
    root, _ = get(tmp_path, repository.folder)
    assert not (root / "_build").exists()  # it runs only if it is configured
    for _ in range(2):
        root, _ = get(tmp_path, repository.folder, build_command=["./build.sh", "-r; touch evil"])
    assert (root / "_build/linux-x86_64/release/exts/omni.a/config/extension.toml").is_file()
    assert build_log(tmp_path) == "building -r; touch evil\na warning\n"
    assert (root / "runs.txt").read_text() == "run\n"
    assert not list(tmp_path.rglob("evil"))  # no shell
    repository.commit("next", {"x.txt": "x"})
    get(tmp_path, repository.folder, build_command=["./build.sh", "-r; touch evil"])
    assert (root / "runs.txt").read_text() == "run\nrun\n"
    get(tmp_path, repository.folder, build_command=["./build.sh", "-d"])
    assert (root / "runs.txt").read_text() == "run\nrun\nrun\n"


def test_a_build_that_fails(tmp_path: Path, repository: Repository) -> None:
    with_build(repository, "#!/bin/sh\nfor n in $(seq 50); do echo line $n; done\nexit 3\n")
    with pytest.raises(StageError, match=r"the build './build.sh' failed \(exit code 3\)") as caught:
        get(tmp_path, repository.folder, build_command=["./build.sh"])
    assert "line 50" in str(caught.value) and "line 31\n" in str(caught.value) and "line 30\n" not in str(caught.value)
    assert len(build_log(tmp_path).splitlines()) == 50
    with_build(repository)
    get(tmp_path, repository.folder, build_command=["./build.sh"])


def test_a_build_that_cannot_start(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(StageError, match=r"build_command './none.sh -r' cannot be started \(No such file"):
        get(tmp_path, repository.folder, build_command=["./none.sh", "-r"])


def test_a_hanging_build_is_stopped_with_its_child_processes(tmp_path: Path, repository: Repository) -> None:
    with_build(repository, "#!/bin/sh\nsleep 300 &\necho $! > child.pid\necho waiting\nwait\n")
    with pytest.raises(StageError, match=r"did not end in 1 seconds and was stopped.*\n    waiting"):
        get(tmp_path, repository.folder, build_command=["./build.sh"], build_timeout_seconds=1)
    (pid_file,) = (tmp_path / "work/sources").glob("*/child.pid")
    pid = int(pid_file.read_text())
    for _ in range(100):
        if not _runs(pid):
            break
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_local_commit(tmp_path: Path, repository: Repository) -> None:
    assert local_commit(GitSource(url=str(repository.folder))) == repository.first
    assert local_commit(GitSource(url=repository.folder.as_uri(), branch="main")) == repository.first
    assert local_commit(GitSource(url=str(repository.folder), branch="nowhere")) == ""
    assert local_commit(GitSource(url="https://127.0.0.1:9/x.git")) == ""
    assert local_commit(GitSource(url=str(tmp_path / "nothing"))) == ""
    second = repository.commit("second", {})
    assert local_commit(GitSource(url=str(repository.folder))) == second


def test_masked() -> None:
    assert source_git.masked("https://user:pass@host/x.git") == "https://host/x.git"
    assert source_git.masked("git@host:x.git") == "git@host:x.git"
