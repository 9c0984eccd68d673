"""`make verify`: two copies of the repository must give the same bytes under different circumstances.

What differs: the folder's name, the language, the time zone and the seed of Python's hashes. What is compared:
dvc.lock, which holds the MD5 of every output of every stage; that of the two copies, and that of the repository.
"""

import argparse
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from unroll.base.errors import InputError, end_in_one_line
from unroll.results.commands import DVC, Failure, make_environment, run_command
from unroll.results.outputs import Outputs, read_outputs
from unroll.tracking.git import ask_git

CIRCUMSTANCES = {
    "one": {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"},
    "another-name": {"LANG": "C", "LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4242"},
}


def main() -> None:
    """Verify the pipelines in the given folders, or all."""
    parser = argparse.ArgumentParser(prog="python -m unroll.tools.verify", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="folders of pipelines; by default all of the repository")
    arguments = parser.parse_args()
    with end_in_one_line(with_bugs=False):
        folders = arguments.folders or find_pipelines()
        with TemporaryDirectory(prefix="unroll-verify-") as temporary:
            verify(folders, Path(temporary))


def find_pipelines() -> list[Path]:
    """Return the folders with a dvc.yaml that Git tracks, relative to the repository's root."""
    listed = ask_git("ls-files", "dvc.yaml", "*/dvc.yaml", check=True).splitlines()
    return [Path(name).parent for name in listed]


def verify(folders: list[Path], temporary: Path) -> None:
    """Run the pipelines in two copies at the same time; report each pipeline whose outputs are the same.

    Raises:
        InputError: a pipeline fails, or an output differs between the copies. Other outputs than those of dvc.lock are
            only reported: it may be out of date, or of a machine whose bytes are not portable.
    """
    copies = {name: copy_repository(temporary / name) for name in CIRCUMSTANCES}
    for folder in folders:
        recorded = (copies["one"] / folder / "dvc.lock").read_bytes()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(reproduce, copies[name] / folder, CIRCUMSTANCES[name]) for name in copies]
            for job in jobs:
                job.result()
        locks = [(copy / folder / "dvc.lock").read_bytes() for copy in copies.values()]
        outputs, others = map(read_outputs, locks)
        if locks[0] != locks[1]:
            raise InputError(f"{folder}: {describe_difference(outputs, others)}")
        stages = {stage for stage, _ in outputs}
        known = read_outputs(recorded)
        difference = describe_difference(known, outputs, "dvc.lock", "both copies") if known != outputs else ""
        beside = f"; dvc.lock has others: {difference}" if difference else ", and those of dvc.lock"
        print(f"{folder}: {len(outputs)} outputs of {len(stages)} stages, the same bytes twice{beside}", flush=True)


def copy_repository(target: Path) -> Path:
    """Copy the tracked files as they are in the working directory, and make the copy a repository."""
    root = Path(ask_git("rev-parse", "--show-toplevel", check=True).strip())
    for name in ask_git("-C", str(root), "ls-files", "-z", check=True).split("\0"):
        if name and (root / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name, follow_symlinks=False)
    ask_git("-C", str(target), "init", "--quiet", check=True)
    return target


def reproduce(folder: Path, circumstances: dict[str, str]) -> None:
    """Run every stage of the pipeline in a folder; its runs are tracked nowhere else.

    Raises:
        InputError: the pipeline fails.
    """
    environment = make_environment("MLFLOW_") | circumstances
    try:
        run_command((*DVC, "repro", "--force", "--no-run-cache"), folder, environment)
    except Failure as failure:
        raise InputError(f"{folder.name} with {circumstances}: {failure}") from None


def describe_difference(
    first: Outputs,
    second: Outputs,
    one: str = "one copy",
    other: str = "the other",
) -> str:
    """Name the first output that differs; differences in later stages follow from it."""
    for stage, path in first | second:
        md5, found = (outputs.get((stage, path), "missing") for outputs in (first, second))
        if md5 != found:
            return f"{path} of stage {stage} differs: md5 {md5} in {one}, {found} in {other}"
    return "dvc.lock differs, though no output does"


if __name__ == "__main__":
    main()
