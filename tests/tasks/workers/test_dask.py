"""Stages on a Dask cluster: a real scheduler and workers, which are killed, misconfigured and disconnected."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import settings
from stages.artifacts.preparation import Owner
from stages.failures import StageError
from stages.storage import jsonfile
from tasks.lock import HOLDER_NAME
from tasks.stage_names import STAGES
from tasks.workers.dask import environment, perform
from tasks.workers.failure import Failure
from tests import records
from tests.checkpoint.test_interruption import recorded, wait_for
from tests.embedding_server import EmbeddingServer
from tests.project import ROOT, Project, digest_of, make_project

distributed: Any = pytest.importorskip(
    "distributed", reason="Dask is not installed: pip install 'kit-extension-pipeline[dask]'"
)

MAIN = "data_collection_pipeline.py"
KEY = "canary-7746"
PACKAGES = Path(distributed.__file__).parent.parent


class Cluster:
    """A scheduler and workers in separate processes. Their output is in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True)

    def _start(self, name: str, module: str, *arguments: str, code: Path = ROOT, project: bool = True) -> None:
        environ = {**os.environ, "PYTHONPATH": str(code if project else PACKAGES)}
        # Without "site", an editable installation of the project is not found.
        command = [sys.executable, *([] if project else ["-S"]), "-m", f"distributed.cli.{module}", *arguments]
        with (self.folder / f"{name}.log").open("wb") as output:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=code if project else self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_scheduler(self, *, project: bool = True) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self._start(
            "scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", project=project
        )

    def start_worker(self, name: str, *, code: Path = ROOT, project: bool = True, threads: int = 1) -> None:
        options = ["--no-nanny", "--no-dashboard", "--nthreads", str(threads), "--name", name]
        scratch = ["--local-directory", str(self.folder / f"scratch-{name}")]
        self._start(name, "dask_worker", self.address, *options, *scratch, code=code, project=project)

    def ask(self, question: Callable[[Any], Any]) -> Any:
        with distributed.Client(self.address, timeout=120, set_as_default=False) as client:
            return question(client)

    def wait_for_workers(self, count: int) -> None:
        self.ask(lambda client: client.wait_for_workers(count, timeout=120))

    def used_workers(self) -> int:
        """Return the number of workers that ran a task of a run."""
        # Evaluated by the workers, which cannot import the tests.
        seen = "len(__import__('tasks.workers.dask', fromlist=['']).__dict__['_seen_work_dirs'])"
        answers = self.ask(lambda client: client.run(eval, seen))
        return sum(bool(number) for number in answers.values())

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without running processes."""
    cluster = Cluster(tmp_path.resolve() / "cluster")
    try:
        yield cluster
    finally:
        for name in [*cluster.processes]:
            cluster.kill(name)


@pytest.fixture
def cluster(bare: Cluster) -> Cluster:
    """A scheduler and two workers."""
    bare.start_scheduler()
    bare.start_worker("first")
    bare.start_worker("second")
    bare.wait_for_workers(2)
    return bare


def outputs(project: Project) -> dict[str, str]:
    """Digests of all outputs of a run: the data set and the intermediate files of every stage."""
    made = {f"data/{name}": digest for name, digest in project.data_digest().items()}
    for name, digest in digest_of(project.work).items():
        if not Path(name).name.startswith(".") and Path(name).suffix not in (".log", ".sqlite3"):
            made[f"work/{name}"] = digest
    return made


def made_locally(tmp_path: Path, count: int) -> tuple[Project, dict[str, str]]:
    """A project and the digests of a run without Dask, whose outputs are removed."""
    project = make_project(tmp_path.resolve() / "project", count=count)
    run = project.run(MAIN)
    assert run.code == 0, run.output
    made = outputs(project)
    assert len(made) > 10 * count
    shutil.rmtree(project.work)
    shutil.rmtree(project.data)
    return project, made


def use(project: Project, scheduler: str, **more: Any) -> None:
    project.configure(processing__scheduler=scheduler, processing__parallel_workers=None, **more)


def test_two_workers_give_the_result_of_one_machine(tmp_path: Path, cluster: Cluster) -> None:
    project, expected = made_locally(tmp_path, 6)
    use(project, cluster.address)
    run = project.run(MAIN)
    assert run.code == 0, run.output
    assert outputs(project) == expected
    assert cluster.used_workers() == 2
    log = (project.work / "pipeline.log").read_text()
    assert "2 workers, 2 threads" in log
    assert "stages.settings: 12 settings of 6 extensions" in log  # logged by a worker
    assert log.count(" stages.extension_data: ") == 1
    again = project.run(MAIN)
    assert "nothing to do" in again.output


def test_the_task_of_a_killed_worker_is_repeated(tmp_path: Path, cluster: Cluster) -> None:
    project, expected = made_locally(tmp_path, 30)
    use(project, cluster.address)
    process = project.start("doit")
    wait_for(project, process, 4, "extension_data:")
    cluster.kill("second")
    run = project.finish(process, 60)
    assert run.code == 0, run.output
    assert outputs(project) == expected
    assert project.checkpoint() is None


def test_all_workers_are_killed_and_one_joins(tmp_path: Path, cluster: Cluster) -> None:
    project, expected = made_locally(tmp_path, 30)
    use(project, cluster.address)
    process = project.start("doit")
    wait_for(project, process, 4, "extension_data:")
    cluster.kill("first")
    cluster.kill("second")
    cluster.start_worker("third", threads=4)
    run = project.finish(process, 60)
    assert run.code == 0, run.output
    assert outputs(project) == expected


def test_an_interrupted_run_leaves_no_task_behind(tmp_path: Path, cluster: Cluster) -> None:
    project = make_project(tmp_path.resolve() / "project", count=30)
    use(project, cluster.address)
    process = project.start(MAIN)
    wait_for(project, process, 3, "extension_data:")
    os.kill(process.pid, signal.SIGINT)
    run = project.finish(process, 60)
    assert run.code == 130, run.output
    assert "Pipeline interrupted at stage: extension_data" in run.output
    assert "Traceback" not in run.output

    def wait_until_idle(client: Any) -> None:
        end = time.monotonic() + 30
        while any(client.processing().values()):
            assert time.monotonic() < end
            time.sleep(0.05)

    cluster.ask(wait_until_idle)
    done = {name for name in recorded(project) if name.startswith("extension_data:")}
    assert len(done) < 30
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0, resumed.output


def test_a_run_with_a_killed_scheduler_can_be_resumed(tmp_path: Path, cluster: Cluster) -> None:
    project, expected = made_locally(tmp_path, 30)
    use(project, cluster.address)
    process = project.start(MAIN)
    wait_for(project, process, 3, "extension_data:")
    cluster.kill("scheduler")
    run = project.finish(process, 60)
    assert run.code == 1, run.output
    assert run.output.count(f"The connection to the Dask scheduler at {cluster.address} was lost") == 1
    assert "Traceback" not in run.output
    use(project, "local")
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0, resumed.output
    assert outputs(project) == expected


def test_a_missing_scheduler_gives_one_error_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        use(project, f"tcp://127.0.0.1:{probe.getsockname()[1]}")
    run = project.run(MAIN)
    assert run.code == 1, run.output
    assert run.output.count("no Dask scheduler answers at tcp://127.0.0.1:") == 1
    assert "Traceback" not in run.output
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"] == list(STAGES[:2])
    use(project, "local")
    assert project.run(MAIN, "--resume").code == 0


def test_a_worker_without_the_project_is_an_error_but_a_scheduler_does_not_need_it(
    tmp_path: Path, bare: Cluster
) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    bare.start_scheduler(project=False)
    bare.start_worker("first", project=False)
    bare.wait_for_workers(1)
    use(project, bare.address)
    run = project.run(MAIN)
    assert run.code == 1, run.output
    assert "cannot load the project (ModuleNotFoundError: No module named 'tasks')" in run.output
    assert "Traceback" not in run.output
    assert bare.processes["first"].poll() is None
    bare.kill("first")
    bare.start_worker("second")
    bare.wait_for_workers(1)
    run = project.run(MAIN, "--resume")
    assert run.code == 0, run.output


def test_a_worker_with_other_code_is_an_error(tmp_path: Path, bare: Cluster) -> None:
    code = tmp_path.resolve() / "code"
    for package in ("checkpoint", "config", "console", "stages", "tasks"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (code / "stages" / "settings.py").open("a") as module:
        module.write("# another version\n")
    bare.start_scheduler()
    bare.start_worker("first", code=code)
    bare.wait_for_workers(1)
    project = make_project(tmp_path.resolve() / "project", count=1)
    use(project, bare.address)
    run = project.run(MAIN)
    assert run.code == 1, run.output
    assert "has another code of the project than this run" in run.output
    assert "Traceback" not in run.output


def test_the_key_of_a_service_never_reaches_the_cluster(tmp_path: Path, cluster: Cluster) -> None:
    project = make_project(tmp_path.resolve() / "project", count=3)
    with EmbeddingServer() as server:
        service = {"backend": "openai", "endpoint_url": server.url, "api_key": "${TEST_KEY}", "max_tries": 1}
        use(project, cluster.address, **{f"embeddings__{key}": value for key, value in service.items()})
        server.fail("401")
        assert project.run(MAIN, TEST_KEY=KEY).code == 1
        server.heal()
        run = project.run(MAIN, "--resume", TEST_KEY=KEY)
    assert run.code == 0, run.output
    assert cluster.used_workers() == 2
    for path in tmp_path.rglob("*"):  # the logs of the cluster among them
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_cluster_on_this_machine(tmp_path: Path) -> None:
    project, expected = made_locally(tmp_path, 4)
    project.configure(processing__scheduler="dask")
    process = project.start(MAIN)
    assert process.wait(timeout=120) == 0, project.output()
    assert outputs(project) == expected
    assert "Dask cluster at dask: 2 workers" in (project.work / "pipeline.log").read_text()
    assert "distributed" not in project.output()
    end = time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


# --- checks of a worker ----------------------------------------------------------------------------------------------


@pytest.fixture
def expected(tmp_path: Path) -> Iterator[dict[str, Any]]:
    (tmp_path / HOLDER_NAME).write_text("this run")
    log = logging.getLogger("stages")
    before = log.handlers[:], log.propagate, log.level
    yield {"environment": environment(), "work_dir": str(tmp_path), "holder": b"this run"}
    log.handlers, log.propagate = before[:2]
    log.setLevel(before[2])


def error_of(outcome: dict[str, Any]) -> Exception:
    failure: Failure = outcome["failure"]
    return failure.rebuilt()


def test_a_worker_that_sees_another_work_dir_does_nothing(tmp_path: Path, expected: dict[str, Any]) -> None:
    call = pickle.dumps((jsonfile.write_json, (tmp_path / "made.json", 1), {}))
    (tmp_path / HOLDER_NAME).write_text("some other run")
    error = error_of(perform(call, expected, logging.INFO))
    assert isinstance(error, StageError)
    assert f"does not see this run's output.work_dir at {tmp_path}" in str(error)
    (tmp_path / HOLDER_NAME).unlink()
    assert "does not see" in str(error_of(perform(call, expected, logging.INFO)))
    assert not (tmp_path / "made.json").exists()
    (tmp_path / HOLDER_NAME).write_text("this run")
    assert perform(call, expected, logging.INFO)["failure"] is None
    assert (tmp_path / "made.json").read_text() == "1\n"


@pytest.mark.parametrize(
    "owner",
    [
        records.extension("a.b", files={"python": ["gone.py"]}),
        records.extension("a.b", folder="sources/gone"),
        records.app("an.app", path="sources/gone.kit"),
    ],
)
def test_a_worker_that_does_not_see_a_source_does_nothing(
    tmp_path: Path, expected: dict[str, Any], owner: Owner
) -> None:
    (tmp_path / "sources" / "a.b").mkdir(parents=True)
    call = pickle.dumps((settings.scan, (owner,), {"work_dir": tmp_path}))
    error = error_of(perform(call, expected, logging.INFO))
    assert isinstance(error, StageError)
    assert "gone" in str(error)
    assert "mount them there" in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == [HOLDER_NAME, "sources"]


def test_the_error_for_a_worker_with_another_package_names_it(tmp_path: Path, expected: dict[str, Any]) -> None:
    expected["environment"] = {**environment(), "orjson": "0.1"}
    error = error_of(perform(pickle.dumps((print, (), {})), expected, logging.INFO))
    assert "has another orjson than this run" in str(error)
    assert "not 0.1" in str(error)


def test_errors_and_log_records_of_a_subtask_are_returned(tmp_path: Path, expected: dict[str, Any]) -> None:
    outcome = perform(pickle.dumps((settings.merge, (), {"work_dir": tmp_path})), expected, logging.INFO)
    error = error_of(outcome)
    assert isinstance(error, StageError)
    assert f"{tmp_path}/extensions.json: cannot be read" in str(error)
    assert outcome["records"] == []
    call = pickle.dumps((logging.getLogger("stages.some").log, (logging.INFO, "%s done", 3), {}))
    logged = perform(call, expected, logging.INFO)["records"]
    assert [(record.name, record.getMessage()) for record in logged] == [("stages.some", "3 done")]
    assert perform(call, expected, logging.WARNING)["records"] == []
