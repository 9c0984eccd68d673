"""Every table of docs/results.md and of the README says what made its figures; Git's history holds those it can hold.

The line below a table is one of

- *In this history, commit C…: `unroll compare …`*: the command prints this very table;
- *In this history, commit C…: `unroll trace FIGURE`*: all figures of a row stand in the metrics of C or of one
  experiment that started from it, and DVC made those;
- *Not in this history: commit C, …*: data that is not here, or experiments or a script that were not kept.
"""

import hashlib
import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from unroll.results.history import find_outputs, read_figures
from unroll.results.numbers import read_number
from unroll.results.places import find_places
from unroll.results.records import flatten_old_params, list_records_of
from unroll.tracking.git import ask_git, read_files
from workspaces import ROOT, make_environment

PAGES = ("README.md", "docs/results.md")
CAPTION = re.compile(r"\*(In this history, commit ([0-9a-f]{7,})[^:]*|Not in this history): (.+)\*")
COMMAND = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
FIGURE = re.compile(r"[-+]?\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+")  # what has a point, or thousands
# What the columns of tables are: parameters, and places in the files of metrics.
PARAMS = {"cell": "model.cell", "seed": "train.seed", "train.seed": "train.seed", "split.seed": "split.seed"}
PLACES: dict[str, Any] = {
    "best epoch": [("train", "best_epoch")],
    "validation macro-F1": [("train", "val_macro_f1")],
    "test macro-F1": [("test", "macro_f1")],
    "accuracy": [("test", "accuracy")],
    "log loss": [("test", "log_loss")],
    "test log loss": [("test", "log_loss")],
    "calibration error": [("test", "calibration_error")],
    "baseline": [("baseline", "macro_f1")],
    "macro-F1 above the linear baseline": [("test", f"over_baseline{end}") for end in ("", "_low", "_high")],
    "precision": [("per_class", "classes.{}.precision")],
    "recall": [("per_class", "classes.{}.recall")],
    "F1": [("per_class", "classes.{}.f1")],
    "support": [("per_class", "classes.{}.support")],
    "main": {  # of the other pipelines
        "pipelines/sine/": [("test", "free_run_rmse")],
        "pipelines/sin2cos/": [("test", "rmse")],
        "pipelines/mnist/": [("test", "accuracy")],
        "pipelines/hello/": [("test", "epochs_until_right")],
        "pipelines/imdb/": [("test", "accuracy")],
    },
}


@dataclass(frozen=True)
class FiguresTable:
    """A table of a page, and the line below it."""

    page: str
    rows: tuple[str, ...]  # without the heads of the columns
    text: str
    caption: str


def list_tables(page: str) -> list[FiguresTable]:
    """Return the tables of a page that hold figures, in order."""
    blocks = (ROOT / page).read_text().split("\n\n")
    found = []
    for block, after in zip(blocks, [*blocks[1:], ""], strict=True):
        lines = block.splitlines()
        if len(lines) > 2 and all(line.startswith("|") for line in lines) and FIGURE.search("".join(lines[2:])):
            found.append(FiguresTable(page, tuple(lines[2:]), block, " ".join(after.split())))
    return found


TABLES = [table for page in PAGES for table in list_tables(page)]
MADE_HERE = [table for table in TABLES if table.caption.startswith("*In this history")]
TRACED = [table for table in MADE_HERE if "`unroll trace" in table.caption]
COMPARED = [table for table in MADE_HERE if "`unroll compare" in table.caption]


def name_table(table: FiguresTable) -> str:
    return f"{table.page}: {table.text.splitlines()[0][:60]}"


pytestmark = pytest.mark.skipif(
    ask_git("rev-parse", "--is-shallow-repository").strip() != "false", reason="this clone has not the whole history"
)


@cache
def list_commits_of(revision: str, folder: Path) -> list[str]:
    """Return the commit and those of the experiments that started from it in a pipeline's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return [record.name for record in list_records_of(revision)]


@cache
def read_made_files(commit: str, folder: str) -> dict[str, dict[str, float]]:
    """Return the figures of those metrics files of a commit that dvc.lock there records, by the files' names."""
    paths = ask_git("ls-tree", "--name-only", commit, f"{folder}metrics/").splitlines()
    lock, *contents = read_files([f"{commit}:{path}" for path in (f"{folder}dvc.lock", *paths)])
    return {
        Path(path).stem: read_figures(content)
        for path, content in zip(paths, contents, strict=True)
        if content and path.removeprefix(folder) in find_outputs(lock or b"", hashlib.md5(content).hexdigest())
    }


