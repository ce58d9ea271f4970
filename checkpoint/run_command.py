"""The pipeline's ``doit run``: doit's command with the pipeline's options, the lock and the checkpoint.

It handles the lock of the work directory, ``--force``, ``--start``, ``--resume``, signals, the checkpoint and the
exit code. None of these depend on the user's choice of reporter, number of workers or database file.
"""

from __future__ import annotations

import contextlib
import gc
import getopt
import sys
from pathlib import Path
from typing import Any, TextIO

from doit.cmd_run import Run
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand

from checkpoint.interrupts import Interrupts
from checkpoint.invocation import Invocation, exclusive
from checkpoint.pipeline_run import PipelineRun
from checkpoint.reporter import AccountReporter
from config.request import FLAGS
from tasks import doit_internals, lock
from tasks.command_option import option
from tasks.interspersed import options_first
from tasks.stage_names import EXIT_NOT_STARTED, STAGES


def _option(name: str, text: str, kind: type = str, short: str = "", **more: Any) -> dict[str, Any]:
    return option(name, text, kind, short, section="pipeline", **more)


_STAGE_CHOICES = tuple((stage, "") for stage in STAGES)
OPTIONS = (
    _option("resume", "continue after the last complete stage of the run that failed", bool),
    _option("force", "clean and forget the selected tasks, then run them", bool),
    _option("start", "first stage to run; earlier outputs are not checked", choices=(("", ""), *_STAGE_CHOICES)),
    _option("end", "last stage to run", choices=(("", ""), *_STAGE_CHOICES)),
    _option("config", "the configuration file"),
    _option("kit_cache", "a Kit cache or folder of extensions, instead of the configured sources"),
    _option("max_extensions", "only the first N extensions by id (-1: all)"),
    _option("quick", "no embeddings and no FAISS", bool),
    _option("update", "fetch newer commits of git sources", bool),
    _option("no_cache", "ignore the embedding cache and embed every text again", bool),
    _option("yes", "spend more than embeddings.max_cost on a service", bool),
    _option("json", "print a JSON summary on standard output, and everything else on standard error", bool),
    _option("junit", "write the stages as test cases of a JUnit XML file"),
    _option(
        "annotations",
        "show warnings and failures at their lines on GitHub (default: if GITHUB_ACTIONS=true)",
        bool,
        default=None,
        inverse="no-annotations",
    ),
    _option("report", "write an HTML page after the run; - for report.html in the work directory"),
    _option("strict", "exit with code 1 if a file was left out because of an internal error", bool),
    _option("quiet", "print only warnings and errors; the log file has the rest", bool, "q"),
    _option("verbose", "print each task that runs", bool),
)


class RunCommand(Run):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``run``."""

    name = "run"
    doc_purpose = "run the pipeline, or the tasks and targets that are named"
    cmd_options = (*Run.cmd_options, *OPTIONS)

    def parse_execute(self, in_args: list[str]) -> int:
        """Parse and execute. Unlike in doit's own commands, options may follow the names of tasks."""
        with contextlib.suppress(getopt.GetoptError):  # doit reports the error, or it is an option of a task
            in_args = options_first(self.cmdparser, in_args)
        try:
            return int(super().parse_execute(in_args))
        except CmdParseError as error:  # doit adds every option there is, on one line
            reason = str(error).partition(" (parsing options")[0].removeprefix("Error parsing Command: ")
            raise InvalidCommand(f"{reason}; doit help run shows the options.") from None

    def execute(self, params: Any, args: list[str]) -> int:
        """Load ``dodo.py`` while holding the lock of the work directory, and run."""
        for name in doit_internals.options_given(params) & (FLAGS.keys() | {"max_extensions"}):
            value = params[name]
            doit_internals.set_command_line_variable(name, str(int(value)) if isinstance(value, bool) else value)
        doit_internals.start_in_order()
        self._interrupts = Interrupts()
        self._work_dir: Path | None = None
        with self._interrupts:
            try:
                with exclusive():
                    return int(super().execute(params, args))
            finally:
                # The process is about to end. Python would look through the tasks and their records three more times.
                gc.freeze()
                if self._work_dir is not None:
                    lock.release(self._work_dir)

    def _execute(  # noqa: PLR0917 - doit passes these by name
        self,
        outfile: Any,
        verbosity: int | None = None,
        always: bool = False,
        continue_: bool = False,
        reporter: Any = "console",
        num_process: int = 0,
        par_type: str = "process",
        single: bool = False,
        auto_delayed_regex: bool = False,
        force_verbosity: bool = False,
        failure_verbosity: int = 0,
        pdb: bool = False,
        backend: str = "",
    ) -> int:
        options = {
            "verbosity": verbosity,
            "always": always,
            "continue_": continue_,
            "num_process": num_process,
            "par_type": par_type,
            "single": single,
            "auto_delayed_regex": auto_delayed_regex,
            "force_verbosity": force_verbosity,
            "failure_verbosity": failure_verbosity,
            "pdb": pdb,
        }
        invocation = getattr(self.loader, "namespace", {}).get("invocation")
        if not isinstance(invocation, Invocation):  # not this project's dodo.py
            return int(super()._execute(outfile, reporter=reporter, **options))
        self._work_dir = invocation.config.work_dir
        if backend != "kit":
            sys.stderr.write(
                f"ERROR: --backend {backend}: the checkpoint needs the backend kit, which records each success at "
                "once. Leave the option out.\n"
            )
            return EXIT_NOT_STARTED
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(open(outfile, "w", encoding="utf-8")) if isinstance(outfile, str) else outfile
            chosen = None if reporter is AccountReporter else self._chosen(reporter, stream, failure_verbosity)
            return PipelineRun(self, invocation, stream, self._interrupts).run(chosen, options)

    def _chosen(self, reporter: Any, stream: TextIO, failure_verbosity: int) -> Any:
        """Return the reporter that the user chose."""
        cls = self.reporters[reporter] if isinstance(reporter, str) else reporter
        return cls(stream, {"failure_verbosity": failure_verbosity}) if isinstance(cls, type) else cls

    def run_tasks(self, stream: TextIO, reporter: AccountReporter, options: dict[str, Any]) -> int:
        """Let doit run the selected tasks."""
        return int(super()._execute(stream, reporter=reporter, **options))
