"""`unroll predict`, `unroll metrics` and `unroll ui`, run as a person runs them."""

import csv
import json
import re
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from workspaces import Workspace, find_free_port, make_environment

pytestmark = pytest.mark.slow


@pytest.fixture
def models_alone(quick: Workspace, tmp_path: Path) -> Workspace:
    """A folder that holds models/ and nothing else: no pipeline, no DVC, no Git."""
    shutil.copytree(quick.path / "models", tmp_path / "models")
    return Workspace(tmp_path)


def test_a_text_gets_its_class_and_the_sorted_distribution(reproduced: Workspace) -> None:
    output = reproduced.run("unroll", "predict", "The final tennis tournament starts next week.").stdout.splitlines()
    assert output[0] == "Sports"
    names, values = zip(*(line.split() for line in output[1:]), strict=True)
    assert sorted(names) == ["Business", "Sci/Tech", "Sports", "World"]
    probabilities = [float(value) for value in values]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-3)
    assert names[0] == "Sports"


def test_a_table_is_classified_in_bulk(models_alone: Workspace) -> None:
    headlines = ["Shares fall, again", "???", 'Striker "sets" record', "Tōkyō wins\nthe cup"] * 30
    with (models_alone.path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "title"], *([f"{n:04}", title] for n, title in enumerate(headlines))])
    output = models_alone.run(
        "unroll", "predict", "--input", "in.csv", "--column", "title", "--output", "out.csv"
    ).stdout
    assert "120 rows written to out.csv" in output
    assert "30 of them have no text" in output
    with (models_alone.path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["title"] for row in rows] == headlines
    assert [row["id"] for row in rows] == [f"{n:04}" for n in range(120)]
    columns = [f"probability_{name}" for name in ("Business", "Sci/Tech", "Sports", "World")]
    assert list(rows[0]) == ["id", "title", "prediction", *columns]
    for number, row in enumerate(rows):
        if number % 4 == 1:
            assert {row[column] for column in ("prediction", *columns)} == {""}
        else:
            probabilities = {column: float(row[column]) for column in columns}
            assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
            assert max(probabilities, key=probabilities.get) == f"probability_{row['prediction']}"


def test_the_same_headline_alone_and_in_bulk(models_alone: Workspace) -> None:
    (models_alone.path / "in.tsv").write_text("text\nShares fall\nTeam wins the cup final in extra time\n")
    models_alone.run("unroll", "predict", "--input", "in.tsv", "--output", "out.csv")
    with (models_alone.path / "out.csv").open(newline="") as file:
        in_bulk = next(csv.DictReader(file))
    lines = models_alone.run("unroll", "predict", "Shares fall").stdout.splitlines()
    assert lines[0] == in_bulk["prediction"]
    for name, value in (line.split() for line in lines[1:]):
        assert float(in_bulk[f"probability_{name}"]) == pytest.approx(float(value), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (
            ["predict", "Shares fall"],
            {"torch", "pandas", "pyarrow", "sklearn", "mlflow", "dvc", "nltk", "rich"},
        ),
        (["predict", "--input", "in.csv", "--output", "out.csv"], {"torch", "sklearn", "mlflow", "dvc", "nltk"}),
        (["--help"], {"torch", "numpy", "pandas", "mlflow", "dvc", "tokenizers"}),
    ],
)
def test_a_command_loads_no_more_than_it_needs(
    models_alone: Workspace, arguments: list[str], unwanted: set[str]
) -> None:
    (models_alone.path / "in.csv").write_text("text\nShares fall\n")
    script = """
import sys
from unroll.cli.main import main
try:
    main()
finally:
    print(*{name.split(".")[0] for name in sys.modules})
"""
    loaded = models_alone.run("python", "-c", script, *arguments).stdout.splitlines()[-1].split()
    assert "typer" in loaded
    assert unwanted & set(loaded) == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to classify: expected a text"),
        (["???"], "'???' has no words"),
        (["a text", "--input", "in.csv"], "both a text and --input are given"),
        (["--input", "in.csv"], "--input is given without --output"),
        (["--input", "no.csv", "--output", "out.csv"], "no.csv does not exist"),
        (["--input", "in.csv", "--output", "out.txt"], "--output out.txt: expected a name that ends in .csv"),
        (
            ["--input", "in.csv", "--column", "headline", "--output", "out.csv"],
            "no column 'headline': its columns are text",
        ),
        (["--input", "bad.csv", "--output", "out.csv"], "bad.csv, row 2: byte 0xff is not UTF-8"),
        (["--input", "done.csv", "--output", "out.csv"], "has a column 'prediction' already"),
        (["--models", "nowhere", "a text"], "nowhere/cleaning.json is missing: `dvc repro` makes it"),
    ],
)
def test_mistakes_are_told_in_one_line_and_nothing_is_written(
    models_alone: Workspace, arguments: list[str], message: str
) -> None:
    (models_alone.path / "in.csv").write_text("text\nShares fall\n")
    (models_alone.path / "bad.csv").write_bytes(b"text\nShares fall\n\xff\n")
    (models_alone.path / "done.csv").write_text("text,prediction\nShares fall,World\n")
    result = models_alone.run("unroll", "predict", *arguments, check=False)
    assert result.returncode == 1
    assert result.stdout.startswith("error: ") and message in result.stdout
    assert result.stdout.count("\n") == 1
    assert sorted(path.name for path in models_alone.path.iterdir()) == ["bad.csv", "done.csv", "in.csv", "models"]


