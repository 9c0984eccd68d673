"""The folder that `unroll export` writes: the model, and all that is needed to give it texts in another language."""

import json
import shutil
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import compute_hash, explain_write_errors, open_scratch, read_json
from unroll.export.graph import IR_VERSION, OPSET, build_model
from unroll.inference.classifier import Classifier, TextNetwork, load_copy
from unroll.models.files import CHECKSUMS, ModelConfig
from unroll.text.clean import clean_text
from unroll.text.ngrams import CHARACTERS
from unroll.text.vocabulary import find_longest, load_tokenizer

HERE = Path(__file__).parent
COPIED = ("cleaning.json", "labels.json", "tokenizer.json")
# What defines cleaning and n-grams: read by people, and imported by predict.py.
CODE = ("__init__.py", "text/__init__.py", "text/clean.py", "text/markup.py", "text/ngrams.py")
MARKS = {"model.onnx", "examples.json"}  # by which an earlier export is known
FILES = {*COPIED, *MARKS, "README.md", "predict.py", *(f"unroll/{name}" for name in CODE)}
TEXTS = (
    "Shares fall after the company's profit warning",
    "The final tennis tournament starts next week.",
    "<b>AT&amp;T</b> &quot;sells&quot; unit for $$3.5 billion (again)",
    "Don’t panic: U.S. stocks — up 2½%",
    "CAFÉ Ａ，Ｂ ﬁnds İstanbul, Straße & Cafe\u0301",
    "सरकार ने नई किताब जारी की",
    "Правительство объявило о новых выборах",
    "日本の首相が訪米、株価上昇",
    "أعلنت الحكومة نتائج الانتخابات",
    "zero\u200bwidth soft\u00adhyphen می\u200cخواهم",
    "a",
    "qzxv wvutsrq",
    "word " * 300,
    "!?",
    "",
)


def export_model(models: Path, output: Path) -> ModelConfig:
    """Write the folder whole or not at all; return the configuration of the network in it.

    Raises:
        InputError: `models` holds no network that classifies texts, or is damaged; `output` is something else than an
            earlier export, or cannot be written.
    """
    check_output(output)
    config = read_json(models / "config.json")
    if not isinstance(config, dict) or "vocabulary_size" not in config:  # such as a model of sequences
        raise explain_other(models)
    with open_scratch(output) as scratch:
        copy, made = scratch / "models", scratch / "made"
        copy.mkdir()
        made.mkdir()
        classifier = load_copy(models, copy)
        model = classifier.model
        if not isinstance(model, TextNetwork):
            raise explain_other(models)
        (made / "model.onnx").write_bytes(build_model(model.network, describe(classifier, model, copy)))
        for name in COPIED:
            shutil.copyfile(copy / name, made / name)
        for name in CODE:
            target = made / "unroll" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE.parent / name, target)
        shutil.copyfile(HERE / "predict.py", made / "predict.py")
        (made / "README.md").write_text(write_contract(model.network.config, copy), encoding="utf-8")
        (made / "examples.json").write_text(write_examples(classifier, model), encoding="utf-8")
        with explain_write_errors(output):
            check_output(output)
            if output.exists():
                output.rename(scratch / "old")
            made.rename(output)
    return model.network.config


def check_output(output: Path) -> None:
    """Refuse what would be lost: anything but an empty folder, or an export without files of others.

    Raises:
        InputError: there is a file, a link, or a folder with other files.
    """
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise InputError(f"--output {output} is no folder: expected a new folder or an earlier export")
    files = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_symlink() or path.is_file()}
    others = sorted(name for name in files - FILES if not name.endswith(".pyc"))
    if others:
        raise InputError(
            f"--output {output} holds {others[0]}, which an export does not: expected a new folder or an earlier export"
        )
    if files and not files >= MARKS:
        raise InputError(f"--output {output} is no earlier export: it lacks {sorted(MARKS - files)[0]}")


def explain_other(models: Path) -> InputError:
    return InputError(f"{models} holds no network that classifies texts: only these can be exported")


def describe(classifier: Classifier, model: TextNetwork, models: Path) -> dict[str, str]:
    """Return the model's metadata."""
    return {
        "classes": json.dumps(classifier.class_names, ensure_ascii=False),
        "temperature": str(model.network.config.temperature),
        "checksums_sha256": compute_hash(models / CHECKSUMS, "sha256"),
    }


def write_contract(config: ModelConfig, models: Path) -> str:
    """Return what README.md says about this model."""
    longest = find_longest(load_tokenizer(models / "tokenizer.json"))
    step = (
        f"3. **N-grams**: `make_hasher` in unroll/text/ngrams.py, of the first {CHARACTERS * longest:,} characters "
        "(Unicode's code points) of the\n   cleaned text. They are its words with a space on either side, its pairs of "
        "neighbouring words with a space between\n   them, and all parts of two to five characters of each word, whose "
        "spaces on either side count as its characters.\n   Each is hashed by the CRC-32 (zlib) of its UTF-8, and each "
        "hash counts once.\n"
    )
    rows = (
        "| `ngrams` | int64 `[batch, n-grams]` | hashes, padded at the end to any length, 0 too, with any number |\n"
        "| `ngram_counts` | int64 `[batch]` | how many hashes are no padding: from 0 on |\n"
    )
    return Template((HERE / "contract.md").read_text(encoding="utf-8")).substitute(
        max_tokens=longest,
        ngrams_step=step if config.ngrams else "",
        last_step=4 if config.ngrams else 3,
        ngrams_rows=rows if config.ngrams else "",
        opset=OPSET,
        ir_version=IR_VERSION,
        temperature=config.temperature,
        vocabulary_size=f"{config.vocabulary_size:,}",
    )


def write_examples(classifier: Classifier, model: TextNetwork) -> str:
    """Return examples.json: texts with what each step makes of them, one in a line."""
    lines = []
    for text in TEXTS:
        cleaned, probabilities = clean_text(text, classifier.cleaning), classifier.predict([text])[0]
        example: dict[str, Any] = {
            "text": text,
            "cleaned": cleaned,
            "ids": model.encode(cleaned),
            "ngrams": model.hash_text(cleaned).tolist(),
            "probabilities": None if np.isnan(probabilities).any() else [round(p, 8) for p in probabilities.tolist()],
        }
        lines.append(json.dumps(example, ensure_ascii=False))
    return "[\n" + ",\n".join(lines) + "\n]\n"
