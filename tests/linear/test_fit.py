"""Fitting the linear classifier: what it learns from, and what bounds it."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from unroll.linear import fit as module
from unroll.linear.fit import CANDIDATES, choose_rows, fit_linear, learn_vocabulary
from unroll.text.ngrams import CHARACTERS, make_hashers

TEXTS = ["shares fall", "profit falls", "bank profit", "cup final", "the cup match", "match final"]
LABELS = np.array([0, 0, 0, 1, 1, 1])


def count_kinds(fit: module.Fit) -> int:
    return len(fit.model.vocabularies)


def test_it_learns_words_and_parts_of_words() -> None:
    fit = fit_linear(TEXTS, LABELS, ["shares", "cup"], np.array([0, 1]), 64)
    probabilities = fit.model.predict(["profits fall", "cupfinal"])  # neither word was there
    assert probabilities.argmax(axis=1).tolist() == [0, 1]
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])
    assert fit.val_macro_f1 == 1


def test_it_learns_nothing_from_validation_texts() -> None:
    fit = fit_linear(TEXTS, LABELS, ["unheard", "cup"], np.array([0, 1]), 64)
    for vocabulary, hash_text in zip(fit.model.vocabularies, make_hashers(64), strict=True):
        own = set(hash_text("unheard").tolist()) - {value for text in TEXTS for value in hash_text(text).tolist()}
        assert own and not own & set(vocabulary.hashes.tolist())


def test_fitting_again_gives_the_same_probabilities() -> None:
    first, second = (fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64).model.predict(TEXTS) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize(("bound", "most"), [("READINGS", len(TEXTS) * 2), ("LENGTH", sum(map(len, TEXTS)))])
def test_of_much_text_words_alone_and_fewer_candidates_do(
    bound: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, bound, most)
    small = fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64)
    monkeypatch.setattr(module, bound, most - 1)
    large = fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64)
    assert (count_kinds(small), count_kinds(large)) == (2, 1)
    assert (small.c, large.c) == (CANDIDATES[0], CANDIDATES[1])  # all are right: the first that is tried


def test_of_long_texts_the_beginnings_are_read() -> None:
    """What tells the classes apart stands behind so many letters."""
    filler = "x" * CHARACTERS
    texts = [f"{filler} {text}" for text in TEXTS]
    known, cut = (fit_linear(texts, LABELS, texts, LABELS, longest).val_macro_f1 for longest in (3, 1))
    assert (known, cut) == (1, pytest.approx(1 / 3))


def test_the_coefficients_have_a_bound_and_the_most_frequent_ngrams_are_kept() -> None:
    hash_words, _ = make_hashers(64)
    vocabulary = learn_vocabulary(["a b", "a c", "a d c"], hash_words, 2)
    assert set(vocabulary.hashes.tolist()) == {*hash_words("a").tolist(), *hash_words("c").tolist()}
    assert (np.diff(vocabulary.hashes.astype(np.int64)) > 0).all()
    weights = dict(zip(vocabulary.hashes.tolist(), vocabulary.idf.tolist(), strict=True))
    assert weights[hash_words("a")[0]] == pytest.approx(1)
    assert weights[hash_words("c")[0]] == pytest.approx(np.log(4 / 3) + 1)


def test_of_many_rows_a_part_chooses_and_all_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    class Counted(LinearSVC):
        def fit(self, rows: csr_matrix, labels: np.ndarray) -> "Counted":
            sizes.append(rows.shape[0])
            return super().fit(rows, labels)

    monkeypatch.setattr(module, "LinearSVC", Counted)
    monkeypatch.setattr(module, "ROWS", 4)
    fit = fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64)
    assert sizes == [3] * len(CANDIDATES) + [6]
    assert fit.val_macro_f1 == 1  # of what all rows taught


def test_fitted_classifiers_but_the_best_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: weakref.WeakSet[LinearSVC] = weakref.WeakSet()
    kept = []

    class Counted(LinearSVC):
        def fit(self, rows: object, labels: object) -> "Counted":
            kept.append(len(fitted))
            fitted.add(self)
            return super().fit(rows, labels)

    monkeypatch.setattr(module, "LinearSVC", Counted)
    fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64)
    assert len(kept) == len(CANDIDATES)
    assert max(kept) <= 2  # the best so far, and the last


@given(st.lists(st.integers(0, 4), min_size=1), st.integers(1, 9))
def test_a_choice_of_rows_has_every_class(labels: list[int], every: int) -> None:
    chosen = choose_rows(np.array(labels), every)
    assert set(np.array(labels)[chosen]) == set(labels)
    assert set(range(0, len(labels), every)) <= set(chosen) and len(set(chosen)) == len(chosen)
    assert len(chosen) <= -(-len(labels) // every) + len(set(labels))


def test_two_classes_of_which_one_is_rare_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that choose C must not all be of one class."""
    monkeypatch.setattr(module, "ROWS", 10)
    texts = [f"rain {number}" for number in range(39)] + ["sun"]
    labels = np.array([0] * 39 + [1])
    model = fit_linear(texts, labels, ["rain", "sun"], np.array([0, 1]), 9).model
    assert model.predict(["rain 3", "sun"]).argmax(axis=1).tolist() == [0, 1]
