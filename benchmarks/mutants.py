"""Small mutations of the code, and whether the tests notice them: `python -m benchmarks.mutants`.

mutmut makes them (`pip install -r requirements-mutation.txt`); its own runner holds all of a module's in one file and
calls them in one process, while here most stages run in processes of their own, from copies of the repository. So each
mutant is a copy of the tracked files with one place changed, and the tests of SUITES run on it, the quickest first,
in a process that starts with the large libraries loaded. Left out are mutations of texts, messages and annotations, on
which no result depends, and those that put None for a value, nearly all of which end in a traceback.
"""

import argparse
import difflib
import gc
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators, operator_assignment, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).parents[1]
SOURCE = Path("src/unroll")
STAGES = "stages/test_stages.py"
TRACKING = f"tracking/test_training.py {STAGES}"
LOOP = "training/test_loop.py models/test_layers_embedding.py training/test_resume.py"
FORWARD = "inference/test_forward.py models/test_encoder.py"
SUITES = {  # the tests that cover a module, the quickest first
    "evaluation/bootstrap": "evaluation/test_bootstrap.py",
    "evaluation/scores": f"evaluation/test_scores.py {STAGES}",
    "evaluation/validation": "evaluation/test_scores.py evaluation/test_validation.py",
    "linear/fit": f"linear/test_fit.py {STAGES}",
    "linear/model": f"linear/test_model.py linear/test_fit.py {STAGES}",
    "models/batches": f"models/test_batches.py {FORWARD}",
    "models/cells": "models/test_cells.py",
    "models/classifier": f"{FORWARD} training/test_loop.py",
    "models/encoder": f"{FORWARD} models/test_cells.py",
    "models/files": f"inference/test_classifier.py {FORWARD}",
    "models/layers": "models/test_layers_dropout.py models/test_layers_embedding.py",
    "models/predict": f"{FORWARD} training/test_loop.py sequences/test_tasks.py",
    "stages/evaluate": STAGES,
    "stages/recipe": TRACKING,
    "stages/train": STAGES,
    "stages/train_sequences": "tracking/test_training.py sequences/test_tasks.py",
    "tracking/baseline": f"tracking/test_runs.py {STAGES}",
    "tracking/evaluation": TRACKING,
    "tracking/names": "tracking/test_names.py",
    "tracking/origin": "tracking/test_origin.py",
    "tracking/registry": f"tracking/test_registry.py {STAGES}",
    "tracking/runs": f"tracking/test_runs.py {TRACKING}",
    "tracking/store": f"tracking/test_store.py {TRACKING}",
    "tracking/training": TRACKING,
    "training/averaging": "training/test_averaging.py",
    "training/gradients": "training/test_gradients.py",
    "training/loop": f"{LOOP} tracking/test_training.py",
    "training/objectives": "training/test_gradients.py training/test_loop.py tracking/test_training.py",
    "training/progress": "training/test_report.py training/test_loop.py training/test_resume.py",
    "training/report": f"training/test_report.py {STAGES}",
    "training/resume": "training/test_resume.py",
}
LIBRARIES = "hypothesis matplotlib.pyplot mlflow.pyfunc pandas pytest scipy.optimize sklearn.svm tokenizers torch"
SECONDS = 300  # of the processor; what takes longer never ends
LEFT_OUT = (operator_string, operator_assignment)
OPERATORS = [(kind, operator) for kind, operator in mutation_operators if operator not in LEFT_OUT]
SAID = (
    m.Raise()
    | m.Call(func=m.Name("print"))
    | m.FormattedString()
    | m.Call(func=m.Attribute(attr=m.Name("set_postfix_str")))
)


@dataclass(frozen=True)
class Mutant:
    """A module with one place to be changed."""

    number: int
    module: str
    tree: cst.Module
    before: cst.CSTNode
    after: cst.CSTNode

    def mutate(self) -> str:
        """Return the module's changed code."""
        return self.tree.deep_replace(self.before, self.after).code

    def describe(self) -> str:
        """Return the lines that differ."""
        old, new = self.tree.code.splitlines(), self.mutate().splitlines()
        return "\n".join(list(difflib.unified_diff(old, new, lineterm="", n=0))[2:])


