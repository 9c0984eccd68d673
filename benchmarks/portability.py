"""Print which limits on instructions change the bytes of a training, and what `train.portable` costs, in Markdown.

`python -m benchmarks.portability`: each line is one process that trains small classifiers under a limit, once as it is
and once with `train.portable`, and compares the SHA-256 of their weights with those without a limit. Where there is
QEMU (`qemu-x86_64` or `qemu-x86_64-static`), it also runs on processors that QEMU emulates; that takes minutes.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import numpy as np
import torch

from benchmarks.measure import alternate, time_processor
from benchmarks.report import write_table
from benchmarks.rows import ROOT
from unroll.base.devices import make_repeatable
from unroll.base.portable import DISPATCH, ONE_THREAD
from unroll.models.classifier import TextClassifier
from unroll.models.files import ModelConfig
from unroll.params.texts import TextParams, read_text_params
from unroll.text.tokens import Tokens
from unroll.training.loop import Options, Task, train_model

WORDS, ROWS, TIMED_ROWS = 60, 96, 1280
LAYERS = [  # cell, bidirectional, layers, pooling: each cell with each pooling
    (cell, bidirectional, layers, ("last", "max", "mean", "attention")[number])
    for cell in ("rnn", "gru", "lstm")
    for number, (bidirectional, layers) in enumerate([(False, 1), (True, 1), (False, 2), (True, 2)])
]
LIMITS = {
    "none": {},
    "ATEN_CPU_CAPABILITY=avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "ATEN_CPU_CAPABILITY=default": {"ATEN_CPU_CAPABILITY": "default"},
    "ONEDNN_MAX_CPU_ISA=AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "ONEDNN_MAX_CPU_ISA=SSE41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "MKL_CBWR=AVX2": {"MKL_CBWR": "AVX2"},
    "MKL_CBWR=COMPATIBLE": {"MKL_CBWR": "COMPATIBLE"},
    "MKL_ENABLE_INSTRUCTIONS=SSE4_2": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "glibc without AVX2 and FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA"},
    "NumPy without AVX-512": {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"},
    "NumPy without AVX2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
    "OPENBLAS_CORETYPE=Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "all of these at their lowest": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA",
    },
}
TABLES = ["limits", "processors", "speed"]
PROCESSORS = {
    "Haswell": "Intel's Haswell, emulated",
    "EPYC": "AMD's EPYC, emulated",
}  # as QEMU names them; both have AVX2


@dataclass(frozen=True)
class Trained:
    """What the trainings came to: the SHA-256 of all weights; the validation loss and macro-F1 of each."""

    sha256: str
    losses: list[float]
    scores: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portability", description=__doc__)
    parser.add_argument("--once", choices=["plain", "portable"], help="train here, and print what came of it as JSON")
    parser.add_argument("--time", choices=["plain", "portable"], help="print the seconds of an epoch of this")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES, help="print these tables")
    options = parser.parse_args()
    if options.once:
        make_repeatable(1, torch.device("cpu"), options.once == "portable")
        json.dump(asdict(train_all()), sys.stdout)
    elif options.time:
        make_repeatable(1, torch.device("cpu"), options.time == "portable")
        json.dump(time_cells(), sys.stdout)
    else:
        print_tables(options.only, options.rounds)


def print_tables(names: list[str], rounds: int) -> None:
    """Print the tables of these names."""
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    runs: dict[str, list[tuple[str, dict[str, str], list[str]]]] = {
        "limits": [(name, limit, []) for name, limit in LIMITS.items()],
        "processors": [(name, {}, [emulator, "-cpu", key]) for key, name in PROCESSORS.items() if emulator],
    }
    for name in names:
        if name == "speed":
            header = ("cell", "seconds without it", "with `train.portable`", "times")
            print("\n" + write_table(header, study_speed(rounds)))
        else:
            header = ("limit", "without `train.portable`", "losses and macro-F1 differ by", "with `train.portable`")
            print("\n" + write_table(header, compare_bytes(runs[name])))


def compare_bytes(runs: list[tuple[str, dict[str, str], list[str]]]) -> list[tuple[str, ...]]:
    """Return a row for each run: what it is called, variables that limit it, and a command that it is run by."""
    plain, portable = run_limited("plain"), run_limited("portable")
    rows: list[tuple[str, ...]] = []
    for name, limit, command in runs:
        found = run_limited("plain", limit, command)
        same = describe(run_limited("portable", limit, command), portable)
        rows.append((name, describe(found, plain), measure_difference(found, plain), same))
    return rows


def run_limited(kind: str, limit: Mapping[str, str] = {}, emulator: Sequence[str] = ()) -> Trained | None:
    """Train in a process under a limit; None if the emulated processor fails."""
    command = [*emulator, sys.executable, "-m", "benchmarks.portability", "--once", kind]
    kept = {name: value for name, value in os.environ.items() if name not in list_variables()}
    environment = kept | dict(limit) | (DISPATCH | ONE_THREAD if kind == "portable" else {})  # as stages do
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode and not emulator:
        raise RuntimeError(f"{limit}: {result.stderr}")
    return None if result.returncode else Trained(**json.loads(result.stdout))


def list_variables() -> set[str]:
    """Return the names of the variables that limits set."""
    return {name for limit in LIMITS.values() for name in limit} | set(DISPATCH | ONE_THREAD)


def describe(found: Trained | None, expected: Trained | None) -> str:
    """Say whether the weights are the same."""
    if found is None:
        return "does not run"
    return f"{'the same' if found == expected else '**other**'} ({found.sha256[:8]})"


def measure_difference(found: Trained | None, expected: Trained | None) -> str:
    """Say how far losses and scores are apart at most."""
    if found is None or expected is None:
        return ""
    loss, score = compare_metrics(found, expected)
    return f"loss {loss:.1e}, macro-F1 {score:.1e}" if loss or score else "none"


def compare_metrics(first: Trained, second: Trained) -> tuple[float, float]:
    """Return the largest differences of validation losses and of macro-F1."""
    losses = max(abs(a - b) for a, b in zip(first.losses, second.losses, strict=True))
    return losses, max(abs(a - b) for a, b in zip(first.scores, second.scores, strict=True))


def train_all() -> Trained:
    """Train a small classifier of each kind on texts of random words."""
    params = read_text_params(ROOT / "params.yaml")
    recipe = params.train.model_copy(update={"epochs": 5, "batch_size": 16, "weight_average": 0.9, "device": "cpu"})
    train, val = make_texts(ROWS, 1), make_texts(ROWS // 2, 2)
    digest, losses, scores = hashlib.sha256(), [], []
    for cell, bidirectional, layers, pooling in LAYERS:
        # Sizes that fill the widest registers, which oneDNN takes, and sizes that leave a rest, which libm computes.
        sizes = {"embedding_size": 24, "hidden_size": 40} if layers == 1 else {"embedding_size": 23, "hidden_size": 37}
        changes = {"cell": cell, "bidirectional": bidirectional, "layers": layers, "pooling": pooling}
        torch.manual_seed(recipe.seed)
        model = TextClassifier(make_config(params, **sizes, **changes))
        if model.ngrams is not None:
            model.ngrams.weigh(train)
        training = train_model(model, Task(train, val, recipe, options=Options(ngram_rate=0.01)))
        for name in sorted(training.weights):
            digest.update(training.weights[name].numpy().tobytes())
        losses.append(training.best.val_loss)
        scores.append(training.best.val_scores["macro_f1"])
    return Trained(digest.hexdigest(), losses, scores)


def make_config(params: TextParams, **changes: object) -> ModelConfig:
    """Return the default model's configuration for these texts, with the given values changed."""
    values = params.model.model_dump(include=set(ModelConfig.model_fields))
    return ModelConfig(**(values | {"vocabulary_size": WORDS, "classes": 2} | changes))


