"""Doubtful labels: planted errors are found, and no row judges itself."""

import numpy as np
import pandas as pd
import pytest
from benchmarks.label_errors import SHARE, measure_recall

from unroll.base.errors import InputError
from unroll.data.datasets import find_sample
from unroll.look import labels as module
from unroll.look.labels import check_classes, find_suspects, predict_out_of_fold
from workspaces import ROOT

TEXTS = [f"{word} {n}" for n in range(12) for word in ("shares fall", "cup final")]
LABELS = np.array([0, 1] * 12)


def test_planted_errors_of_the_sample_are_found_many_times_as_often_as_by_chance() -> None:
    sample = pd.read_csv(find_sample(ROOT / "data" / "sample"))
    _, labels = np.unique(sample["label"], return_inverse=True)
    found = measure_recall(sample["text"].tolist(), labels, 64, 1)
    assert found.planted == round(SHARE * len(sample))
    assert found.at_k >= 0.5  # ten times chance
    assert found.recall >= 0.75 and found.suspects <= 0.2 * len(sample)


def test_a_wrong_label_comes_first_with_the_right_one() -> None:
    wrong = LABELS.copy()
    wrong[6] = 1
    found = find_suspects(TEXTS, wrong, 64, 3, 1)
    assert (found.rows.tolist(), found.suggested.tolist()) == ([6], [0])
    assert found.given[0] < 0.5 < found.better[0]
    assert not len(find_suspects(TEXTS, LABELS, 64, 3, 1).rows)


def test_no_row_is_judged_by_a_classifier_that_saw_it() -> None:
    """Rows without a common n-gram: who has not seen a row can only guess, and guesses the same for all of a fold."""
    texts = [chr(ord("\u4e00") + number) for number in range(len(LABELS))]
    probabilities = predict_out_of_fold(texts, LABELS, 64, 3, 1)
    assert len(np.unique(probabilities, axis=0)) <= 3


@pytest.mark.parametrize(("bound", "most"), [("READINGS", 2 * len(TEXTS)), ("LENGTH", sum(map(len, TEXTS)))])
def test_of_much_text_words_alone_are_learned(bound: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    make_rows = module.make_rows

    def count(texts: list[str], vocabularies: tuple, hashers: tuple) -> object:
        kinds.append(len(hashers))
        return make_rows(texts, vocabularies, hashers)

    monkeypatch.setattr(module, "make_rows", count)
    for limit in (most, most - 1):
        monkeypatch.setattr(module, bound, limit)
        predict_out_of_fold(TEXTS, LABELS, 64, 2, 1)
    assert kinds == [2] * 4 + [1] * 4


def test_a_class_has_a_row_for_each_fold() -> None:
    check_classes(np.array([0, 0, 1, 1]), ["a", "b"], 2)
    with pytest.raises(InputError, match="--folds 3: class 'b' has 2 training rows, expected at least one for each"):
        check_classes(np.array([0, 0, 0, 1, 1]), ["a", "b"], 3)
