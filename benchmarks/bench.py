"""Benchmark the pipeline and compare the results with their limits: ``make bench``.

One run measures everything. Most results are ratios, so that they are comparable across machines: one *unit* is the
time of one process that reads every Python file of the same extensions and only calls ``ast.parse`` on it. Snakemake,
installed in its own environment, checks an equivalent task graph (``Snakefile``) with nothing to do. The script prints
a table. It writes ``docs/benchmarks/results.json`` and ``docs/benchmarks/cost.svg``, and puts the table between the
two markers in ``docs/benchmarks.md``.

    python benchmarks/bench.py                     everything; about ten minutes on two cores
    python benchmarks/bench.py --sizes 20 60       smaller sets, for a trial; the limits are those of 150 and 1500
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

if __package__:
    from benchmarks import generate
else:
    import generate  # type: ignore[import-not-found,no-redef]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DOCS = ROOT / "docs"
WORK = HERE / "_work"
_ASIDE = WORK / "aside"
BIN = Path(sys.executable).parent
SNAKEMAKE_VENV = HERE / ".venv-snakemake"
SNAKEMAKE = SNAKEMAKE_VENV / "bin" / "snakemake"
SNAKEMAKE_VERSION = "9.27.1"
PROCESSES = 2
_PARSE_ALL = """
import ast, os, sys
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                ast.parse(stream.read())
"""
_STAGE = re.compile(r"\] (\w+): (?:up to date|done in ([\d.]+) s \((\d+) run)")
_MARKERS = ("<!-- measured: begin -->", "<!-- measured: end -->")


@dataclass
class Run:
    """A finished process.

    Attributes:
        seconds: Wall-clock time.
        peak_mib: Peak resident memory of the largest process in its session; 0 if not measured.
        output: Its output.
    """

    seconds: float
    peak_mib: float
    output: str

    @property
    def ran(self) -> dict[str, int]:
        """Number of tasks that ran in each stage, from the pipeline's output."""
        return {match[1]: int(match[3] or 0) for match in _STAGE.finditer(self.output)}


