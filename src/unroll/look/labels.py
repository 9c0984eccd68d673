"""Which training rows may have a wrong label: what the linear baseline says of each after learning from the others."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.model_selection import StratifiedKFold
from tqdm import tqdm

from unroll.base.errors import InputError
from unroll.evaluation.validation import fit_temperature
from unroll.linear.fit import COEFFICIENTS, LENGTH, READINGS, fit_machines, learn_vocabulary, make_rows
from unroll.text.ngrams import CHARACTERS, make_hashers

# The baseline's C is chosen on validation rows, which are not read here. From 0.1 to 1 it makes little difference.
C = 0.3


@dataclass(frozen=True)
class Suspects:
    """Rows whose label may be wrong, the most doubtful first.

    rows: [suspects] int64, numbers of rows; suggested: [suspects] int64, the class that is more probable; given,
    better: [suspects] float64, the probability of the label that the row has and of that class.
    """

    rows: np.ndarray
    suggested: np.ndarray
    given: np.ndarray
    better: np.ndarray


def find_suspects(texts: list[str], labels: np.ndarray, max_tokens: int, folds: int, seed: int) -> Suspects:
    """Find the rows whose label is probably wrong by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

    texts: [rows], cleaned; labels: [rows] int64; max_tokens: as for `make_hashers`. Rows are ordered by the probability
    of their own label.
    """
    from cleanlab.filter import find_label_issues  # imported here: it takes seconds
    from cleanlab.rank import get_label_quality_scores

    probabilities = predict_out_of_fold(texts, labels, max_tokens, folds, seed)
    rows = np.flatnonzero(find_label_issues(labels, probabilities, n_jobs=1))
    quality = get_label_quality_scores(labels, probabilities, method="self_confidence")
    rows = rows[np.argsort(quality[rows], kind="stable")]
    suggested = probabilities[rows].argmax(axis=1)
    return Suspects(rows, suggested, probabilities[rows, labels[rows]], probabilities[rows, suggested])


def predict_out_of_fold(texts: list[str], labels: np.ndarray, max_tokens: int, folds: int, seed: int) -> np.ndarray:
    """Return the classes' probabilities of each row, `[rows, classes]` float64, by a classifier that never saw it.

    The rows are dealt into folds, each class evenly. Features and classifier of a fold are learned from the others, as
    the baseline's are. One temperature for all rows makes probabilities of distances.
    """
    classes = int(labels.max()) + 1
    read = sum(min(len(text), CHARACTERS * max_tokens) for text in texts)
    is_large = len(texts) * classes > READINGS or read > LENGTH  # as in `fit_linear`
    hashers = make_hashers(max_tokens)[: 1 if is_large else 2]
    distances = np.empty((len(texts), classes))
    dealt = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    for others, own in tqdm(dealt, "labels", total=folds, unit=" folds", disable=None):
        known, asked = ([texts[row] for row in rows] for rows in (others, own))
        vocabularies = tuple(learn_vocabulary(known, hash_text, COEFFICIENTS // classes) for hash_text in hashers)
        weight, bias = fit_machines(make_rows(known, vocabularies, hashers), labels[others], classes, C)
        distances[own] = make_rows(asked, vocabularies, hashers) @ weight + bias
    return softmax(distances / fit_temperature(distances, labels), axis=1)


def check_classes(labels: np.ndarray, class_names: list[str], folds: int) -> None:
    """Raise InputError unless every class has a row for each fold; labels: [rows] int64."""
    counts = np.bincount(labels, minlength=len(class_names)).tolist()
    count, name = min(zip(counts, class_names, strict=True))
    if count < folds:
        rows = f"{count} training row{'s' * (count != 1)}"
        raise InputError(f"--folds {folds}: class {name!r} has {rows}, expected at least one for each fold")
