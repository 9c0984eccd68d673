"""models/ put together, and refused when its parts are damaged or of different trainings."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from builders import make_config
from unroll.base.errors import InputError
from unroll.base.files import write_json
from unroll.inference.classifier import load_classifier
from unroll.models.classifier import TextClassifier
from unroll.models.files import TEXT_PARTS, write_checksums
from unroll.params.texts import TokenizeParams
from unroll.text.clean import Cleaning, clean_text
from unroll.text.vocabulary import encode_texts, make_text_tokenizer, train_tokenizer


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models/ folder of an untrained model."""
    torch.manual_seed(0)
    params = TokenizeParams(level="word", vocabulary_size=50, min_count=1, max_tokens=5)
    tokenizer = train_tokenizer([["shares fall", "team wins cup", "don't panic"]], params)
    config = make_config(cell="lstm", pooling="attention", vocabulary_size=tokenizer.get_vocab_size())
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    save_file(TextClassifier(config).state_dict(), tmp_path / "model.safetensors")
    write_json(tmp_path / "config.json", config.model_dump())
    write_json(tmp_path / "labels.json", ["Business", "Sports"])
    cleaning = {
        "html": "decode",
        "lowercase": True,
        "brackets": "keep",
        "numbers": "keep",
        "punctuation": "drop",
        "stemming": "none",
    }
    write_json(tmp_path / "cleaning.json", cleaning | {"stop_words": ["the"]})
    write_checksums(tmp_path, TEXT_PARTS)
    return tmp_path


def test_predictions_do_not_depend_on_company(models: Path) -> None:
    classifier = load_classifier(models)
    texts = ["Shares fall", "The team wins the cup!", "???", "Don’t panic", "shares"]
    together = classifier.predict(texts)
    assert together.shape == (5, 2)
    assert np.isnan(together[2]).all()
    for number in (0, 1, 3, 4):
        np.testing.assert_allclose(classifier.predict([texts[number]])[0], together[number], atol=1e-6)
        assert together[number].sum() == pytest.approx(1)
    assert classifier.predict([]).shape == (0, 2)
    assert classifier.predict(["!"]).shape == (1, 2)


@pytest.mark.parametrize("texts", [["shares fall"], ["shares fall", "team"]])
def test_weights_that_give_no_numbers_are_told(models: Path, texts: list[str]) -> None:
    weights = load_file(models / "model.safetensors")
    save_file(weights | {"head.bias": torch.full_like(weights["head.bias"], torch.nan)}, models / "model.safetensors")
    write_checksums(models, TEXT_PARTS)
    classifier = load_classifier(models)
    with pytest.raises(InputError, match="the model's weights give no probabilities"):
        classifier.predict(texts)


LEVELS = ("word", "char", "bpe")
CHARACTERS = st.sampled_from(" abcdeXÅß'.<>&;-\u3000\x85\x1c") | st.characters(exclude_categories=["Cs"])


def make_cleaning(**changes: object) -> Cleaning:
    values = {
        "html": "decode",
        "lowercase": True,
        "brackets": "keep",
        "numbers": "keep",
        "punctuation": "drop",
        "stemming": "none",
    }
    return Cleaning(**(values | {"stop_words": []} | changes))


@pytest.mark.parametrize("punctuation", ["keep", "drop"])
@given(texts=st.lists(st.text(CHARACTERS, max_size=30) | st.just("<unk> a <pad>")))
def test_one_text_is_encoded_as_the_tokenizer_encodes_many(texts: list[str], punctuation: str) -> None:
    cleaned = [clean_text(text, make_cleaning(punctuation=punctuation)) for text in texts]
    for level in LEVELS:
        params = TokenizeParams(level=level, vocabulary_size=50, min_count=1, max_tokens=4)
        tokenizer = train_tokenizer([cleaned[::2], ["a b c d"]], params)
        encode = make_text_tokenizer(tokenizer)
        assert [encode(text) for text in cleaned] == encode_texts(tokenizer, cleaned)


def test_real_titles_are_encoded_as_the_tokenizer_encodes_them(ag_news: Path) -> None:
    with ag_news.open(encoding="utf-8", newline="") as file:
        titles = [clean_text(row[1], make_cleaning()) for row in csv.reader(file)]
    params = TokenizeParams(level="word", vocabulary_size=100_000, min_count=2, max_tokens=12)
    tokenizer = train_tokenizer([titles], params)
    encode = make_text_tokenizer(tokenizer)
    assert [encode(title) for title in titles] == encode_texts(tokenizer, titles)


def test_tables_name_the_class_and_leave_rows_without_text_empty(models: Path) -> None:
    table = load_classifier(models).tabulate(["Shares fall", ""])
    assert list(table.columns) == ["prediction", "probability_Business", "probability_Sports"]
    best = table.loc[0, ["probability_Business", "probability_Sports"]].astype(float).argmax()
    assert table.loc[0, "prediction"] == ["Business", "Sports"][best]
    assert table.loc[1, "prediction"] == ""
    assert table.loc[1].isna().sum() == 2


def change_config(models: Path, **changes: object) -> None:
    write_json(models / "config.json", json.loads((models / "config.json").read_text()) | changes)


