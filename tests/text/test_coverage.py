"""What is reported about texts that are cut and tokens that are unknown."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.params.texts import TokenizeParams
from unroll.stages import tokenize
from unroll.text.clean import Cleaning, clean_text
from unroll.text.coverage import Coverage, count_unspaced, describe_cut, describe_unknown, describe_unspaced
from unroll.text.encode_columns import make_column_tokenizer
from unroll.text.tokens import UNKNOWN_ID
from unroll.text.vocabulary import encode_texts, train_tokenizer
from workspaces import ROOT

PLAIN = Cleaning(
    html="decode",
    lowercase=True,
    brackets="keep",
    numbers="keep",
    punctuation="drop",
    stop_words=frozenset(),
    stemming="none",
)
DEFAULTS = Path(__file__).parents[2] / "params.yaml"
TEXTS = st.lists(st.lists(st.sampled_from(["known", "word", "other", "日本"]), max_size=5).map(" ".join))


def share(cut: float = 0.0, unknown: float = 0.0) -> dict[str, float]:
    return {"cut": cut, "unknown": unknown}


@given(TEXTS, TEXTS, st.integers(1, 4), st.sampled_from(["word", "char"]))
def test_shares_are_those_of_texts_counted_one_by_one(
    texts: list[str], more: list[str], max_tokens: int, level: str
) -> None:
    params = TokenizeParams(level=level, vocabulary_size=100, min_count=1, max_tokens=max_tokens)
    encoder = make_column_tokenizer(train_tokenizer([["known word"]], params))
    coverage = Coverage()
    for batch in (texts, more):
        ids, _, cut = encoder.encode(pa.array(batch, pa.string()))
        coverage.count(ids, cut)
    whole = [text.split() if level == "word" else list(text) for text in texts + more]
    read = [token for tokens in whole for token in tokens[:max_tokens]]
    known = {"known", "word"} if level == "word" else set("known word")
    assert coverage.summarize() == {
        "cut": sum(len(tokens) > max_tokens for tokens in whole) / max(len(whole), 1),
        "unknown": sum(token not in known for token in read) / max(len(read), 1),
    }


def test_nothing_has_no_gaps() -> None:
    coverage = Coverage()
    coverage.count(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=bool))
    assert coverage.summarize() == share()


def test_a_few_cut_texts_and_unknown_tokens_are_not_told() -> None:
    assert describe_cut(share(cut=0.05, unknown=1), 64) == []
    assert describe_unknown(validation=share(cut=1, unknown=0.5), test=share(cut=1, unknown=0.5)) == []


def test_many_cut_texts_are_told_with_a_remedy() -> None:
    (cut,) = describe_cut(share(cut=0.123), 64)
    assert cut == (
        "tokenize.max_tokens = 64 cuts 12.3% of the training texts: a larger one lets the network read more of them"
    )


@pytest.mark.parametrize(
    ("val", "test", "about"), [(0.998, 0.9, "99.8% of the validation"), (0, 0.9, "90.0% of the test")]
)
def test_many_unknown_tokens_are_told_with_a_remedy(val: float, test: float, about: str) -> None:
    (unknown,) = describe_unknown(validation=share(unknown=val), test=share(unknown=test))
    assert unknown == (
        f"{about} tokens are unknown: try tokenize.level = char or bpe, a lower tokenize.min_count, a larger "
        "tokenize.vocabulary_size or more training texts"
    )


def write_no_excerpts() -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": []}), "data/splits/excerpts.parquet")


def test_texts_without_spaces_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEFAULTS, "params.yaml")
    Path("data/splits").mkdir(parents=True)
    for split, first in (("train", "股市下跌"), ("val", "球队获胜"), ("test", "新手机上市")):
        table = {"text": [first, first + "了", "a " * 65], "context": [""] * 3, "label": ["x", "y", "y"]}
        pq.write_table(pa.table(table), f"data/splits/{split}.parquet")
    write_no_excerpts()
    tokenize.main()
    shares = json.loads(Path("metrics/tokens.json").read_text())
    assert shares["train"] == {"cut": 0.333333, "unknown": 0.0}
    assert shares["val"] == shares["test"] == {"cut": 0.333333, "unknown": 0.030303}
    assert capsys.readouterr().err.startswith("warning: tokenize.max_tokens = 64 cuts 33.3% of the training texts: ")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("max_tokens: 64", "max_tokens: 1"))
    tokenize.main()
    assert "warning: 66.7% of the validation tokens are unknown: try tokenize.level = char" in capsys.readouterr().err


def read_sentences(language: str) -> list[str]:
    with (Path(__file__).parent / "tables" / f"{language}.csv").open(encoding="utf-8", newline="") as file:
        return [clean_text(row["text"], PLAIN) for row in csv.DictReader(file)]


def measure_unknown(level: str, train: list[str], test: list[str]) -> float:
    params = TokenizeParams(level=level, vocabulary_size=100_000, min_count=1, max_tokens=64)
    ids = np.concatenate(encode_texts(train_tokenizer([train], params), test))
    return float(np.mean(ids == UNKNOWN_ID))


@pytest.mark.parametrize("language", ["chinese", "japanese", "thai"])
def test_languages_without_spaces_need_another_level_as_the_docs_say(language: str) -> None:
    sentences = read_sentences(language)
    train, test = [text for row, text in enumerate(sentences) if row % 3], sentences[::3]
    (line,) = describe_unspaced(*count_unspaced(pa.array(train)))
    assert "of the training text has no spaces between words, so that a clause counts as one: try" in line
    word, bpe, char = (measure_unknown(level, train, test) for level in ("word", "bpe", "char"))
    assert word == 1 and bpe < 0.4
    docs = (ROOT / "docs" / "data.md").read_text()
    assert f"| {language.capitalize()} | {word:.0%} | {bpe:.0%} | {char:.0%} |".replace("%", " %") in docs


def test_text_whose_words_are_separated_is_as_good_as_any() -> None:
    texts = [
        "球员 们 下半场 踢得 更好",
        "バスケットボール チーム が 勝っ た",
        "shares fall",
        "ทีม บาสเกตบอล เข้า รอบ",
        "",
    ]
    assert describe_unspaced(*count_unspaced(pa.array(texts))) == []
    assert describe_unspaced(*count_unspaced(pa.array([], pa.string()))) == []
    assert describe_unspaced(*count_unspaced(pa.array(["a" * 70 + "球员们下半场踢得更好"]))) == []


@pytest.mark.parametrize("level", ["word", "bpe"])
def test_only_words_need_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, level: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(DEFAULTS.read_text().replace("level: word", f"level: {level}"))
    Path("data/splits").mkdir(parents=True)
    for split in ("train", "val", "test"):
        table = {"text": read_sentences("thai"), "context": [""] * 36, "label": ["x", "y"] * 18}
        pq.write_table(pa.table(table), f"data/splits/{split}.parquet")
    write_no_excerpts()
    tokenize.main()
    assert ("warning: 99.6% of the training text has no spaces" in capsys.readouterr().err) == (level == "word")
