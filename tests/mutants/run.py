"""Mutation tests: each mutation is applied to a copy of the project, and its tests must fail there.

    python tests/mutants/run.py [WORD]

WORD: only run the mutations with WORD in their title. Exit code 1 if a mutation survives, or can no longer be applied.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Mutation:
    """One way to break the program.

    Attributes:
        title: The broken behaviour.
        file: The file to change.
        old: Text that occurs in it once.
        new: The replacement.
        tests: Arguments of pytest. At least one of the tests must fail.
    """

    title: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


_DURABILITY = "tests/stages/storage/test_durability.py"
MUTATIONS = (
    Mutation(
        "no sync of a plain file",
        "stages/storage/jsonfile.py",
        "            sync(stream.fileno())\n",
        "",
        (_DURABILITY,),
    ),
    Mutation(
        "no sync of a streamed file",
        "stages/storage/streamed_file.py",
        "            sync(stream.fileno())\n",
        "            pass\n",
        (_DURABILITY,),
    ),
    Mutation(
        "no sync of a worker's targets",
        "tasks/stage_task.py",
        "                    sync_files(self.task.targets)\n",
        "                    pass\n",
        ("tests/tasks/test_stage_task.py",),
    ),
    Mutation(
        "no sync of a published file",
        "stages/publishing/manifest.py",
        "        os.fsync(writer.fileno())\n",
        "",
        (_DURABILITY,),
    ),
    Mutation(
        "a plain file is written in place",
        "stages/storage/jsonfile.py",
        "        os.replace(temporary, path)\n",
        "        shutil.copyfile(temporary, path)\n        os.unlink(temporary)\n",
        (_DURABILITY,),
    ),
    Mutation(
        "the database does not sync",
        "checkpoint/database.py",
        "'FULL' if needed else 'NORMAL'",
        "'NORMAL'",
        ("tests/checkpoint/test_database.py", "-k", "synced"),
    ),
    Mutation(
        "the checkpoint is cleared before the report is written",
        "checkpoint/pipeline_run.py",
        "    def _complete(self, *, ran: bool) -> None:\n",
        "    def _complete(self, *, ran: bool) -> None:\n        checkpoint_file.clear(self.config.work_dir)\n",
        ("tests/stages/publishing/test_order.py",),
    ),
    Mutation(
        "the real size of a zip archive's content is not counted",
        "stages/sources/zip_archive.py",
        "                if written > max_bytes:\n",
        "                if False:\n",
        ("tests/stages/sources/test_zip_archive.py",),
    ),
    Mutation(
        "clean does not take the lock",
        "checkpoint/record_commands.py",
        "            with exclusive():\n",
        "            if True:\n",
        ("tests/tasks/test_lock.py",),
    ),
    Mutation(
        "the report does not escape",
        "console/report/page.py",
        "autoescape=True",
        "autoescape=False",
        ("tests/console/report/test_page.py", "-k", "markup"),
    ),
    Mutation(
        "the data set is replaced by removing the old one first",
        "stages/publishing/data_set.py",
        "        if swap(self.building, self.folder, self.aside):\n",
        "        if self.folder.exists():\n            os.rename(self.folder, self.aside)\n"
        "        if swap(self.building, self.folder, self.aside):\n",
        ("tests/faults/test_publishing.py", "-k", "killed and exchange"),
    ),
    Mutation(
        "the user's files are not copied into the next data set",
        "stages/publishing/data_set.py",
        "        for name in [*sorted(same), *foreign]:\n",
        "        for name in sorted(same):\n",
        ("tests/stages/test_final_assembly.py",),
    ),
    Mutation(
        "a link in the work directory is written through",
        "stages/storage/ownership.py",
        "    if not any(kind(mode) for kind in kinds):\n",
        "    if False:\n",
        ("tests/security/test_work_dir.py", "-k", "planted"),
    ),
    Mutation(
        "clean removes all files in sources",
        "stages/storage/ownership.py",
        '        elif _FETCHED.fullmatch(entry.name) or (path / "MANIFEST.json").is_file():\n',
        "        elif True:\n",
        ("tests/security/test_work_dir.py", "-k", "later"),
    ),
    Mutation(
        "the digest of a file is not verified",
        "stages/publishing/verify.py",
        "        if sha256_of(path) != entry.sha256:\n",
        "        if False:\n",
        ("tests/stages/publishing/test_verify.py", "-k", "gone_or_changed"),
    ),
    Mutation(
        "a parameter that becomes required is not a breaking change",
        "comparison/breakage.py",
        "        if _is_required(after) and not _is_required(before):\n",
        "        if False:\n",
        ("tests/comparison/test_breakage.py",),
    ),
    Mutation(
        "an alias that can still be imported counts as removed",
        "comparison/api.py",
        "if still_there or before.full_name == after.full_name else",
        "if before.full_name == after.full_name else",
        ("tests/comparison/test_compare.py",),
    ),
    Mutation(
        "a method that moved to a base class counts as removed",
        "comparison/api.py",
        "        found |= {name: members[name] for name in names if name in members and name not in found}\n",
        "        pass\n",
        ("tests/comparison/test_compare.py",),
    ),
    Mutation(
        "ambiguous items are paired",
        "comparison/moves.py",
        "        found[key] = None if key in found else one\n",
        "        found[key] = one\n",
        ("tests/comparison/test_moves.py",),
    ),
    Mutation(
        "a new data set is not served",
        "serving/current.py",
        "        if seen is not None and seen not in {self._identity, self._refused}:\n",
        "        if False:\n",
        ("tests/serving/test_stdio.py::test_a_new_data_set_answers_from_then_on",),
    ),
    Mutation(
        "other machines are served without a token",
        "serving/http.py",
        "    if not token and not is_loopback(host):\n",
        "    if False:\n",
        ("tests/serving/test_http.py",),
    ),
    Mutation(
        "any token is accepted",
        "serving/http.py",
        "        if hmac.compare_digest(given, self._expected):\n",
        "        if given:\n",
        ("tests/serving/test_http.py",),
    ),
    Mutation(
        "an answer does not count the omitted parts",
        "serving/budget.py",
        "    if left_out:\n",
        "    if False:\n",
        ("tests/serving/test_budget.py",),
    ),
    Mutation(
        "printed text goes into the protocol",
        "serving/stdio.py",
        "    os.dup2(2, 1)\n",
        "",
        ("tests/serving/test_stdio.py::test_what_is_printed_meanwhile_goes_to_standard_error",),
    ),
    Mutation(
        "a filter by name keeps everything",
        "stages/retrieval/filters.py",
        '        if prefix and not name.startswith((prefix, f"/{prefix}")):\n',
        "        if False:\n",
        ("tests/stages/retrieval/test_search.py",),
    ),
)


def survives(mutation: Mutation, folder: Path) -> str:
    """Return why a mutation counts as not found; empty if its tests fail."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    path = folder / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        return f"{mutation.file} holds the text {text.count(mutation.old)} times"
    path.write_text(text.replace(mutation.old, mutation.new))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *mutation.tests]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode == 0:
        return "its tests pass"
    return "" if done.returncode == 1 else f"pytest ends with {done.returncode}: {done.stdout[-300:]}"


def main() -> int:
    """Try all mutations. Return the exit code."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    survived = 0
    for mutation in MUTATIONS:
        if word in mutation.title:
            with tempfile.TemporaryDirectory() as folder:
                why = survives(mutation, Path(folder))
            survived += bool(why)
            sys.stdout.write(f"{'SURVIVES' if why else 'found   '} {mutation.title}{': ' + why if why else ''}\n")
            sys.stdout.flush()
    return int(bool(survived))


if __name__ == "__main__":
    sys.exit(main())
