"""A clone of a repository at a commit, as it is to be reproduced: its code, its pipeline and what DVC can pull."""

import os
import re
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from unroll.base.errors import InputError, hide_password
from unroll.results.commands import Failure, make_environment, run_command
from unroll.results.history import EXPERIMENT_REFS, OTHER_REFS
from unroll.results.trace import read_yaml
from unroll.tracking.git import ask_git

# Not `ext::`, which is a command to run.
PROTOCOLS = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}


@contextmanager
def open_clone(url: str, folder: Path) -> Iterator[Path]:
    """Clone a repository without checking anything out, and yield its folder; remove it if the block fails.

    Raises:
        InputError: the folder is not empty, or the repository cannot be cloned.
    """
    check_folder(folder)
    target = folder.resolve()
    new = [path for path in (target, *target.parents) if not path.exists()]
    try:
        run_git(Path.cwd(), "clone", "--quiet", "--no-checkout", "--origin", "origin", "--", url, str(target))
        yield target
    except BaseException:
        for path in target.iterdir() if target.is_dir() else ():
            rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in new:
            with suppress(OSError):  # somebody else may have put something there
                path.rmdir()
        raise


def check_folder(folder: Path) -> None:
    """Raise InputError if there is anything in the folder."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        what = "is not empty" if folder.is_dir() else "is no folder"
        raise InputError(f"{folder} {what}: give an empty or a new folder, as in --folder ../again")


def run_git(folder: Path, *arguments: str) -> None:
    """Run a command of Git's.

    Raises:
        InputError: it fails.
    """
    try:
        run_command(("git", *arguments), folder, make_environment() | PROTOCOLS)
    except Failure as failure:
        raise InputError(f"git {arguments[0]}: {str(failure).removeprefix('fatal: ')}") from None


def check_out(clone: Path, name: str, url: str, wanted_by: str = "") -> str:
    """Check out a commit, branch, tag or experiment of the repository that was cloned; return the commit.

    wanted_by: the run that names the commit.

    Raises:
        InputError: the repository has no such thing.
    """
    # A folder knows names that a clone does not, such as those of its remotes' branches and of experiments' commits.
    found = _find_commit(Path(url), name) if Path(url).is_dir() else ""
    found = found or next(filter(None, (_find_commit(clone, one) for one in (name, f"origin/{name}"))), "")
    commit = found or (name if wanted_by else _fetch_experiment(clone, name))
    if not commit:
        told = f"{name!r} is no branch, tag, commit, experiment or run of {hide_password(url)}"
        raise InputError(f"{told}: `unroll trace` leads from a number or an MD5 to its commit")
    if not _find_commit(clone, commit):
        try:  # it may be there, and in no branch
            run_git(clone, "fetch", "--quiet", "origin", commit)
        except InputError:
            told = f"{wanted_by} was made from" if wanted_by else f"{name} is"
            raise InputError(
                f"{told} commit {commit}, which {hide_password(url)} does not have: push it there"
            ) from None
    run_git(clone, "checkout", "--quiet", "--detach", commit)
    return commit


def has_commit(commit: str) -> bool:
    """Whether the repository of the current folder has it."""
    return bool(_find_commit(Path(), commit))


def _find_commit(folder: Path, name: str) -> str:
    if name.startswith("-"):
        return ""
    return ask_git("-C", str(folder), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()


def _fetch_experiment(clone: Path, name: str) -> str:
    """Fetch the DVC experiments of this name, and return the newest one's commit; a clone does not have them."""
    listed = ask_git("-C", str(clone), "ls-remote", "origin", f"{EXPERIMENT_REFS}*").splitlines()
    refs = [ref for ref in (line.partition("\t")[2] for line in listed) if not ref.startswith(OTHER_REFS)]
    named = [ref for ref in refs if ref.split("/", 4)[4:] == [name]]
    if not named:
        return ""
    run_git(clone, "fetch", "--quiet", "origin", *(f"+{ref}:{ref}" for ref in named))
    return ask_git("-C", str(clone), "rev-list", "--no-walk", *named).split()[0]  # the newest comes first


def apply_patch(clone: Path, patch: bytes, wanted_by: str) -> str:
    """Apply what a run was made with and what was not committed; return a summary, such as "2 files changed, …".

    Git refuses a patch that would write outside the clone, into .git or through a link.

    Raises:
        InputError: it does not apply.
    """
    file = clone / ".git" / "changes.patch"
    file.write_bytes(patch)
    try:
        run_git(clone, "apply", "--index", "--whitespace=nowarn", str(file))
    except InputError as error:
        raise InputError(f"{wanted_by}: what was not committed does not apply to its commit: {error}") from None
    return ask_git("-C", str(clone), "diff", "--cached", "--shortstat", "HEAD").strip()


def choose_pipeline(clone: Path, asked: str, experiment: str) -> str:
    """Return the folder of the pipeline, from the root: that asked for, or that of an MLflow experiment, or the root.

    Raises:
        InputError: there is no such pipeline.
    """
    folders = [str(Path(name).parent) for name in _list_files(clone, "dvc.yaml", "*/dvc.yaml")]
    names = ", ".join(folders) or "none"
    if asked or not experiment:
        folder = os.path.normpath(asked or ".")
        if folder not in folders:
            raise InputError(f"the commit has no pipeline in {folder}: expected one of {names}, given by --pipeline")
        return folder
    own = [folder for folder in folders if _read_experiment(clone / folder / "params.yaml") == experiment]
    if len(own) != 1:
        told = f"{len(own)} pipelines of the commit have tracking.experiment = {experiment!r}"
        raise InputError(f"{told}: give one of {names} by --pipeline")
    return own[0]


def write_settings(folder: Path, source: Path) -> None:
    """Give the pipeline's DVC a cache of its own, and the remotes as they are known where it was cloned from.

    So nothing comes from a cache that others share, however that is set. What is pulled is checked.
    """
    known, own = ConfigParser(interpolation=None), ConfigParser(interpolation=None)
    here = source / ".dvc" if (source / ".dvc").is_dir() else folder / ".dvc"
    known.read([here / "config", here / "config.local"], encoding="utf-8")
    own["cache"] = {"dir": "cache"}
    if default := known.get("core", "remote", fallback=""):
        own["core"] = {"remote": default}
    for name in known.sections():
        if re.match("'?remote ", name):
            own[name] = dict(known[name]) | {"verify": "true"}
            url = own[name].get("url", "").strip("\"'")  # DVC's files may quote it
            if "://" not in url:
                own[name]["url"] = str((here / url).resolve())
    path = folder / ".dvc" / "config.local"
    if path.parent.is_symlink():
        raise InputError(f"{path.parent} is a link in this commit: expected a folder")
    path.unlink(missing_ok=True)  # it may be a link, or readable for all
    path.touch(mode=0o600, exist_ok=False)
    with path.open("w", encoding="utf-8") as file:
        own.write(file)


def list_imports(folder: Path) -> list[str]:
    """Return the .dvc files of a pipeline: of data that no stage makes. Those of pipelines below are not its own."""
    listed = _list_files(folder, "*.dvc")
    return [
        name for name in listed if not any((folder / parent / ".dvc").is_dir() for parent in Path(name).parents[:-1])
    ]


def _list_files(folder: Path, *patterns: str) -> list[str]:
    return [name for name in ask_git("-C", str(folder), "ls-files", "-z", "--", *patterns).split("\0") if name]


def _read_experiment(path: Path) -> str:
    tracking = read_yaml(path.read_bytes()).get("tracking") if path.is_file() else None
    return str(tracking.get("experiment", "")) if isinstance(tracking, dict) else ""
