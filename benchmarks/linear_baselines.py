"""Print how the network in models/ compares with linear classifiers, one of which has the same word vectors.

Run it in a pipeline's folder after `dvc repro`: `python -m benchmarks.linear_baselines`.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from unroll.base.files import load_array
from unroll.base.process import run_stage
from unroll.data.parquet import read_split
from unroll.evaluation.bootstrap import bootstrap_macro_f1
from unroll.evaluation.validation import compute_macro_f1
from unroll.linear.fit import CANDIDATES, learn_vocabulary, make_rows
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import read_text_params
from unroll.text.ngrams import make_hashers
from unroll.text.tokens import Tokens, load_tokens

SPLITS, TOKENS, VECTORS = Path("data/splits"), Path("data/tokens"), Path("data/vectors.npy")
PREDICTIONS = Path("metrics/plots/predictions.csv")
WEIGHTS = (0.5, 1.0, 2.0)  # of the mean vector, whose length is 1 as that of each kind of TF-IDF features


def main() -> None:
    texts = {
        name: [text for batch in read_split(SPLITS, name, "text") for text in batch["text"].to_pylist()]
        for name in SPLIT_NAMES
    }
    tokens = {name: load_tokens(TOKENS, name) for name in texts}
    labels = {name: np.array(split.labels) for name, split in tokens.items()}
    classes = int(labels["train"].max()) + 1
    hashers = make_hashers(read_text_params().tokenize.max_tokens)
    vocabularies = tuple(learn_vocabulary(texts["train"], hash_text, 10_000_000) for hash_text in hashers)
    words = {name: make_rows(split, vocabularies, hashers) for name, split in texts.items()}
    vectors = load_array(VECTORS, "vectors")
    means = {name: average_vectors(split, vectors) for name, split in tokens.items()} if len(vectors) else {}

    table = pd.read_csv(PREDICTIONS, keep_default_na=False)
    names = sorted(table["actual"].unique())
    network = np.searchsorted(names, table["predicted"].to_numpy())
    print("| classifier | test macro-F1 | network minus it [95 % interval] |\n|---|---|---|")
    print(f"| network | {compute_macro_f1(labels['test'], network, classes):.4f} | |")
    for title, weights in (("linear", (0.0,)), ("linear with the mean of the vectors", WEIGHTS if means else ())):
        candidates = [
            fit({name: join(words[name], means.get(name), weight) for name in words}, labels, classes, c)
            for weight, c in product(weights, CANDIDATES)
        ]
        if candidates:
            _, predicted = max(candidates, key=lambda candidate: candidate[0])
            score = compute_macro_f1(labels["test"], predicted, classes)
            interval = bootstrap_macro_f1(labels["test"], network, predicted, classes)
            print(f"| {title} | {score:.4f} | {interval.difference:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}] |")


def average_vectors(tokens: Tokens, vectors: np.ndarray) -> csr_matrix:
    """Return the mean of each text's vectors, of length 1; `[rows, features]`."""
    counts = csr_matrix(
        (np.ones(len(tokens.ids), dtype=np.float32), tokens.ids, tokens.offsets), shape=(len(tokens), len(vectors))
    )
    return csr_matrix(normalize(counts @ vectors))


def join(words: csr_matrix, means: csr_matrix | None, weight: float) -> csr_matrix:
    return words if means is None or not weight else hstack([words, means * weight]).tocsr()


def fit(rows: dict[str, csr_matrix], labels: dict[str, np.ndarray], classes: int, c: float) -> tuple[float, np.ndarray]:
    """Return the macro-F1 on validation, by which candidates are chosen, and the predicted classes of test rows."""
    classifier = LinearSVC(C=c, random_state=0).fit(rows["train"], labels["train"])
    score = compute_macro_f1(labels["val"], classifier.predict(rows["val"]), classes)
    return score, classifier.predict(rows["test"])


if __name__ == "__main__":
    run_stage(main)