@pytest.mark.parametrize(("arguments", "code"), [([], 1), (["--help"], 0)])
def test_without_a_command_there_is_help_and_no_error(tmp_path: Path, arguments: list[str], code: int) -> None:
    result = Workspace(tmp_path).run("unroll", *arguments, check=False)
    assert result.returncode == code
    assert "Usage: unroll [OPTIONS] COMMAND" in result.stdout and "error:" not in result.stdout


def test_metrics_as_a_table(reproduced: Workspace) -> None:
    output = reproduced.run("unroll", "metrics").stdout
    scores, per_class = (
        json.loads((reproduced.path / f"metrics/{name}.json").read_text()) for name in ("test", "per_class")
    )
    assert f"432 test rows: accuracy {scores['accuracy']:.4f}, log loss {scores['log_loss']:.4f}" in output
    assert f"calibration error {scores['calibration_error']:.4f}" in output
    rows = per_class["classes"] | {f"{average} average": per_class[average] for average in ("macro", "weighted")}
    for name, values in rows.items():
        (line,) = [line for line in output.splitlines() if name in line]
        assert re.findall(r"\d\.\d{4}", line) == [f"{values[key]:.4f}" for key in ("precision", "recall", "f1")]


def test_the_ui_serves_the_runs_and_says_where(reproduced: Workspace) -> None:
    port = find_free_port()
    server = subprocess.Popen(
        ["unroll", "ui", "--port", str(port)],
        cwd=reproduced.path,
        env=make_environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        start, address = next(server.stdout), next(server.stdout)
        assert start == "Starting MLflow (Ctrl-C stops it) ...\n"
        if "MLflow UI" not in address:  # MLflow says that its pages are for this machine alone
            address = next(server.stdout)
        assert f"MLflow UI: http://127.0.0.1:{port}/#/experiments/1/runs?viewStateShareKey=unroll" in address
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/search",
            data=json.dumps({"experiment_ids": ["1"]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            runs = json.load(answer)["runs"]
        assert {run["info"]["run_name"].partition("-")[0] for run in runs} == {"gru", "baseline"}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert b"<title>MLflow</title>" in answer.read()
        second = reproduced.run("unroll", "ui", "--port", str(port), check=False)
        assert second.returncode == 1
        assert f"error: port {port} is in use" in second.stdout
    finally:
        server.terminate()
        rest, _ = server.communicate(timeout=60)
    assert (server.returncode, rest) == (0, "\n")
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass  # the server has ended, too
