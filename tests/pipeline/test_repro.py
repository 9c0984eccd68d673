"""`dvc repro`: from a fresh clone, with nothing to do, and after a change of each kind."""

import json
from pathlib import Path
from secrets import token_hex

import pytest

from tracing import run_stages
from unroll.models.files import LINEAR_PARTS, TEXT_PARTS
from workspaces import STAGES, Workspace, set_params

pytestmark = pytest.mark.slow
OVER_BASELINE = ("over_baseline", "over_baseline_low", "over_baseline_high")
ENDS = ("macro_f1_low", "macro_f1_high")
PIPELINES = ("hello", "imdb", "mnist", "sin2cos", "sine")


def read_json(workspace: Workspace, name: str):
    return json.loads((workspace.path / name).read_text())


def find_concerned(workspace: Workspace) -> list[str]:
    """Return the stages that would run, according to `dvc status`."""
    status = json.loads(workspace.run("dvc", "status", "--json").stdout)
    return [stage.partition(":")[2] or stage for stage in status]


def test_a_fresh_clone_gets_models_and_metrics(reproduced: Workspace) -> None:
    models = reproduced.path / "models"
    for folder, parts in ((models, (*TEXT_PARTS, "README.md")), (models / "linear", LINEAR_PARTS)):
        assert {path.name for path in folder.iterdir() if path.suffix} == {"checksums.json", *parts}
    scores, per_class = read_json(reproduced, "metrics/test.json"), read_json(reproduced, "metrics/per_class.json")
    data, train = read_json(reproduced, "metrics/data.json"), read_json(reproduced, "metrics/train.json")
    assert data["rows_in"] == data["rows_out"] == 2880
    assert sum(values["support"] for values in per_class["classes"].values()) == 432
    assert set(scores) == {"accuracy", "calibration_error", "log_loss", "macro_f1", *ENDS, *OVER_BASELINE}
    of_training = {"batch_size", "best_epoch", "epochs", "parameters", "vector_coverage"}
    assert set(train) == of_training | {"val_loss", "val_macro_f1"}
    assert "Data and pipelines are up to date." in reproduced.run("dvc", "repro").stdout
    assert "up to date" in reproduced.run("dvc", "status").stdout


@pytest.mark.parametrize("folder", [".", *(f"pipelines/{name}" for name in PIPELINES)])
def test_the_lock_file_in_git_is_that_of_the_code_and_parameters_in_git(pristine: Workspace, folder: str) -> None:
    """A change to either needs `dvc repro` and a new dvc.lock: the dependencies' hashes show whether that was done."""
    status = json.loads(Workspace(pristine.path / folder).run("dvc", "status", "--json").stdout)
    changed = [
        f"{stage}: {path} is {how}"
        for stage, changes in status.items()
        for change in changes
        if isinstance(change, dict)
        for path, how in change.get("changed deps", {}).items()
        if how != "deleted"  # outputs of other stages, which no clone has before `dvc repro` or `dvc pull`
    ]
    assert changed == []


def test_metrics_can_be_shown(quick: Workspace) -> None:
    shown = quick.run("dvc", "metrics", "show", "--md").stdout
    for name in ("macro_f1", "calibration_error", "best_epoch"):
        assert name in shown
    shown = quick.run("dvc", "metrics", "show", "--md", "metrics/per_class.json", "metrics/data.json").stdout
    assert "classes.Sports.f1" in shown and "rows_out" in shown


CHANGES = {  # of a parameter → the stages that depend on it, besides evaluate, and those that run
    # The sample has columns of its own, so this one changes nothing that is read.
    ("text_column: text", "text_column: headline"): (["preprocess"], ["preprocess", "evaluate"]),
    ("encoding: utf-8", "encoding: cp1252"): (["preprocess"], ["preprocess", "evaluate"]),
    ("numbers: keep", "numbers: mask"): (["preprocess"], STAGES[1:]),
    ("seed: 1\n  context_words", "seed: 2\n  context_words"): (["split"], STAGES[2:]),
    ("max_tokens: 64", "max_tokens: 6"): (
        ["tokenize", "baseline"],
        ["tokenize", "pretrain", "baseline", "train", "evaluate"],
    ),
    ("method: skipgram", "method: none"): (["tokenize", "pretrain"], ["tokenize", "pretrain", "train", "evaluate"]),
    ("cell: gru", "cell: rnn"): (["train"], ["train", "evaluate"]),
    ("mistakes: 100", "mistakes: 10"): ([], ["evaluate"]),
    ("experiment: headlines", "experiment: other"): ([], []),
}
RUN_HERE = ("text_column: text", "experiment: headlines")  # the README's test changes the cell


