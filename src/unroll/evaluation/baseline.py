"""The networks' baseline: a linear classifier of words and character n-grams, which trains in seconds."""

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC

from unroll.evaluation.validation import compute_macro_f1, fit_temperature

CANDIDATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # values of C, the inverse strength of regularization
# Each class has its own machine, which reads all rows. Above this many readings (rows times classes; AG News has at
# most 480,000), parts of words, nine tenths of all features, are left out, and so is every other C.
READINGS = 500_000
# Of all training texts; where they are longer, only their beginnings are read, and parts of words are left out, too.
CHARACTERS = 30_000_000
COEFFICIENTS = 40_000_000  # at most, of words and of parts of words each (320 MB); the rarest are left out


@dataclass(frozen=True)
class Baseline:
    """A fitted linear classifier, with what the validation split chose for it."""

    features: FeatureUnion
    classifier: LinearSVC
    c: float
    temperature: float
    val_macro_f1: float

    @property
    def parameters(self) -> int:
        """Number of coefficients and intercepts."""
        return self.classifier.coef_.size + self.classifier.intercept_.size

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities, `[texts, classes]` float64."""
        return softmax(_decide(self.classifier, self.features.transform(texts)) / self.temperature, axis=1)


def fit_baseline(
    texts: list[str], labels: np.ndarray, val_texts: list[str], val_labels: np.ndarray, *, are_cut: bool = False
) -> Baseline:
    """Fit TF-IDF of words and of characters inside words, and a linear support vector machine on it.

    texts: cleaned, as the networks read them; labels: [rows] int64; are_cut: the texts are only beginnings. Everything
    is learned from the training rows. The validation rows choose C, by macro-F1, and the temperature that turns
    distances into probabilities. `READINGS` and `COEFFICIENTS` limit the features.
    """
    classes = int(labels.max()) + 1
    is_large = are_cut or len(texts) * classes > READINGS
    features = make_features(COEFFICIENTS // classes, parts_of_words=not is_large)
    rows, val_rows = features.fit_transform(texts), features.transform(val_texts)

    def fit(c: float) -> tuple[float, float, LinearSVC, np.ndarray]:
        classifier = LinearSVC(C=c, random_state=0).fit(rows, labels)
        distances = _decide(classifier, val_rows)
        return compute_macro_f1(val_labels, distances.argmax(axis=1), classes), c, classifier, distances

    # One at a time, since many classes leave no memory for all; of equal ones, the first is kept.
    score, c, classifier, distances = max(map(fit, CANDIDATES[1::2] if is_large else CANDIDATES), key=itemgetter(0))
    return Baseline(features, classifier, c, fit_temperature(distances, val_labels), score)


def choose_longest(lengths: np.ndarray) -> int | None:
    """Return how many characters of a text are read, so that they are `CHARACTERS` at most; None: all of them.

    lengths: [rows] int64, of the training texts. Short ones stay whole: the limit is the equal share that those which
    are cut have in what the others leave.
    """
    if lengths.sum() <= CHARACTERS:
        return None
    ascending = np.sort(lengths)
    left = CHARACTERS - np.cumsum(ascending) + ascending  # by this text and the longer ones
    shares = left // np.arange(len(lengths), 0, -1)
    return int(shares[np.argmax(shares < ascending)])


def make_features(most: int | None = None, parts_of_words: bool = True) -> FeatureUnion:
    """Return the features: single words and pairs, and 2 to 5 characters inside a word, weighted by TF-IDF.

    most: the limit for either kind; the most frequent are kept.
    """
    # Cleaning has already decided about case.
    settings = {"lowercase": False, "sublinear_tf": True, "dtype": np.float32, "max_features": most}
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), **settings)  # nosec B106 # no secret
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings)
    return FeatureUnion([("words", words), ("characters", characters if parts_of_words else "drop")])


def _decide(classifier: LinearSVC, rows: np.ndarray) -> np.ndarray:
    """Return a distance for each class, `[rows, classes]`; for two classes scikit-learn gives only one."""
    distances = classifier.decision_function(rows)
    return distances if distances.ndim == 2 else np.stack([-distances, distances], axis=1)