class Visitor(MutationVisitor):
    """Mutates everything except messages that are printed or raised."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        return m.matches(node, SAID) or super()._skip_node_and_children(node)


def list_mutants() -> list[Mutant]:
    """Return every mutant of the modules of SUITES."""
    found: list[Mutant] = []
    for module in SUITES:
        code = (ROOT / SOURCE / f"{module}.py").read_text()
        wrapper = MetadataWrapper(cst.parse_module(code))
        visitor = Visitor(OPERATORS, IgnoredCode(set(), set(), set()))
        tree = wrapper.visit(visitor)
        for mutation in visitor.mutations:
            before, after = mutation.original_node, mutation.mutated_node
            gives_none = (
                isinstance(before, cst.Call) and len(after.args) == len(before.args) and after.func is before.func
            )
            if gives_none or mutation.contained_by_top_level_function is None:  # or of constants and imports
                continue
            found.append(Mutant(len(found), module, tree, before, after))
    return found


def copy_tracked(target: Path) -> None:
    """Copy the files that Git tracks, as a repository."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    for command in ("git init --quiet", "git add --all", f"{sys.executable} -m compileall -q src"):
        subprocess.run(command.split(), cwd=target, check=True)


def run_tests(copy: Path, tests: list[str]) -> bool:
    """Run tests in a process of their own on a copy of the repository; return whether all pass."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return status == 0
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        log = os.open(copy / ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(copy)
        sys.path[:0] = [str(copy / "src"), str(copy)]
        os.environ["PYTHONPATH"] = f"{copy / 'src'}"
        import pytest

        os._exit(pytest.main(["-n0", "-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:
        os._exit(2)


def judge(mutant: Mutant, copy: Path, tests: list[str]) -> bool:
    """Return whether a test notices the mutant."""
    path = copy / SOURCE / f"{mutant.module}.py"
    path.write_text(mutant.mutate())
    try:
        return not run_tests(copy, tests)
    finally:
        shutil.copy2(ROOT / SOURCE / f"{mutant.module}.py", path)


def find_tests(module: str) -> list[str]:
    return [f"tests/{name}" for name in SUITES[module].split()]


def draw(mutants: list[Mutant], module: str, count: int, seed: int) -> list[Mutant]:
    """Return so many mutants of a module, at random, or all if it has no more."""
    own = [mutant for mutant in mutants if mutant.module == module]
    return random.Random(f"{module} {seed}").sample(own, min(count, len(own)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=10, help="how many mutants of each module, drawn at random")
    parser.add_argument("--modules", nargs="+", default=list(SUITES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="numbers of mutants instead, as they are told: 3,17")
    parser.add_argument("--tests", nargs="+", help="other tests than those of SUITES, such as tests/pipeline")
    parser.add_argument("--unchecked", action="store_true", help="do not try first whether the tests pass without any")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()

    every = list_mutants()
    if options.only:
        chosen = [every[int(number)] for number in options.only.split(",")]
    else:
        chosen = [mutant for module in options.modules for mutant in draw(every, module, options.each, options.seed)]
    print(f"{len(chosen)} of {len(every)} mutants", flush=True)
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    for name in LIBRARIES.split():
        __import__(name)
    gc.freeze()  # or the garbage collector of each process would copy what they share
    queue: Queue[Path] = Queue()
    results: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.jobs):
            copy_tracked(Path(folder) / str(number))
            queue.put(Path(folder) / str(number))

        tests = {test for mutant in chosen for test in options.tests or find_tests(mutant.module)}
        copy = Path(folder) / "0"
        for test in () if options.unchecked else sorted(tests):
            if not run_tests(copy, [test]):
                sys.exit(f"{test} fails without any mutant:\n{(copy / '.log').read_text()}")

        def work(mutant: Mutant) -> None:
            copy = queue.get()
            try:
                noticed = judge(mutant, copy, options.tests or find_tests(mutant.module))
            finally:
                queue.put(copy)
            results[noticed] += 1
            if noticed:
                print(f"noticed {mutant.number} {mutant.module}", flush=True)
            else:
                print(f"SURVIVED {mutant.number} {mutant.module}\n{mutant.describe()}", flush=True)

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(work, chosen))
    print(f"{results[True]} of {len(chosen)} noticed, {results[False]} survived")


if __name__ == "__main__":
    main()