def test_dvc_tells_which_stages_a_changed_parameter_concerns(quick_workspace: Workspace) -> None:
    for (old, new), (concerned, _) in CHANGES.items():
        quick_workspace.change(old, new)
        # Each experiment is to have its run in MLflow, so evaluate depends on all parameters but those of tracking.
        evaluate = [] if old.startswith("experiment") else ["evaluate"]
        assert find_concerned(quick_workspace) == concerned + evaluate
        quick_workspace.change(new, old)


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        pytest.param(*change, stages, marks=() if change[0] in RUN_HERE else pytest.mark.exhaustive)
        for change, (_, stages) in CHANGES.items()
    ],
)
def test_a_changed_parameter_reruns_the_stages_it_concerns_and_no_others(
    quick_workspace: Workspace, old: str, new: str, stages: list[str]
) -> None:
    quick_workspace.change(old, new)
    assert quick_workspace.stages_run("dvc", "repro") == stages
    assert quick_workspace.stages_run("dvc", "repro") == []


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("src/unroll/evaluation/plots.py", ["evaluate"]),
        ("src/unroll/stages/split.py", ["split"]),
        ("src/unroll/cli/main.py", []),
    ],
)
def test_changed_code_reruns_the_stages_that_use_it(quick_workspace: Workspace, module: str, stages: list[str]) -> None:
    with (quick_workspace.path / module).open("a") as file:
        file.write("# a comment\n")
    assert quick_workspace.stages_run("dvc", "repro") == stages


@pytest.mark.parametrize("folder", [".", "pipelines/hello"])
def test_another_version_reruns_what_computes_with_it_and_of_other_packages_nothing(
    all_pipelines: Workspace, tmp_path: Path, folder: str
) -> None:
    workspace = all_pipelines.copy_to(tmp_path / "repository")
    pipeline = Workspace(workspace.path / folder)
    for name, file in {"pytest": "requirements-dev.txt", "mlflow": "requirements.txt"}.items():
        workspace.change(f"\n{name}==", f"\n{name}==1.", file)
    assert find_concerned(pipeline) == []
    workspace.change("\ntorch==2.", "\ntorch==1.", "src/requirements-compute.txt")
    assert find_concerned(pipeline) == (STAGES[1:] if folder == "." else ["generate", "train", "evaluate"])


def test_stages_refuse_versions_that_they_do_not_depend_on(workspace: Workspace) -> None:
    workspace.change("\ntorch==2.", "\ntorch==1.", "src/requirements-compute.txt")
    workspace.commit()
    wanted = "`python -m pip install -r {}src/requirements-compute.txt` installs those, or write the versions that you"
    for command, folder, path in (
        (("dvc", "repro"), ".", ""),
        (("dvc", "exp", "run", "--temp", "-S", "split.seed=2"), ".", ""),
        (("dvc", "repro"), "pipelines/sine", "../../"),
    ):
        result = Workspace(workspace.path / folder).run(*command, check=False)
        assert result.returncode
        (line,) = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
        assert line.startswith(
            f"error: the installed versions are not those of {path}src/requirements-compute.txt: torch"
        )
        assert wanted.format(path) in line
        assert "Traceback" not in result.stdout


def test_network_and_baseline_are_scored_on_the_same_rows(quick_workspace: Workspace) -> None:
    scores, baseline = (read_json(quick_workspace, f"metrics/{name}.json") for name in ("test", "baseline"))
    assert set(scores) - {*ENDS, *OVER_BASELINE} <= set(baseline)
    assert baseline["macro_f1"] > 0.6
    assert scores["over_baseline"] == pytest.approx(scores["macro_f1"] - baseline["macro_f1"], abs=2e-6)
    assert scores["over_baseline_low"] < scores["over_baseline"] < scores["over_baseline_high"]
    per_class, linear_per_class = (
        read_json(quick_workspace, f"metrics/{name}.json") for name in ("per_class", "baseline_per_class")
    )
    assert linear_per_class["macro"]["f1"] == baseline["macro_f1"]
    supports = [{name: row["support"] for name, row in t["classes"].items()} for t in (per_class, linear_per_class)]
    assert supports[0] == supports[1]
    predictions = quick_workspace.path / "metrics" / "baseline.csv"
    lines = predictions.read_text().splitlines()
    assert len(lines) == 433
    predictions.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    result = quick_workspace.run("python", "-m", "unroll.stages.evaluate", check=False, PYTHONPATH="src")
    assert result.returncode == 1
    assert result.stdout.startswith("error: metrics/baseline.csv is not of the test rows in data/tokens")


@pytest.mark.parametrize("level", [pytest.param("char", marks=pytest.mark.exhaustive), "bpe"])
def test_cleaning_and_other_levels_of_tokens_reach_inference(quick_workspace: Workspace, level: str) -> None:
    quick_workspace.change("stop_words: keep", "stop_words: drop")
    quick_workspace.change("stemming: none", "stemming: porter")
    quick_workspace.change("level: word", f"level: {level}")
    quick_workspace.change("vocabulary_size: 100000", "vocabulary_size: 500")
    quick_workspace.change("max_tokens: 64", "max_tokens: 200")
    run_stages(quick_workspace.path, *STAGES[1:-1])
    texts = ("The shares were falling", "share fall", "shares fell")
    answers = quick_workspace.run("unroll", "predict", *texts).stdout.splitlines()
    assert answers[:5] == answers[5:10] != answers[10:]
    assert "has no words" in quick_workspace.run("unroll", "predict", "of the", check=False).stdout