@dataclass
class Row:
    """A row of the table.

    Attributes:
        what: The measurement.
        measured: The measured values, as text.
        value: The value to compare with the limit.
        bar: The largest allowed value; the smallest with ``at_least``.
        unit: Unit of ``value`` and ``bar``.
        at_least: True if larger is better.
    """

    what: str
    measured: str
    value: float
    bar: float
    unit: str = ""
    at_least: bool = False

    @property
    def within_limit(self) -> bool:
        """True if the value is within the limit."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar


@dataclass
class Cost:
    """The cost of one set of extensions, for the plot. Seconds and MiB; 0 if not measured."""

    extensions: int
    files: int
    megabytes: float
    unit: float
    cold_1_to_5: float = 0.0
    cold_all: float = 0.0
    nothing: float = 0.0
    edited: float = 0.0
    peak_mib: float = 0.0
    snakemake_nothing: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    # With this variable set, Python would compile the project's modules at every start. No user runs it this way.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def run(command: Sequence[str | Path], *, watch: bool = False) -> Run:
    """Run a command in the project's folder, in a new session.

    Args:
        command: Program and arguments.
        watch: True to measure the memory of all its processes.

    Raises:
        SystemExit: The command failed. The message contains its output.
    """
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with _memory_of_session(process.pid) if watch else contextlib.nullcontext(lambda: 0.0) as peak:
            code = process.wait()
            seconds = time.perf_counter() - begin
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code:
        sys.exit(f"{' '.join(map(str, command))} ended with {code}:\n{text[-3000:]}")
    return Run(seconds, peak(), text)


@contextlib.contextmanager
def _memory_of_session(session: int) -> Iterator[Callable[[], float]]:
    """Monitor the processes of a session. Yields a function that returns the largest peak of resident memory in MiB.

    The kernel records each process's peak. Only a process that lives shorter than the interval is missed; those of
    the pipeline live as long as the run.
    """
    peak, over = 0, threading.Event()

    def follow() -> None:
        nonlocal peak
        while not over.wait(1):  # a shorter interval would occupy a good part of a core
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        if os.getsid(int(entry)) == session:
                            status = Path("/proc", entry, "status").read_text()
                            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield lambda: round(peak / 1024, 1)
    finally:
        over.set()
        thread.join()


def median(times: int, measure: Callable[[], Run]) -> float:
    """Return the median wall-clock time of several runs."""
    return statistics.median(measure().seconds for _ in range(times))


# --- the pipeline on one set of extensions ---------------------------------------------------------------------------


class Extensions:
    """A generated set of extensions, and the pipeline's commands on it."""

    def __init__(self, count: int, mean_files: int = generate.MEAN_FILES) -> None:
        self.folder = WORK / f"{count}x{mean_files}"
        self.config = self.folder / "pipeline_config.toml"
        made = self.folder / "generated.json"
        if not made.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            done = generate.generate(self.folder, count, mean_files=mean_files)
            self.config.write_text(
                '[[input.sources]]\nkind = "path"\npath = "."\nexts_path = "exts"\napps_path = "apps"\n'
                '[input]\nkit_version = "107.3.3"\n'
                f'[output]\nwork_dir = "{WORK}/out-{self.folder.name}"\ntarget_dir = "{WORK}/data-{self.folder.name}"\n'
            )
            made.write_text(json.dumps(asdict(done)))
        self.facts: dict[str, int] = json.loads(made.read_text())
        self.work_dir = WORK / f"out-{self.folder.name}"

    def unit(self, times: int = 1) -> float:
        """Return the seconds that one process needs to ``ast.parse`` every file."""
        return median(times, lambda: run([sys.executable, "-c", _PARSE_ALL, self.folder / "exts"]))

    def start_afresh(self) -> None:
        """Move all outputs of the pipeline for this set aside.

        Removing them would slow down the next run: ext4 does not use the inode of a file again in the seconds after its
        removal, and every new file has to pass over these inodes.
        """
        for folder in (self.work_dir, WORK / f"data-{self.folder.name}"):
            if folder.exists():
                _ASIDE.mkdir(exist_ok=True)
                folder.rename(_ASIDE / str(len(os.listdir(_ASIDE))))

    def doit(self, *stages: str, processes: int = PROCESSES, watch: bool = False) -> Run:
        """Run stages, by default all."""
        command: list[str | Path] = [BIN / "doit", "-n", str(processes), f"config={self.config}", *stages]
        return run(command, watch=watch)

    def a_file(self) -> Path:
        """Return a module of median size from the middle of the set."""
        owner = self.folder / "exts" / generate.extension_id(self.facts["extensions"] // 2)
        modules = sorted(owner.rglob("*.py"), key=lambda path: (path.stat().st_size, path))
        return modules[len(modules) // 2]


def cold_1_to_5(extensions: Extensions) -> float:
    """Return the seconds of a cold run of stages 1 to 5."""
    extensions.start_afresh()
    return extensions.doit("settings").seconds


def cold_all(extensions: Extensions) -> float:
    """Return the seconds of a cold run of all stages."""
    extensions.start_afresh()
    return extensions.doit().seconds


def cold_3_to_5(extensions: Extensions, processes: int) -> float:
    """Return the seconds of a cold run of stages 3 to 5 with the given number of processes."""
    extensions.start_afresh()
    extensions.doit("preparation")
    return extensions.doit("extension_data", "code_examples", "settings", processes=processes).seconds


def after_an_edit(extensions: Extensions) -> tuple[float, dict[str, int]]:
    """Add a function to one file and run. Return the seconds, and the number of tasks that ran in each stage."""
    file = extensions.a_file()
    before, status = file.read_bytes(), file.stat()
    try:
        file.write_bytes(
            before + b'\n\ndef added_for_measuring(value: int) -> int:\n    """Return it."""\n    return value\n'
        )
        done = extensions.doit()
    finally:
        file.write_bytes(before)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    extensions.doit()  # restore the outputs for the next measurement
    return done.seconds, {stage: ran for stage, ran in done.ran.items() if ran}


def cost(extensions: Extensions, times: int) -> Cost:
    """Run the measurements that apply to every size.

    Args:
        extensions: The set.
        times: Repetitions of short measurements. The median counts.
    """
    facts = extensions.facts
    found = Cost(facts["extensions"], facts["python_files"], facts["python_bytes"] / 1e6, extensions.unit(times))
    found.cold_1_to_5 = statistics.median(cold_1_to_5(extensions) for _ in range(times))
    found.cold_all = statistics.median(cold_all(extensions) for _ in range(times))
    extensions.start_afresh()
    whole = extensions.doit(watch=True)
    found.peak_mib = whole.peak_mib
    found.stages = {match[1]: float(match[2] or 0) for match in _STAGE.finditer(whole.output)}
    found.nothing = median(3, extensions.doit)
    found.snakemake_nothing = snakemake_nothing(extensions)
    return found


# --- Snakemake -------------------------------------------------------------------------------------------------------


def install_snakemake() -> bool:
    """Install Snakemake in its own environment. Return True if it is available."""
    if not SNAKEMAKE.exists():
        subprocess.run([sys.executable, "-m", "venv", SNAKEMAKE_VENV], check=True)
        pip: list[str | Path] = [
            SNAKEMAKE_VENV / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            f"snakemake=={SNAKEMAKE_VERSION}",
        ]
        if subprocess.run(pip, check=False).returncode:
            print("Snakemake cannot be installed: the rows that compare with it are left out.", file=sys.stderr)
            shutil.rmtree(SNAKEMAKE_VENV)
    return SNAKEMAKE.exists()


def snakemake_nothing(extensions: Extensions) -> float:
    """Return the seconds that Snakemake takes on the same graph with all outputs present; 0 without Snakemake.

    The outputs are created without Snakemake: a cold run of its thousands of jobs, or ``--touch``, would take longer
    than all other measurements. Snakemake therefore has no records of earlier jobs and compares only times, which is
    in its favour.
    """
    if not SNAKEMAKE.exists():
        return 0.0
    folder = WORK / f"snakemake-{extensions.folder.name}"
    shutil.rmtree(folder, ignore_errors=True)
    out = folder / "out"
    files = {
        owner.name: sorted(str(path) for path in owner.rglob("*") if path.is_file())
        for owner in sorted((extensions.folder / "exts").iterdir())
    }
    single = ["sources.json", "extensions.json", "database.json", "code_examples.json", "settings.json", "VERSION.md"]
    each = ("entries", "examples", "setting_uses", "selected", "found")
    kinds = ("extensions", "code_examples", "settings")
    outputs = [f"{kind}/{owner}.json" for kind in each for owner in files]
    later = [f"embeddings/{kind}.npy" for kind in kinds] + [f"faiss/{kind}/index.faiss" for kind in kinds]
    made = [*single[:2], *outputs, *single[2:-1], *later, single[-1]]
    begin = time.time() - len(made) / 100  # newer than every input; an earlier measurement edited one
    for place, output in enumerate(made):
        (out / output).parent.mkdir(parents=True, exist_ok=True)
        (out / output).touch()
        os.utime(out / output, (begin + place / 100, begin + place / 100))  # later outputs are newer
    graph = folder / "graph.json"
    graph.write_text(json.dumps({"files": files, "out": str(out)}))
    command: list[str | Path] = [SNAKEMAKE, "-s", HERE / "Snakefile", "-d", folder, "-c", str(PROCESSES)]
    command += ["--config", f"graph={graph}"]
    done = run(command)
    if "Nothing to be done" not in done.output:
        sys.exit(f"Snakemake had something to do:\n{done.output[-2000:]}")
    return done.seconds


# --- the dependency database -----------------------------------------------------------------------------------------


def database_milliseconds(tasks: int = 5000, files: int = 16) -> float:
    """Return the milliseconds to save one task's success with the given number of dependencies."""
    from doit.dependency import JSONCodec

    from checkpoint.database import WriteThroughDatabase

    # In the work folder: the system's temporary folder may be in memory, where syncing costs nothing.
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        database = WriteThroughDatabase(f"{folder}/.doit.db", JSONCodec())
        database.open_for_writing()
        begin = time.perf_counter()
        for task in range(tasks):
            name = f"extension_data:{generate.extension_id(task)}"
            database.set(name, "_values_:", {"seconds": 0.1, "options": {"version": "1"}})
            database.set(name, "result:", None)
            database.set(name, "checker:", "FileStateChecker")
            paths = [f"_pipeline_output/sources/{name}/package/module_{file}.py" for file in range(files)]
            for path in paths:
                database.set(name, path, [1700000000.0, 12345, "d41d8cd98f00b204e9800998ecf8427e"])
            database.set(name, "deps:", paths)
        database.dump()
        return (time.perf_counter() - begin) / tasks * 1000


# --- the table -------------------------------------------------------------------------------------------------------


def rows(costs: Sequence[Cost], six: Extensions, small: Extensions, large: Extensions) -> Iterator[Row]:
    """Run the remaining measurements, and yield the rows of the table."""
    by_size = {each.extensions: each for each in costs}
    few, many = by_size[small.facts["extensions"]], by_size[large.facts["extensions"]]
    size = f"{few.extensions} extensions, {few.files} files, {few.megabytes:.0f} MB"
    yield Row(
        f"cold, stages 1 to 5, {PROCESSES} processes ({size})",
        f"{few.cold_1_to_5:.1f} s / unit {few.unit:.1f} s",
        few.cold_1_to_5 / few.unit,
        1.6,
        "units",
    )
    yield Row(
        "cold, all stages with the embedded model",
        f"{few.cold_all:.1f} s / unit {few.unit:.1f} s",
        few.cold_all / few.unit,
        2.1,
        "units",
    )

    six.start_afresh()
    six.doit()
    bare = median(7, lambda: run([sys.executable, "-c", "import doit.doit_cmd"]))
    nothing = median(7, six.doit)
    yield Row(
        f"nothing to do, 6 extensions ({six.facts['python_files']} files)",
        f"{nothing:.2f} s; `import doit.doit_cmd` {bare:.2f} s",
        nothing,
        1.5 * bare + 0.3,
        "s",
    )

    size = f"{many.extensions} extensions, {many.files} files"
    yield Row(f"nothing to do, {size}", f"{many.nothing:.2f} s", many.nothing, 4, "s")
    if many.snakemake_nothing:
        yield Row(
            "the same, over Snakemake on the same graph",
            f"{many.nothing:.2f} s / {many.snakemake_nothing:.1f} s",
            many.nothing / many.snakemake_nothing,
            0.25,
            "×",
        )
    many.edited, ran = after_an_edit(large)
    yield Row(
        f"one file edited, {size}",
        f"{many.edited:.2f} s; nothing to do {many.nothing:.2f} s",
        many.edited - many.nothing,
        1,
        "s more",
    )
    most = max((ran.get(stage, 0) for stage in ("extension_data", "code_examples", "settings")), default=0)
    yield Row(
        "most tasks that then run in one of stages 3 to 5: one extension and the merge",
        ", ".join(f"{stage} {count}" for stage, count in ran.items()),
        most,
        2,
        "tasks",
    )
    few.edited = statistics.median(after_an_edit(small)[0] for _ in range(3))
    yield Row(
        f"one file edited, {few.extensions} extensions, the whole command",
        f"{few.edited:.2f} s; `import doit.doit_cmd` {bare:.2f} s",
        few.edited,
        0.9,
        "s",
    )
    yield Row(
        f"growth from {few.extensions} to {many.extensions} extensions, cold, time per extension",
        f"{many.cold_all / many.extensions * 1000:.0f} ms / {few.cold_all / few.extensions * 1000:.0f} ms",
        (many.cold_all / many.extensions) / (few.cold_all / few.extensions),
        1.1,
        "×",
    )
    yield Row(
        f"peak memory of any one process, {many.extensions} extensions",
        f"{many.peak_mib:.0f} MiB; {few.extensions} extensions {few.peak_mib:.0f} MiB",
        many.peak_mib,
        250,
        "MiB",
    )
    one, two = cold_3_to_5(small, 1), cold_3_to_5(small, 2)
    yield Row("scaling from 1 to 2 processes, stages 3 to 5", f"{one:.1f} s / {two:.1f} s", one / two, 1.7, "×", True)
    per_task = database_milliseconds()
    yield Row("saving one task's success, 5,000 subtasks of 16 files", f"{per_task:.2f} ms", per_task, 1, "ms a task")


def table(lines: Sequence[Row], before: dict[str, float]) -> str:
    """Return the rows as a Markdown table.

    Args:
        lines: The rows.
        before: The values of the last published run, by measurement.
    """
    text = ["| measurement | measured | before | now | limit | met |", "|---|---|---|---|---|---|"]
    for row in lines:
        sign = "≥" if row.at_least else "≤"
        verdict = "yes" if row.within_limit else "**no**"
        old = f"{before[row.what]:.2f}" if row.what in before else "–"
        text.append(
            f"| {row.what} | {row.measured} | {old} | {row.value:.2f} {row.unit} | {sign} {row.bar:.4g} | {verdict} |"
        )
    return "\n".join(text)


def published() -> dict[str, float]:
    """Return the values of the last published run, by measurement; empty if there is none."""
    results = DOCS / "benchmarks" / "results.json"
    if not results.exists():
        return {}
    return {row["what"]: row["value"] for row in json.loads(results.read_text())["rows"]}


def machine() -> dict[str, Any]:
    """Return a description of the machine and the software versions."""
    from importlib.metadata import version

    with contextlib.suppress(OSError):
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "doit": version("doit"),
        "snakemake": SNAKEMAKE_VERSION,
    }


def draw(costs: Sequence[Cost], path: Path) -> None:
    """Draw cost against size."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "cost"  # makes the file reproducible
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    sizes = [each.extensions for each in costs]
    lines = (
        ("Snakemake, nothing to do", "snakemake_nothing", "tab:red", "--"),
        ("all stages, cold", "cold_all", "tab:blue", "-"),
        ("stages 1 to 5, cold", "cold_1_to_5", "tab:cyan", "-"),
        ("one process, ast.parse alone (1 unit)", "unit", "gray", ":"),
        ("nothing to do", "nothing", "tab:green", "-"),
    )
    for label, name, color, style in lines:
        values = [getattr(each, name) for each in costs]
        if any(values):
            axes.plot(sizes, values, style, marker="o", color=color, label=label)
    axes.set(xscale="log", yscale="log", xlabel="extensions of 16 Python files on average", ylabel="seconds")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def publish(found: dict[str, Any], costs: Sequence[Cost], text: str) -> None:
    """Write the results, the plot, and the table of the documentation page."""
    folder = DOCS / "benchmarks"
    draw(costs, folder / "cost.svg")
    (folder / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    page = DOCS / "benchmarks.md"
    if page.exists():
        begin, end = _MARKERS
        head, _, rest = page.read_text().partition(begin)
        tail = rest.partition(end)[2]
        on = found["machine"]
        described = (
            f"Measured on {on['cores']} cores of {on['processor']} with {on['memory_gib']} GiB of memory; "
            f"{on['system']}, Python {on['python']}, doit {on['doit']}, Snakemake {on['snakemake']}."
        )
        page.write_text(f"{head}{begin}\n{described}\n\n{text}\n{end}{tail}")


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Benchmark the pipeline and compare the results with their limits.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[150, 500, 1500], help="numbers of extensions")
    parser.add_argument("--times", type=int, default=3, help="repetitions of short measurements (default 3)")
    parser.add_argument("--no-docs", action="store_true", help="only print the table, write nothing to docs/")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(exist_ok=True)
    shutil.rmtree(_ASIDE, ignore_errors=True)
    install_snakemake()

    sizes = sorted(chosen.sizes)
    sets = [Extensions(size) for size in sizes]
    costs = []
    for each in sets:
        costs.append(cost(each, chosen.times if each.facts["extensions"] <= 150 else 1))
        print(f"{costs[-1]}", file=sys.stderr, flush=True)
    small = next((each for each in sets if each.facts["extensions"] == 150), sets[0])
    lines = list(rows(costs, Extensions(6, 160), small, sets[-1]))
    text = table(lines, published())
    print(text)
    shutil.rmtree(_ASIDE, ignore_errors=True)
    found = {
        "machine": machine(),
        "rows": [asdict(row) | {"holds": row.within_limit} for row in lines],
        "costs": [asdict(each) for each in costs],
    }
    if not chosen.no_docs:
        publish(found, costs, text)


if __name__ == "__main__":
    main()
