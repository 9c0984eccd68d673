"""`unroll export`: a folder with all that another language needs, written whole or not at all."""

import csv
import json
import re
import resource
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from builders import make_config, write_models
from unroll.base.errors import InputError
from unroll.base.files import compute_hash, read_json, write_json
from unroll.export.folder import FILES, TEXTS, export_model
from unroll.export.predict import ExportedClassifier
from unroll.inference.classifier import load_classifier
from unroll.linear.fit import fit_linear
from unroll.linear.model import save_linear
from unroll.models.classifier import TextClassifier
from unroll.models.files import LINEAR_PARTS, TEXT_PARTS, ModelConfig, write_checksums
from unroll.params.texts import ArchitectureParams, TokenizeParams, read_text_params
from unroll.text.clean import Cleaning, clean_text
from unroll.text.vocabulary import train_tokenizer
from workspaces import ROOT, Workspace, make_environment

WITHIN = 1e-6


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return write_models(tmp_path / "models")


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_script(folder: Path, *texts: str) -> str:
    """Run predict.py from elsewhere."""
    command = ["python", str(folder / "predict.py"), *texts]
    result = subprocess.run(command, cwd="/", env=make_environment(), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def find_largest_difference(folder: Path, models: Path, texts: list[str]) -> float:
    """Return how far any probability of ONNX Runtime is from our own inference's."""
    expected = load_classifier(models).predict(texts)
    exported = ExportedClassifier(folder)
    found = np.concatenate([exported.predict(texts[start : start + 512]) for start in range(0, len(texts), 512)])
    assert (np.isnan(found) == np.isnan(expected)).all()
    difference = float(np.nanmax(np.abs(found - expected)))
    print(f"{len(texts):,} texts: probabilities at most {difference:.1e} apart")  # with `pytest -s`
    return difference


def test_the_folder_checks_itself_and_needs_nothing_else(models: Path, tmp_path: Path) -> None:
    export_model(models, tmp_path / "exported")
    assert set(read_tree(tmp_path / "exported")) == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "models"]
    for name in ("cleaning.json", "labels.json", "tokenizer.json"):
        assert (tmp_path / "exported" / name).read_bytes() == (models / name).read_bytes()
    shutil.rmtree(models)
    assert run_script(tmp_path / "exported").startswith(f"{len(TEXTS)} examples, probabilities within ")
    (line,) = run_script(tmp_path / "exported", "Shares fall").splitlines()
    assert set(json.loads(line)["probabilities"]) == {"Business", "Sports"}
    where = "import sys; sys.argv = ['', 'a']; import predict; predict.main(); import unroll; print(unroll.__file__)"
    command = ["python", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'exported')!r}); {where}"]
    found = subprocess.run(command, cwd="/", env=make_environment(), capture_output=True, text=True, check=True).stdout
    assert found.splitlines()[-1] == str(tmp_path / "exported" / "unroll" / "__init__.py")
    export_model(write_models(models), tmp_path / "exported")  # though Python has kept its bytecode there


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_the_script_prints_json_and_has_options(models: Path, tmp_path: Path) -> None:
    export_model(models, tmp_path / "exported")
    texts = ["", "\N{PARTY POPPER}", "--nope", "-5"]
    lines = run_script(tmp_path / "exported", "--", *texts).splitlines()
    rows = [json.loads(line, parse_constant=refuse_constant) for line in lines]
    assert [row["text"] for row in rows] == texts
    assert [row["probabilities"] is None for row in rows] == [True, True, False, False]
    assert run_script(tmp_path / "exported", "--help").startswith("usage: predict.py [-h] [texts ...]")
    command = ["python", str(tmp_path / "exported" / "predict.py"), "--nope"]
    result = subprocess.run(command, env=make_environment(), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.endswith("predict.py: error: unrecognized arguments: --nope\n")


@pytest.mark.parametrize("level", ["word", "char", "bpe"])
@pytest.mark.parametrize("ngrams", [0, 64])
def test_every_step_is_ours_for_every_tokenizer_and_cleaning(tmp_path: Path, level: str, ngrams: int) -> None:
    params = TokenizeParams(level=level, vocabulary_size=60, min_count=1, max_tokens=9)
    tokenizer = train_tokenizer([["shares fall", "team wins cup", "king, word."]], params)
    config = make_config(vocabulary_size=tokenizer.get_vocab_size(), ngrams=ngrams, temperature=0.7)
    models = write_models(tmp_path / "models")
    tokenizer.save(str(models / "tokenizer.json"))
    write_json(models / "config.json", config.model_dump())
    changes = {
        "html": "feed",
        "punctuation": "keep",
        "numbers": "mask",
        "stemming": "porter",
        "lowercase": level != "bpe",
    }
    write_json(models / "cleaning.json", read_json(models / "cleaning.json") | changes)
    save_file(TextClassifier(config).state_dict(), models / "model.safetensors")
    write_checksums(models, TEXT_PARTS)
    export_model(models, tmp_path / "exported")
    count, _, within = run_script(tmp_path / "exported").partition(" examples, probabilities within ")
    assert int(count) == len(TEXTS) and float(within) <= WITHIN
    contract = (tmp_path / "exported" / "README.md").read_text()
    assert ("ngram_counts" in contract, "first 144 characters" in contract) == (ngrams > 0, ngrams > 0)
    assert "$" not in contract and "after\n   9 tokens" in contract


def test_the_example_in_the_docs_comes_to_our_probabilities(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    config = make_config(vocabulary_size=len(read_json(models / "tokenizer.json")["model"]["vocab"]), ngrams=64)
    network = TextClassifier(config)
    with torch.no_grad():
        network.ngrams.weight.normal_()
    write_json(models / "config.json", config.model_dump())
    save_file(network.state_dict(), models / "model.safetensors")
    write_checksums(models, TEXT_PARTS)
    export_model(models, tmp_path / "exported")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.DOTALL)
    command = ["python", "-c", example]
    result = subprocess.run(command, cwd=tmp_path, env=make_environment(), capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(found) == 2
    predictions = load_classifier(models).model.predict([row["text"] for row in found])  # they are clean
    for row, expected in zip(found, predictions, strict=True):
        np.testing.assert_allclose(list(row["probabilities"].values()), expected, rtol=0, atol=WITHIN)


def test_the_examples_are_of_many_kinds() -> None:
    letters = "".join(TEXTS)
    for character in "a日रПع\u200b\u200c\u0301½<&’Ｂß":
        assert character in letters
    assert any(len(text.split()) > 64 for text in TEXTS) and "" in TEXTS


def test_a_wrong_step_of_another_implementation_is_told(models: Path, tmp_path: Path) -> None:
    export_model(models, tmp_path / "exported")
    examples = read_json(tmp_path / "exported" / "examples.json")
    examples[0]["ids"][0] += 1
    write_json(tmp_path / "exported" / "examples.json", examples)
    command = ["python", str(tmp_path / "exported" / "predict.py")]
    result = subprocess.run(command, env=make_environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stderr.startswith(f"{TEXTS[0]!r}: ids is [")


def test_the_same_model_gives_the_same_bytes_and_names_its_training(models: Path, tmp_path: Path) -> None:
    export_model(models, tmp_path / "first")
    export_model(models, tmp_path / "second")
    assert read_tree(tmp_path / "first") == read_tree(tmp_path / "second")
    metadata = onnxruntime.InferenceSession(tmp_path / "first" / "model.onnx").get_modelmeta().custom_metadata_map
    assert metadata == {
        "classes": '["Business", "Sports"]',
        "temperature": "1.0",
        "checksums_sha256": compute_hash(models / "checksums.json", "sha256"),
    }


@pytest.mark.parametrize("name", [*TEXT_PARTS, "checksums.json"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"\x80\x04K\x01."])
def test_a_damaged_model_is_refused_and_the_earlier_export_stays(
    models: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    export_model(models, tmp_path / "exported")
    before = read_tree(tmp_path / "exported")
    (models / name).unlink()
    if content is not None:
        (models / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        export_model(models, tmp_path / "exported")
    assert str(caught.value).startswith(str(models)) and "\n" not in str(caught.value)
    assert read_tree(tmp_path / "exported") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "models"]


def test_a_flipped_bit_is_refused(models: Path, tmp_path: Path) -> None:
    content = bytearray((models / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (models / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is not the one that checksums\.json lists"):
        export_model(models, tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def make_linear(models: Path) -> None:
    texts, labels = ["shares fall", "profit falls", "cup final", "match final"], np.array([0, 0, 1, 1])
    save_linear(fit_linear(texts, labels, texts, labels, 64).model, models)
    write_checksums(models, LINEAR_PARTS)


def make_forecaster(models: Path) -> None:
    write_json(models / "config.json", {"cell": "gru", "input_size": 1, "hidden_size": 4})


@pytest.mark.parametrize("change", [make_linear, make_forecaster])
def test_other_models_are_refused(models: Path, tmp_path: Path, change: object) -> None:
    change(models)
    with pytest.raises(InputError) as caught:
        export_model(models, tmp_path / "exported")
    assert str(caught.value) == f"{models} holds no network that classifies texts: only these can be exported"
    assert not (tmp_path / "exported").exists()


def make_project(output: Path) -> None:
    (output / "unroll").mkdir(parents=True)
    (output / "unroll" / "own.py").touch()


def make_readme(output: Path) -> None:
    output.mkdir()
    (output / "README.md").write_text("mine")


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("mine"), "is no folder: expected a new folder or an earlier export"),
        (lambda path: path.symlink_to("."), "is no folder: expected a new folder or an earlier export"),
        (make_folder, "holds notes.txt, which an export does not: expected a new folder or an earlier export"),
        (make_project, "holds unroll/own.py, which an export does not: expected a new folder or an earlier export"),
        (make_readme, "is no earlier export: it lacks examples.json"),
    ],
)
def test_what_is_no_export_is_never_replaced(models: Path, tmp_path: Path, make: object, message: str) -> None:
    output = tmp_path / "exported"
    make(output)
    before = read_tree(tmp_path)
    with pytest.raises(InputError) as caught:
        export_model(models, output)
    assert str(caught.value) == f"--output {output} {message}"
    assert read_tree(tmp_path) == before


def test_the_models_own_folder_is_never_replaced(models: Path) -> None:
    with pytest.raises(InputError, match=r"holds checksums\.json, which an export does not"):
        export_model(models, models)


def run_command(tmp_path: Path, *options: str, most_bytes: int | None = None) -> SimpleNamespace:
    def limit() -> None:
        if most_bytes:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.run(
        ["unroll", "export", *options],
        cwd=tmp_path,
        env=make_environment(),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_tells_what_it_wrote(models: Path, tmp_path: Path) -> None:
    result = run_command(tmp_path)
    expected = "exported/model.onnx: bidirectional GRU, 2 classes; exported/README.md says how to use it\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")
    result = run_command(tmp_path, "--models", "nowhere")
    missing = "error: nowhere/config.json is missing: `dvc repro` makes it, `dvc pull` fetches it\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", missing)


@pytest.mark.parametrize(
    ("options", "most_bytes", "message"),
    [
        (["--output", "out"], 6000, "error: out cannot be written: File too large\n"),
        (["--output", "models/labels.json/out"], None, "error: models/labels.json/out cannot be written: "),
    ],
)
def test_without_room_there_is_no_folder(
    models: Path, tmp_path: Path, options: list[str], most_bytes: int | None, message: str
) -> None:
    before = read_tree(tmp_path)
    result = run_command(tmp_path, *options, most_bytes=most_bytes)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith(message)
    assert read_tree(tmp_path) == before


@pytest.mark.slow
def test_the_samples_headlines_have_the_same_probabilities(quick: Workspace, tmp_path: Path) -> None:
    with (ROOT / "data" / "sample" / "headlines.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    assert len(texts) == 2880
    models = quick.path / "models"
    assert export_model(models, tmp_path / "exported").ngrams
    assert find_largest_difference(tmp_path / "exported", models, texts) <= WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_real_titles_have_the_same_probabilities(ag_news: Path, tmp_path: Path, cell: str) -> None:
    """With random weights of the default size, which tell the titles apart."""
    with ag_news.open(encoding="utf-8", newline="") as file:
        titles = [row[1] for row in csv.reader(file)]
    params = read_text_params(ROOT / "params.yaml")
    models = write_models(tmp_path / "models")
    cleaning = Cleaning(**read_json(models / "cleaning.json"))
    tokenizer = train_tokenizer([[clean_text(title, cleaning) for title in titles]], params.tokenize)
    tokenizer.save(str(models / "tokenizer.json"))
    values = params.model.model_dump(include=set(ArchitectureParams.model_fields)) | {"cell": cell}
    config = ModelConfig(**values, vocabulary_size=tokenizer.get_vocab_size(), classes=2)
    torch.manual_seed(0)
    network = TextClassifier(config)
    with torch.no_grad():
        network.embedding.weight.mul_(10)
        network.ngrams.weight.normal_()
        network.ngrams.idf.uniform_(1, 10)
    write_json(models / "config.json", config.model_dump())
    save_file(network.state_dict(), models / "model.safetensors")
    write_checksums(models, TEXT_PARTS)
    export_model(models, tmp_path / "exported")
    assert np.std(load_classifier(models).predict(titles[:1000])) > 0.1
    assert find_largest_difference(tmp_path / "exported", models, titles) <= WITHIN


@pytest.mark.exhaustive
def test_real_reviews_have_the_same_probabilities(all_pipelines: Workspace, imdb: Path, tmp_path: Path) -> None:
    """Long texts, and a head of one logit."""
    models = all_pipelines.path / "pipelines" / "imdb" / "models"
    assert export_model(models, tmp_path / "exported").head == "logit"
    with tarfile.open(imdb) as archive:
        files = (member for member in archive if re.search(r"/(pos|neg)/.*\.txt$", member.name))
        texts = [archive.extractfile(member).read().decode() for member in files]
    assert len(texts) == 37_500
    assert find_largest_difference(tmp_path / "exported", models, texts) <= WITHIN
