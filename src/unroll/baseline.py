"""The rival of the networks: a linear classifier of words and of parts of words, which trains in seconds."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC

from unroll.calibration import fit_temperature
from unroll.macro_f1 import compute_macro_f1

CANDIDATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # values of C, the inverse strength of regularization


@dataclass(frozen=True)
class Baseline:
    """A fitted linear classifier, and what was chosen for it by the validation split."""

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


def fit_baseline(texts: list[str], labels: np.ndarray, val_texts: list[str], val_labels: np.ndarray) -> Baseline:
    """Fit TF-IDF of words and of characters inside words, and a linear support vector machine upon it.

    texts are cleaned ones, as the networks read them; labels: [rows] int64. Everything is learned from the training
    rows; validation rows choose C, by macro-F1, and the temperature that makes probabilities of distances.
    """
    features = make_features()
    rows, val_rows = features.fit_transform(texts), features.transform(val_texts)
    fitted = [LinearSVC(C=c, random_state=0).fit(rows, labels) for c in CANDIDATES]
    distances = [_decide(classifier, val_rows) for classifier in fitted]
    scores = [compute_macro_f1(val_labels, values.argmax(axis=1), values.shape[1]) for values in distances]
    best = int(np.argmax(scores))
    return Baseline(
        features, fitted[best], CANDIDATES[best], fit_temperature(distances[best], val_labels), scores[best]
    )


def make_features() -> FeatureUnion:
    """Return the features: words alone and in pairs, and 2 to 5 characters inside a word, weighted by TF-IDF."""
    settings = {"lowercase": False, "sublinear_tf": True, "dtype": np.float32}  # cleaning has decided about case
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), **settings)  # nosec B106 # no secret
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings)
    return FeatureUnion([("words", words), ("characters", characters)])


def _decide(classifier: LinearSVC, rows: np.ndarray) -> np.ndarray:
    """Return a distance for each class, `[rows, classes]`; of two classes scikit-learn gives but one."""
    distances = classifier.decision_function(rows)
    return distances if distances.ndim == 2 else np.stack([-distances, distances], axis=1)
