"""Git's history of metrics files and dvc.lock: all their versions, and the branches, tags and experiments.

Git's plumbing reads all versions of a file at once; nothing is checked out.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unroll.base.errors import InputError
from unroll.tracking.git import ask_git, read_files

EXPERIMENT_REFS = "refs/exps/"  # where DVC keeps the commits of experiments: refs/exps/BA/SELINE/NAME
# DVC's internal ones: its queue, its run cache, and its last state.
OTHER_REFS = tuple(EXPERIMENT_REFS + name for name in ("celery", "stash", "apply", "exec", "push"))
LABELS = {"refs/heads/": "", "refs/remotes/": "", "refs/tags/": "tag "}
METRICS, LOCKS = ":(top,glob)**/metrics/*.json", ":(top,glob)**/dvc.lock"


@dataclass(frozen=True)
class Commit:
    """A commit, or the working folder, with what is not committed, if there is no id."""

    id: str
    committed_at: int = 0  # seconds since 1970
    subject: str = "not committed"


@dataclass(frozen=True)
class Version:
    """A file as a commit changed it."""

    commit: Commit
    path: str  # from the repository's root
    content: bytes


@dataclass(frozen=True)
class Ref:
    """A branch, tag or experiment."""

    ref: str
    label: str
    commit: str = ""  # that it names

    @property
    def is_experiment(self) -> bool:
        return self.ref.startswith(EXPERIMENT_REFS)

    @property
    def name(self) -> str:
        return self.label.removeprefix("experiment ").removeprefix("tag ")


def count_commits() -> int:
    """Return how many commits are searched, those of experiments included."""
    return int(ask_git("rev-list", "--count", *choose_refs()) or 0)


def count_experiments() -> int:
    return sum(ref.is_experiment for ref in list_refs())


def list_refs() -> list[Ref]:
    """Return HEAD, branches, tags and experiments."""
    how = "--format=%(refname) %(objectname) %(*objectname)"  # a tag with a message is an object of its own
    listed = ask_git("for-each-ref", how, *LABELS, EXPERIMENT_REFS).splitlines()
    refs = [(line.split()[0], line.split()[-1]) for line in listed]
    kept = ((ref, commit) for ref, commit in refs if not ref.startswith(OTHER_REFS) and not ref.endswith("/HEAD"))
    head = Ref("HEAD", "HEAD", ask_git("rev-parse", "--verify", "--quiet", "HEAD").strip())
    return [head, *(Ref(ref, _label(ref), commit) for ref, commit in kept)]


def read_commit(revision: str) -> Commit:
    """Return the commit that a branch, tag, experiment or hash names.

    Raises:
        InputError: there is none.
    """
    described = ask_git("log", "-1", "--format=%H%x09%ct%x09%s", "--end-of-options", revision, "--")
    if not described:
        raise InputError(f"{revision!r} is no branch, tag, commit or experiment of this repository")
    found, time, subject = described.rstrip("\n").split("\t", 2)
    return Commit(found, int(time), subject)


def list_versions(pattern: str) -> list[Version]:
    """Return every version of the files that match Git's pattern: what is not committed, then the newest first."""
    root = Path(ask_git("rev-parse", "--show-toplevel").rstrip("\n"))
    status = ask_git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", pattern).split("\0")
    files = [line[3:] for line in status if (root / line[3:]).is_file()]
    changes = list(_list_changes(pattern))
    hashes = list(dict.fromkeys(blob for _, _, blob in changes))
    contents = dict(zip(hashes, read_files(hashes), strict=True))
    return [Version(Commit(""), file, (root / file).read_bytes()) for file in files] + [
        Version(commit, path, content) for commit, path, blob in changes if (content := contents[blob])
    ]


def find_outputs(lock: bytes, md5: str) -> list[str]:
    """Return the paths that a dvc.lock records with an MD5 that begins so; a folder's is followed by `.dir` there."""
    pattern = rb"- path: (.+)\n(?: +hash: md5\n)? +md5: %s[0-9a-f]*(?:\.dir)?\n" % md5.encode()
    return list(dict.fromkeys(path.decode(errors="replace") for path in re.findall(pattern, lock)))


def flatten_figures(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers in what a JSON file holds, with their keys, joined by full stops."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from flatten_figures(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def read_figures(content: bytes) -> dict[str, float]:
    """Return the numbers of a JSON file by their keys; none if it is not JSON."""
    try:
        return dict(flatten_figures(json.loads(content)))
    except (ValueError, RecursionError):
        return {}


def _list_changes(pattern: str) -> Iterator[tuple[Commit, str, str]]:
    """Yield commit, path and blob of each change; of a merge, what it has from none of its parents."""
    how = ("--full-history", "-c", "--raw", "-z", "--no-abbrev", "--no-renames", "--format=%x01%H%x09%ct%x09%s")
    listed = ask_git("-c", "log.showRoot=true", "log", *choose_refs(), *how, "--", pattern)
    commit, parts = Commit(""), iter(listed.split("\0"))
    for part in parts:
        line = part.lstrip("\n")
        if line.startswith("\x01"):
            found, time, subject = line[1:].split("\t", 2)
            commit = Commit(found, int(time), subject)
        elif line.startswith(":"):
            parents = len(line) - len(line.lstrip(":"))
            yield commit, next(parts), line.split()[2 * parents + 1]


def choose_refs() -> list[str]:
    """Return the arguments by which Git walks branches, tags and experiments, without DVC's internal ones."""
    return [*(f"--exclude={ref}*" for ref in OTHER_REFS), "--all"]


def _label(ref: str) -> str:
    if ref.startswith(EXPERIMENT_REFS):
        return f"experiment {ref.split('/', 4)[4]}"
    return next(label + ref.removeprefix(prefix) for prefix, label in LABELS.items() if ref.startswith(prefix))