@pytest.mark.parametrize("name", [*TEXT_PARTS, "checksums.json"])
def test_a_missing_file_is_named(models: Path, name: str) -> None:
    (models / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing: `dvc repro` makes it, `dvc pull` fetches it"):
        load_classifier(models)


@pytest.mark.parametrize("name", [*TEXT_PARTS, "checksums.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"cell": "gru"}', b"\x80\x04K\x01."])
def test_a_damaged_file_is_named(models: Path, name: str, content: bytes) -> None:
    (models / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        load_classifier(models)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 3}, "config.json is of a model with 3 classes and 9 tokens, labels.json .* have 2 and 9"),
        ({"vocabulary_size": 8}, "model with 2 classes and 8 tokens"),
        ({"hidden_size": 7}, r"model\.safetensors does not fit config\.json beside it"),
        ({"cell": "gru"}, r"model\.safetensors does not fit config\.json beside it"),
        ({"pooling": "max"}, r"model\.safetensors does not fit config\.json beside it"),
        ({"layers": 2}, r"model\.safetensors does not fit config\.json beside it"),
        ({"temperature": 0}, r"config\.json: temperature = 0: expected greater than 0"),
        ({"vocabulary_size": 10**15}, "vocabulary_size = 1000000000000000: expected less than or equal to 10000000"),
        ({"hidden_size": 10**15}, "hidden_size = 1000000000000000: expected less than or equal to 10000"),
        ({"embedding_size": 10_000}, r"model\.safetensors does not fit config\.json beside it"),
    ],
)
def test_files_of_different_trainings(models: Path, changes: dict[str, object], message: str) -> None:
    change_config(models, **changes)
    with pytest.raises(InputError, match=message):
        load_classifier(models)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.json", '{"a": 1}', "is not what training writes: expected a list of names"),
        ("labels.json", '["a", 1]', "is not what training writes: expected a list of names"),
        ("labels.json", '["a", ""]', "is not what training writes: expected a list of names"),
        ("labels.json", '["b", "a", "b"]', "has 'b' more than once: expected distinct names"),
        ("labels.json", "[" * 100_000, "is not JSON"),
        ("labels.json", '["a", "b", "c"]', "labels.json and tokenizer.json have 3 and 9"),
        ("cleaning.json", "3", "the file = 3: expected parameters in the form 'name: value'"),
        ("cleaning.json", '{"html": "perhaps"}', "html = 'perhaps': expected 'feed', 'decode' or 'keep'"),
        ("config.json", '{"cell": "gru", "pickle": 1}', "is missing"),
        ("checksums.json", "[]", "is not what training writes: expected checksums of cleaning.json, config.json, "),
        ("checksums.json", '{"../../etc/passwd": "0"}', "is not what training writes: expected checksums of cleaning"),
    ],
)
def test_files_that_training_does_not_write(models: Path, name: str, content: str, message: str) -> None:
    (models / name).write_text(content)
    with pytest.raises(InputError) as caught:
        load_classifier(models)
    assert str(caught.value).startswith(str(models)) and message in str(caught.value)
    assert str(caught.value).isprintable()


def change_tokenizer(models: Path, change: Callable[[dict], object]) -> None:
    tokenizer = json.loads((models / "tokenizer.json").read_text())
    change(tokenizer)
    (models / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found["model"]["vocab"].update(cup=10**9), "expected ids from <pad> = 0 and <unk> = 1 on"),
        (lambda found: found["model"]["vocab"].update(cup=2, team=2), "expected ids from <pad> = 0 and <unk> = 1 on"),
        (lambda found: found.update(truncation=None), "expected a greatest length of texts"),
    ],
)
def test_a_tokenizer_that_training_does_not_write(models: Path, change: Callable, message: str) -> None:
    change_tokenizer(models, change)
    with pytest.raises(InputError, match=rf"tokenizer\.json is not what training writes: {message}"):
        load_classifier(models)


def test_the_tokenizer_of_another_run_is_refused(models: Path) -> None:
    """It has as many tokens, so nothing else distinguishes it from the right one."""

    def swap(tokenizer: dict) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["cup"], vocabulary["team"] = vocabulary["team"], vocabulary["cup"]

    change_tokenizer(models, swap)
    message = f"{models}/tokenizer.json is not the one that {models}/model.safetensors was trained with: expected the"
    with pytest.raises(InputError, match=re.escape(message)):
        load_classifier(models)


@pytest.mark.parametrize("name", TEXT_PARTS)
def test_a_flipped_bit_is_refused(models: Path, name: str) -> None:
    path = models / name
    content = bytearray(path.read_bytes())
    if name == "model.safetensors":
        content[-1] ^= 1  # a digit of a weight, which safetensors reads as well
        path.write_bytes(content)
    else:
        path.write_bytes(content + b" ")  # the same JSON
    with pytest.raises(InputError) as caught:
        load_classifier(models)
    assert str(caught.value).startswith(f"{path} is not the one that ")
    assert ": expected the files of one training" in str(caught.value)


def test_weights_of_half_precision(models: Path) -> None:
    path = models / "model.safetensors"
    save_file({name: weight.half() for name, weight in load_file(path).items()}, path)
    with pytest.raises(InputError, match=r"model\.safetensors does not fit config\.json beside it"):
        load_classifier(models)


def test_a_configuration_without_temperature_means_one(models: Path) -> None:
    expected = load_classifier(models).predict(["Shares fall"])
    config = json.loads((models / "config.json").read_text())
    assert config.pop("temperature") == 1
    write_json(models / "config.json", config)
    write_checksums(models, TEXT_PARTS)
    np.testing.assert_array_equal(load_classifier(models).predict(["Shares fall"]), expected)
    change_config(models, temperature=100.0)
    write_checksums(models, TEXT_PARTS)
    np.testing.assert_allclose(load_classifier(models).predict(["Shares fall"]), 0.5, atol=0.05)


def test_a_truncated_model(models: Path) -> None:
    path = models / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"model\.safetensors holds no weights"):
        load_classifier(models)