def make_texts(rows: int, seed: int) -> Tokens:
    """Texts of random words; the class is whether word 2 or 3 stands among them.

    Of few lengths, so that some batches need no packing: oneDNN computes those.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=rows)
    texts = [random.integers(4, WORDS, size=random.integers(3, 8)) for _ in range(rows)]
    for text, label in zip(texts, labels, strict=True):
        text[random.integers(len(text))] = 2 + label
    ngrams = [np.unique(text).astype(np.uint32) for text in texts]
    return Tokens.from_lists([text.tolist() for text in texts], labels.tolist(), ngrams)


def time_cells() -> dict[str, float]:
    """Return the processor seconds of an epoch of the default model with each cell, after one to warm up."""
    params = read_text_params(ROOT / "params.yaml")
    recipe = params.train.model_copy(update={"epochs": 1, "device": "cpu"})
    train, val = make_texts(TIMED_ROWS, 1), make_texts(ROWS, 2)
    seconds = {}
    for cell in ("rnn", "gru", "lstm"):
        model = TextClassifier(make_config(params, cell=cell))
        train_model(model, Task(val, val, recipe))
        seconds[cell] = time_processor(partial(train_model, model, Task(train, val, recipe)))
    return seconds


def study_speed(rounds: int) -> list[tuple[str, ...]]:
    """Return the table of seconds, of processes that take turns: a process computes in one way only."""
    figures = alternate({kind: partial(run_timed, kind) for kind in ("plain", "portable")}, rounds)
    rows: list[tuple[str, ...]] = []
    for cell in ("rnn", "gru", "lstm"):
        plain, portable = ([seconds[cell] for seconds in figures[kind]] for kind in ("plain", "portable"))
        ratios = [second / first for first, second in zip(plain, portable, strict=True)]
        times = f"{median(portable) / median(plain):.1f} ({min(ratios):.1f}–{max(ratios):.1f})"
        rows.append((cell, f"{median(plain):.2f}", f"{median(portable):.2f}", times))
    return rows


def run_timed(kind: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.portability", "--time", kind]
    environment = os.environ | (DISPATCH | ONE_THREAD if kind == "portable" else {})
    result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout)


if __name__ == "__main__":
    main()
