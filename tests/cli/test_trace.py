"""`unroll trace`, in a real repository without MLflow: what it prints, draws and refuses."""

import json
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from histories import History, begin_history, make_files, record_test
from unroll.cli.main import main
from unroll.params.common import flatten_params
from unroll.results.pipelines import read_pipeline_params
from unroll.tracking.baseline import BASELINE_LINKS, LINEAR, MODEL, keep_params
from unroll.tracking.runs import create_run
from unroll.tracking.store import connect
from workspaces import ROOT


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    history = begin_history(tmp_path)
    history.commit("the \x1b[31mfirst", make_files(0.812345))
    history.save_experiment("bold-one", make_files(0.9, cell="lstm", model="e"))
    return history


@pytest.fixture
def unroll(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `unroll trace` in this process; return exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unroll", "trace", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        return int(ended.value.code or 0), output, errors

    return run


def test_the_chain_in_words(history: History, unroll) -> None:
    history.write({f".dvc/cache/files/md5/aa/{'a' * 30}": "", ".dvc/config": "['remote \"x\"']\n    url = x\n"})
    code, output, errors = unroll("81.23%")
    assert (code, errors) == (0, "")
    for line in (
        "figure      metrics/test.json macro_f1 = 0.812345",
        "held by     HEAD, main",
        "data        csv (https://…@example.org/table.csv)",
        f"            all: SHA-256 {'5' * 64}, 1,234 bytes",
        "            97 of 100 rows, dropped: 3 duplicate",
        "stages      preprocess: data/clean bbbbbbbbbb, metrics/data.json",
        "            train: models/model.safetensors aaaaaaaaaa",
        "parameters  the defaults",
        "packages    torch==2.13.0 numpy==2.4.6",
        f"model       models/model.safetensors: MD5 {'a' * 32}, in DVC's cache here",
        "again       unroll reproduce ",
    ):
        assert line in output, output
    assert r"the \x1b[31mfirst" in output and "\x1b" not in output and "secret" not in output
    assert unroll("main")[1].startswith("figure      metrics/test.json accuracy = 0.5, macro_f1 = 0.812345\n")
    output = unroll("0.9")[1]
    assert "parameters  model.cell = lstm (default gru)\n" in output and "not in DVC's cache here" in output
    bold = history.git("for-each-ref", "--format=%(objectname)", "refs/exps")[:10]
    assert f"again       unroll reproduce {bold} --folder ../again\n" in output
    assert "            dvc exp apply bold-one, to have it in this folder\n" in output


def test_the_chain_for_programs(history: History, unroll) -> None:
    code, output, _ = unroll("bold-one:metrics/test.json", "macro_f1", "--format", "json")
    found = json.loads(output)
    assert (code, found["asked"], found["run"]) == (0, "bold-one:metrics/test.json macro_f1", None)
    chain = found["chain"]
    assert (chain["place"]["value"], chain["place"]["refs"]) == (0.9, ["experiment bold-one"])
    assert chain["changed"] == {"model.cell": {"value": "lstm", "default": "gru"}}
    assert chain["model"] == {"path": "models/model.safetensors", "md5": "e" * 32, "cached": False}
    assert "secret" not in output


def test_a_number_that_nothing_made(history: History, unroll) -> None:
    assert unroll("0.1234") == (
        1,
        "",
        "error: 0.1234 stands in no metrics of 2 commits and 1 experiment: nothing here made it\n",
    )
    history.commit("by hand", {"metrics/test.json": '{"macro_f1": 0.9991, "loss": -0.0229}'})
    for number in ("0.9991", "-0.0229"):
        code, output, errors = unroll(number)
        assert code == 1 and output.startswith("stands in   ") and "data" not in output
        assert "dvc.lock beside it does not record metrics/test.json as it is there: nothing here made it" in errors


BASELINE_STAGE = f"""  baseline:
    cmd: baseline
    deps:
    - path: data/clean
      md5: {"b" * 32}.dir
    outs:
    - path: metrics/baseline.json
      hash: md5
      md5: {"f" * 32}
    - path: metrics/baseline_per_class.json
      hash: md5
      md5: {"9" * 32}
    - path: models/linear
      hash: md5
      md5: {"7" * 32}.dir
"""


@pytest.fixture
def baseline(history: History, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a baseline's run, whose scores stand in HEAD's dvc.lock; the store is real SQLite."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    lock = make_files(0.812345)["dvc.lock"] + BASELINE_STAGE
    history.commit("a baseline", {"dvc.lock": lock, "params.yaml": (ROOT / "params.yaml").read_text(), ".dvc/x": ""})
    params = read_pipeline_params()
    tags = dict(zip(BASELINE_LINKS, ("f" * 32, "9" * 32), strict=True)) | {MODEL: LINEAR}
    return create_run(connect(params.tracking.experiment), "baseline-f", tags, keep_params(flatten_params(params)))


def test_a_baselines_run_leads_to_its_data_and_model(
    history: History, baseline: str, unroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output, _ = unroll(baseline)
    assert code == 0
    assert unroll("baseline-f")[1] == unroll(baseline.upper())[1] == output
    history.write({"docs/page.md": ""})
    monkeypatch.chdir("docs")
    assert unroll(baseline)[1] == output.replace("../again", "../../again")
    for line in (
        "figure      metrics/baseline.json",
        "stages      preprocess: data/clean bbbbbbbbbb",
        f"model       models/linear: MD5 {'7' * 32}",
        f"run         {baseline} baseline-f, running",
        f"            unroll reproduce {baseline} --folder ../again",
    ):
        assert line in output, output


@pytest.mark.parametrize("what", ["", "no-such", "0f" * 16])
def test_what_is_nowhere_is_named_with_what_was_looked_for(baseline: str, unroll, what: str) -> None:
    told = f"error: '{what}' is no branch, tag, commit or experiment here, nor the MD5 of an output"
    assert unroll(what) == (1, "", f"{told}, and neither id nor name of a run\n")
    assert unroll(what, "--no-runs") == (1, "", f"{told}; MLflow was not asked for a run\n")


def test_what_cannot_be_meant_is_told(history: History, unroll) -> None:
    for arguments in (("--bogus",), ("--bogus", "0.8"), ("0.8", "--bogus")):
        told = "error: --bogus is neither an option nor a number: `unroll trace --help` lists the options\n"
        assert unroll(*arguments) == (1, "", told)
    code, output, errors = unroll("0.8123", "macro_f1")
    assert (code, output) == (1, "") and errors.startswith(
        "error: '0.8123' is no JSON file in metrics/: expected one before the key 'macro_f1', as in metrics/test.json:"
    )


def test_few_of_many_places_are_printed(history: History, unroll) -> None:
    test = json.dumps({f"figure{number}": 0.7 for number in range(50)})
    lock = make_files(0.7)
    recorded = {**lock, "metrics/test.json": test, "dvc.lock": record_test(lock["dvc.lock"], test)}
    history.commit("many", recorded)
    output = unroll("0.7")[1]
    assert "and 39 more: --format json has all\n" in output and len(output.splitlines()) < 40
    assert len(json.loads(unroll("0.7", "--format", "json")[1])["places"]) == 50


def test_the_picture_has_what_the_text_has(history: History, unroll) -> None:
    history.commit("<&>", make_files(0.8, model="d"))
    assert unroll("0.8", "--picture", "chain.svg")[0] == 0
    svg = ElementTree.parse("chain.svg").getroot()
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "data" and texts[-2:] == ["figure", "metrics/test.json macro_f1 = 0.8"]
    assert any("<&>" in text for text in texts) and any("d" * 32 in text for text in texts)
    assert "secret" not in Path("chain.svg").read_text()
    width, height = map(float, svg.get("viewBox").split()[2:])
    boxes = [
        {key: float(box.get(key)) for key in ("x", "y", "width", "height")} for box in svg.iter() if "rect" in box.tag
    ]
    assert all(box["x"] + box["width"] <= width and box["y"] + box["height"] <= height for box in boxes)
    assert all(above["y"] + above["height"] < below["y"] for above, below in pairwise(boxes))
    assert unroll("0.8", "--picture", "chain.svg/x.svg")[2].startswith("error: chain.svg")