@cache
def read_params(commit: str, folder: str) -> dict[str, str]:
    (content,) = read_files([f"{commit}:{folder}params.yaml"])
    return flatten_old_params(YAML(typ="safe").load(content))


def is_in_history(commit: str) -> bool:
    command = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("table", TABLES, ids=name_table)
def test_a_table_says_what_made_it(table: FiguresTable) -> None:
    caption = CAPTION.fullmatch(table.caption)
    assert caption, f"{name_table(table)} is followed by {table.caption[:100]!r}"
    if not caption[2]:
        assert re.search("data that is not here|(experiments|a script) that (were|was) not kept", table.caption)
        assert COMMAND.search(table.caption) or "a script that was not kept" in table.caption
    for commit in re.findall(r"\b(?=\w*\d)[0-9a-f]{7}\b", table.caption):
        assert is_in_history(commit), commit


def find_folder(table: FiguresTable) -> str:
    """Return the folder of the pipeline that a caption names: "" for the root."""
    found = re.search(r"in (pipelines/\w+/)", table.caption)
    return found[1] if found else ""


@pytest.mark.parametrize("table", TRACED, ids=name_table)
def test_the_figures_of_a_row_stand_in_one_commit_that_made_them(table: FiguresTable) -> None:
    """In the column that says so: whatever else has the same digits."""
    caption = CAPTION.fullmatch(table.caption)
    assert caption
    own, heads = find_folder(table), split_row(table.text.splitlines()[0])
    for row in table.rows:
        cells = dict(zip(heads, split_row(row), strict=True))
        folder = f"pipelines/{cells['pipeline']}/" if own == "pipelines/NAME/" else own
        commits = list_commits_of(caption[2], ROOT / folder)
        held = [commit for commit in commits if is_in_history(commit) and holds(commit, folder, cells)]
        assert held, f"no commit has all of {row}"


def split_row(row: str) -> list[str]:
    return [cell.strip().strip("`") for cell in row.strip("|").split("|")]


def holds(commit: str, folder: str, cells: dict[str, str]) -> bool:
    """Whether a commit has the parameters of a row, and all its figures where the heads of the columns say."""
    params, files = read_params(commit, folder), read_made_files(commit, folder)
    wanted = {PARAMS[head]: cell.lower() for head, cell in cells.items() if head in PARAMS}
    if any(params[name] != value for name, value in wanted.items()):
        return False
    for head, cell in cells.items():
        if head in PARAMS or head in ("class", "pipeline", "figure"):
            continue
        places = PLACES[head] if head in PLACES else PLACES["main"][folder]
        found = [files[file][key.format(cells.get("class"))] for file, key in places if file in files]
        numbers = [read_number(number) for number in NUMBER.findall(cell)]
        if len(numbers) != len(places) or len(found) != len(places):
            return False
        if not all(number and number.fits(figure) for number, figure in zip(numbers, found, strict=True)):
            return False
    return True


@pytest.mark.parametrize("table", COMPARED, ids=name_table)
def test_a_command_prints_its_table(table: FiguresTable) -> None:
    command = COMMAND.search(table.caption)
    assert command
    done = subprocess.run(
        shlex.split(command[1]), cwd=ROOT / find_folder(table), env=make_environment(), capture_output=True, text=True
    )
    assert table.text in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_that_a_page_has_traced_was_made(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    figures = set(re.findall(r"unroll trace (\d\.\d+)", (ROOT / page).read_text()))
    assert figures
    for figure in figures:
        assert any(place.is_made and is_in_history(place.commit.id) for place in find_places(figure)), figure


def test_the_figures_of_the_readme_are_in_the_results() -> None:
    told, known = (set(re.findall(r"\d\.\d{4}", (ROOT / page).read_text())) for page in PAGES)
    assert told and told <= known, sorted(told - known)


@pytest.mark.exhaustive
def test_a_figure_of_the_readme_leads_to_the_same_bytes(tmp_path: Path) -> None:
    """As its reader goes: from the table to `unroll trace`, and from there to `unroll reproduce`."""
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"`(unroll trace \S+)` leads .* `(unroll reproduce (\S+)) --folder \.\./again`", readme)
    assert found

    def run(command: str, *more: str) -> str:
        done = subprocess.run(
            [*shlex.split(command), *more], cwd=ROOT, env=make_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert f"again       {found[2]}" in run(found[1], "--no-runs")  # its hash is longer there
    last = run(found[2], "--folder", str(tmp_path)).splitlines()[-1]
    assert re.fullmatch(rf"the same bytes: \d+ outputs of 8 stages, those of {found[3]}", last)
