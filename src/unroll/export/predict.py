"""Classify texts with the model in this folder: `python predict.py "Shares fall"`; without a text, check examples.json.

`unroll export` puts this file beside model.onnx. It shows each step from a text to probabilities, for those who write
the same in another language. It needs numpy, onnxruntime, pydantic, regex and tokenizers (and nltk if cleaning.json
asks for stems). The definitions of cleaning and n-grams are in unroll/ beside it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from unroll.text.clean import Cleaning, clean_text
from unroll.text.ngrams import make_hasher


class ExportedClassifier:
    """The files of an export, put together."""

    def __init__(self, folder: Path) -> None:
        self.class_names = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        self.cleaning = Cleaning(**json.loads((folder / "cleaning.json").read_text(encoding="utf-8")))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # more gain little on products of this size
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options)
        self.hash_text = make_hasher((self.tokenizer.truncation or {})["max_length"])

    def clean(self, text: str) -> str:
        return clean_text(text, self.cleaning)

    def encode(self, cleaned: str) -> list[int]:
        return self.tokenizer.encode(cleaned, add_special_tokens=False).ids

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities, `[texts, classes]` float32; NaN for a text without a token."""
        cleaned = [self.clean(text) for text in texts]
        ids = [self.encode(text) for text in cleaned]
        rows = [row for row, text in enumerate(ids) if text]  # the model needs a token
        probabilities = np.full((len(texts), len(self.class_names)), np.nan, dtype=np.float32)
        if rows:
            inputs = dict(zip(("ids", "lengths"), pad([ids[row] for row in rows]), strict=True))
            if len(self.session.get_inputs()) > 2:
                ngrams = pad([self.hash_text(cleaned[row]).tolist() for row in rows])
                inputs |= dict(zip(("ngrams", "ngram_counts"), ngrams, strict=True))
            (probabilities[rows],) = self.session.run(["probabilities"], inputs)
        return probabilities


def pad(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows as an array, `[rows, longest]` int64, padded with zeros, and their lengths, `[rows]` int64."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = [number for row in rows for number in row]
    return padded, lengths


def compare(classifier: ExportedClassifier, examples: list[dict[str, Any]]) -> float:
    """Return how far any probability is from that of examples.json; end if a step before comes to something else."""
    for example in examples:
        cleaned = classifier.clean(example["text"])
        steps = {
            "cleaned": cleaned,
            "ids": classifier.encode(cleaned),
            "ngrams": classifier.hash_text(cleaned).tolist(),
        }
        for name, found in steps.items():
            if found != example[name]:
                raise SystemExit(f"{example['text']!r}: {name} is {found!r}, expected {example[name]!r}")
    nothing = [np.nan] * len(classifier.class_names)
    expected = np.array([example["probabilities"] or nothing for example in examples])
    found = classifier.predict([example["text"] for example in examples])
    return float(np.abs(np.nan_to_num(found, nan=-1) - np.nan_to_num(expected, nan=-1)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify texts, each on a line of JSON.")
    parser.add_argument("texts", nargs="*", help="after -- if one begins with a dash; without any, check examples.json")
    texts = parser.parse_args().texts
    folder = Path(__file__).parent
    classifier = ExportedClassifier(folder)
    for text, row in zip(texts, classifier.predict(texts), strict=True):
        named = None if np.isnan(row).any() else dict(zip(classifier.class_names, row.tolist(), strict=True))
        print(json.dumps({"text": text, "probabilities": named}))
    if not texts:
        examples = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
        print(f"{len(examples)} examples, probabilities within {compare(classifier, examples):.1e}")


if __name__ == "__main__":
    main()
