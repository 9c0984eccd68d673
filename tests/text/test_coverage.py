"""What is reported about texts that are cut and tokens that are unknown."""

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
from unroll.text.coverage import Coverage, describe_cut, describe_unknown
from unroll.text.encode_columns import make_column_tokenizer
from unroll.text.vocabulary import train_tokenizer

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


def test_texts_without_spaces_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEFAULTS, "params.yaml")
    Path("data/splits").mkdir(parents=True)
    for split, first in (("train", "股市下跌"), ("val", "球队获胜"), ("test", "新手机上市")):
        table = {"text": [first, first + "了", "a " * 65], "context": [""] * 3, "label": ["x", "y", "y"]}
        pq.write_table(pa.table(table), f"data/splits/{split}.parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": []}), "data/splits/excerpts.parquet")
    tokenize.main()
    shares = json.loads(Path("metrics/tokens.json").read_text())
    assert shares["train"] == {"cut": 0.333333, "unknown": 0.0}
    assert shares["val"] == shares["test"] == {"cut": 0.333333, "unknown": 0.030303}
    assert capsys.readouterr().err.startswith("warning: tokenize.max_tokens = 64 cuts 33.3% of the training texts: ")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("max_tokens: 64", "max_tokens: 1"))
    tokenize.main()
    assert "warning: 66.7% of the validation tokens are unknown: try tokenize.level = char" in capsys.readouterr().err