CSV_PARAMS = {"dataset": "csv", "text_column": "headline", "label_column": "topic"}


@pytest.mark.parametrize(
    ("content", "stage", "message"),
    [
        ("<!doctype html><p>Sign in", "download", "mine.csv is an HTML page, not a data set"),
        (
            "text,topic\nx,y\n",
            "preprocess",
            "data/raw/all.csv has no column 'headline': its columns are text, topic",
        ),
    ],
)
def test_bad_input_stops_with_one_line_and_leaves_nothing_behind(
    quick_workspace: Workspace, content: str, stage: str, message: str
) -> None:
    """As for every input of tests/hostile/inputs.yaml; here DVC runs the stages."""
    (quick_workspace.path / "mine.csv").write_text(content)
    set_params(quick_workspace, "data", file="mine.csv", **CSV_PARAMS)
    result = quick_workspace.run("dvc", "repro", check=False)
    assert result.returncode != 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in result.stdout
    assert f"failed to reproduce '{stage}'" in result.stdout
    folder = quick_workspace.path / "data" / {"download": "raw", "preprocess": "clean"}[stage]
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_table_that_is_not_there_is_told_in_dvcs_words(quick_workspace: Workspace) -> None:
    set_params(quick_workspace, "data", file="mine.csv", **CSV_PARAMS)
    result = quick_workspace.run("dvc", "repro", check=False)
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("ERROR: ")]
    file = quick_workspace.path / "mine.csv"
    assert result.returncode and line.endswith(f"'download': [Errno 2] No such file or directory: '{file}'")


def test_a_changed_table_is_noticed(quick_workspace: Workspace) -> None:
    """Each of a user's two tables, and by DVC itself."""
    files = {}
    for name, count in (("mine", 30), ("more", 12)):
        rows = [f"good thing {name} {n},pos\nbad thing {name} {n},neg\n" for n in range(count)]
        files[name] = quick_workspace.path / f"{name}.csv"
        files[name].write_text("headline,topic\n" + "".join(rows))
    set_params(quick_workspace, "data", file="mine.csv", test_file=str(files["more"]), **CSV_PARAMS)
    quick_workspace.run("dvc", "repro", "preprocess")
    assert quick_workspace.stages_run("dvc", "repro", "preprocess") == []
    for name, file in files.items():
        with file.open("a") as table:
            table.write(f"another good thing {name},pos\n")
        status = json.loads(quick_workspace.run("dvc", "status", "--json", "download").stdout)
        assert {"changed deps": {f"{name}.csv": "modified"}} in status["download"]
        assert quick_workspace.stages_run("dvc", "repro", "preprocess") == ["download", "preprocess"]
    data = json.loads((quick_workspace.path / "metrics" / "data.json").read_text())
    assert data["classes"] == {"neg": 42, "pos": 44}


def test_a_password_in_an_address_gets_into_no_file(quick_workspace: Workspace) -> None:
    before, password = (quick_workspace.path / "dvc.lock").read_bytes(), token_hex()
    set_params(quick_workspace, "data", dataset="csv", url=f"http://reader:{password}@127.0.0.1:9/a.csv")
    result = quick_workspace.run("dvc", "repro", check=False)
    assert result.returncode
    expected = (
        "error: params.yaml: data.url = 'http://…@127.0.0.1:9/a.csv' holds a user, a password or a key: expected an"
    )
    assert expected in result.stdout
    assert password not in result.stdout
    assert (quick_workspace.path / "dvc.lock").read_bytes() == before
    files = [path for path in quick_workspace.path.rglob("*") if path.is_file()]
    assert [path.name for path in files if password.encode() in path.read_bytes()] == ["params.yaml"]


def test_the_tokenizer_of_another_run_is_not_evaluated(quick_workspace: Workspace) -> None:
    path = quick_workspace.path / "models" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["the"], vocabulary["to"] = vocabulary["to"], vocabulary["the"]
    path.unlink()  # a link into DVC's cache, perhaps
    path.write_text(json.dumps(tokenizer))
    message = "error: models/tokenizer.json is not the one that models/model.safetensors was trained with: expected the"
    for command in (
        ("python", "-m", "unroll.stages.evaluate"),
        ("unroll", "predict", "a"),
        ("unroll", "neighbors", "a"),
    ):
        result = quick_workspace.run(*command, check=False, PYTHONPATH="src")
        assert (result.returncode, result.stdout.count("\n")) == (1, 1)
        assert result.stdout.startswith(message)
