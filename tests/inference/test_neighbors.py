"""The nearest words, of a model folder and of files: as functions and as the command that a person types."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import save_file

from builders import make_config
from unroll.base.errors import InputError
from unroll.base.files import write_json
from unroll.cli.main import main
from unroll.inference.neighbors import find_neighbors, load_model_vectors, rank_words, suggest_words
from unroll.models.classifier import TextClassifier
from unroll.models.files import write_checksums
from unroll.params.texts import TokenizeParams
from unroll.text.vocabulary import train_tokenizer
from unroll.vectors.text_files import iterate_vectors
from workspaces import REAL_DATA

# By falling frequency, and the angle of each; "lone" has a vector of zeros.
ANGLES = {"shares": 0.0, "stocks": 0.3, "cup": 1.5, "final": 1.2, "lone": None}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models/ folder whose embedding is known; padding and the unknown token are nearest to "shares"."""
    params = TokenizeParams(level="word", vocabulary_size=50, min_count=1, max_tokens=5)
    texts = [" ".join([word] * (9 - place)) for place, word in enumerate(ANGLES)]
    tokenizer = train_tokenizer([texts], params)
    config = make_config(vocabulary_size=tokenizer.get_vocab_size())
    weights = TextClassifier(config).state_dict()
    weights["embedding.weight"].zero_()[:2, 0] = 1
    for word, angle in ANGLES.items():
        if angle is not None:
            direction = torch.tensor([np.cos(angle), np.sin(angle)])
            weights["embedding.weight"][tokenizer.token_to_id(word), :2] = direction * len(word)
    folder = tmp_path / "models"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "config.json", config.model_dump())
    write_checksums(folder, ("config.json", "tokenizer.json", "model.safetensors"))
    return folder


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """A file of vectors in which a word occurs twice, and one holds what moves a terminal's cursor."""
    path = tmp_path / "a.2d.txt"
    path.write_text("king 2 0\nqueen 3 1\nprince 5 -1\nking 0 1\nzero 0 0\nfar -1 0\n\x1b[2J 1 1\nqueen 1 0\n")
    return path


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """`unroll neighbors …` in a folder of its own: its exit code, and the lines of its output or of its errors."""

    def run_command(*arguments: str) -> tuple[int, list[str]]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["unroll", "neighbors", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr()
        assert bool(output.err) == bool(caught.value.code) != bool(output.out)
        return caught.value.code or 0, (output.err or output.out).splitlines()

    return run_command


def test_neighbors_in_the_model(models: Path, run: Callable) -> None:
    lines = ["stocks  0.9553", "final   0.3624", "cup     0.0707"]  # cosines of the angles
    assert run("shares") == (0, lines)
    models.rename(models.with_name("others"))
    assert run("shares", "--models", "others", "--top", "1") == (0, lines[:1])


def test_neighbors_in_a_file(vectors: Path, run: Callable) -> None:
    lines = ["queen    1.0000", "prince   0.9806", r"\x1b[2J  0.7071", "far      -1.0000"]
    assert run("king", "--vectors", str(vectors), "--dim", "2") == (0, lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["share"], "'share' is not among the words of models: similar ones are 'shares'"),
        (["STOCK"], "'STOCK' is not among the words of models: similar ones are 'stocks'"),
        (["<unk>"], "'<unk>' is not among the words of models: nor is one of similar spelling"),
        (["lone"], "'lone' has a vector of zeros in models, which is near to nothing: expected another word"),
        (["zero", "--vectors", "a.2d.txt"], "'zero' has a vector of zeros in a.2d.txt, which is near to nothing"),
        (["Kin", "--vectors", "a.2d.txt"], "'Kin' is not among the words of a.2d.txt: similar ones are 'king'"),
        (["king", "--vectors", "a.2d.txt", "--dim", "3"], "a.2d.txt has vectors of size 2: expected 3"),
        (["king", "--vectors", "b.txt"], "b.txt does not exist"),
        (["king", "--dim", "3"], "--dim 3 is given without --vectors: expected the file of word vectors too"),
        (["king", "--models", "nowhere"], "nowhere/config.json is missing: `dvc repro` makes it"),
    ],
)
@pytest.mark.usefixtures("models", "vectors")
def test_mistakes_are_told_in_one_line(run: Callable, arguments: list[str], message: str) -> None:
    code, (line,) = run(*arguments)
    assert code == 1
    assert line.startswith(f"error: {message}")


def test_files_of_different_trainings(models: Path) -> None:
    other = train_tokenizer([["a b"]], TokenizeParams(level="char", vocabulary_size=50, min_count=1, max_tokens=5))
    other.save(str(models / "tokenizer.json"))
    with pytest.raises(InputError, match=r"config\.json is of a model with 7 tokens, tokenizer\.json has 5: expected"):
        load_model_vectors(models)


def test_a_flipped_bit_is_refused(models: Path, run: Callable) -> None:
    content = bytearray((models / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (models / "model.safetensors").write_bytes(content)
    code, (line,) = run("shares")
    expected = "models/model.safetensors is not the one that checksums.json lists: expected the files of one training"
    assert code == 1
    assert line.startswith(f"error: {expected}")


def test_the_command_loads_no_more_than_it_needs(models: Path) -> None:
    script = "import sys; from unroll.cli.main import app; app(standalone_mode=False); print(*sys.modules)"
    command = [sys.executable, "-c", script, "neighbors", "shares", "--models", str(models)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    assert "numpy" in loaded
    assert not {"torch", "pandas", "pyarrow", "sklearn", "mlflow", "dvc", "gensim"} & set(loaded)


NUMBERS = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-10, 10, width=32)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=NUMBERS), st.data())
def test_the_ranking_is_that_of_all_cosines_however_the_rows_are_cut(rows: np.ndarray, data: st.DataObject) -> None:
    vector = np.float32([1, 2, -3])
    top = data.draw(st.integers(1, 40))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    places = zip([0, *cuts], [*cuts, len(rows)], strict=True)
    blocks = [([f"word{n}" for n in range(start, end)], rows[start:end]) for start, end in places if start < end]
    ranking = rank_words("word0", vector, blocks, top)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    expected = {
        f"word{n}": rows[n].astype(np.float64) @ vector / lengths[n] / np.linalg.norm(vector.astype(np.float64))
        for n in range(1, len(rows))
        if lengths[n]
    }
    assert len({word for word, _ in ranking}) == len(ranking) == min(top, len(expected))
    for (word, similarity), best in zip(ranking, sorted(expected.values(), reverse=True), strict=False):
        assert similarity == pytest.approx(best, abs=1e-9) == expected[word]


def test_suggestions_come_from_all_blocks_and_keep_their_case() -> None:
    blocks = [(["Oslo", "slow", "cup"], np.ones((3, 1))), (["OSLO", "Tokyo"], np.ones((2, 1)))]
    assert suggest_words("osloo", blocks) == ["Oslo", "slow"]
    assert suggest_words("TOKIO", blocks) == ["Tokyo"]
    assert suggest_words("xyz", blocks) == []


def test_real_vectors() -> None:
    path = REAL_DATA / "glove" / "glove.6B.50d.top5k.txt.gz"
    if not path.is_file():
        pytest.skip(f"the real GloVe vectors are not there: {path}")

    def find(word: str) -> list[str]:
        return [other for other, _ in find_neighbors(word, lambda: iterate_vectors(path, 50), 10, "glove")]

    assert {"queen", "prince"} <= set(find("king"))
    assert "football" in find("soccer")
