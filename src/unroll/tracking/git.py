"""Queries to Git: the one place that runs it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

SECONDS = 20  # that a difference may take
LOSSLESS = "surrogateescape"  # bytes of names and messages that are no UTF-8 come out as they went in
# How variables begin by which Git would ask another repository than the folder's; hooks have them, of their own one.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX", "GIT_OBJECT", "GIT_ALTERNATE")


def keep_environment(*foreign: str) -> dict[str, str]:
    """Return this process's environment, without what would lead Git to another repository than the folder's.

    foreign: how the names of further variables begin that are left out.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith((*ELSEWHERE, *foreign))}


def ask_git(*arguments: str, check: bool = False) -> str:
    """Return what Git prints. If Git fails, return an empty text, or raise an error with `check`.

    It takes no lock, as `git status` would to refresh the index: that could stop a person's `git commit`.

    Raises:
        subprocess.CalledProcessError: Git fails, with `check`.
    """
    command = ["git", "--no-optional-locks", *arguments]
    environment = keep_environment()
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, errors=LOSSLESS, check=check)
    except OSError:  # there is no Git
        return ""
    return "" if result.returncode else result.stdout


def read_files(names: Sequence[str]) -> Iterator[bytes | None]:
    """Yield the content of each file that Git keeps; None where there is none. One process reads them all.

    names: hashes of blobs, or `REVISION:path` with the path from the repository's root.
    """
    asked = "".join(f"{' '.join(name.splitlines())}\n" for name in names).encode(errors=LOSSLESS)
    command = ["git", "cat-file", "--batch"]
    try:
        process = subprocess.run(command, env=keep_environment(), input=asked, capture_output=True, check=False)
    except OSError:  # there is no Git
        process = subprocess.CompletedProcess([], 1, b"")
    answer, start = process.stdout, 0
    for _ in names:
        end = answer.find(b"\n", start)
        if end < 0:
            yield None
            continue
        header, start = answer[start:end].split(b" "), end + 1
        if header[-1] in (b"missing", b"ambiguous"):
            yield None
            continue
        size = int(header[-1])
        yield answer[start : start + size] if header[-2] == b"blob" else None
        start += size + 1


class GitError(Exception):
    """Git cannot say what was asked; the message says why."""


def list_changed(excluded: Sequence[str]) -> list[str]:
    """Return the files that Git tracks and that differ from HEAD, as paths from the root; excluded: pathspecs."""
    form = ("--name-only", "--no-renames", "--no-relative", "-z")
    return [name for name in ask_git("diff", *form, "HEAD", "--", ":/", *excluded).split("\0") if name]


def list_new(excluded: Sequence[str]) -> list[str]:
    """Return the files that Git neither tracks nor ignores, as paths from the root; another repository ends in a /."""
    form = ("--others", "--exclude-standard", "--full-name", "-z")
    return [name for name in ask_git("ls-files", *form, "--", ":/", *excluded).split("\0") if name]


def read_changes(excluded: Sequence[str], excluded_new: Sequence[str], limit: int) -> bytes:
    """Return how the working tree differs from HEAD, with files that Git does not track yet and does not ignore.

    Nothing is written to the repository: the index is a copy, and so is where Git puts objects.

    excluded: pathspecs of what is left out; excluded_new: further ones, of files that Git does not track;
    limit: of the difference, in bytes.

    Raises:
        GitError: the difference is larger, or Git fails or takes too long.
    """
    root = Path(ask_git("rev-parse", "--show-toplevel").rstrip("\n"))
    inside = ("-C", str(root))
    index, objects = (root / ask_git(*inside, "rev-parse", "--git-path", name).strip() for name in ("index", "objects"))
    untracked = [name for name in list_new((*excluded, *excluded_new)) if not name.endswith("/")]
    sizes = {name: (root / name).lstat().st_size for name in untracked}
    if sum(sizes.values()) > limit:
        largest = max(sizes, key=lambda name: sizes[name])
        raise GitError(f"new files have more than {limit:,} bytes, {largest} alone {sizes[largest]:,}")
    with TemporaryDirectory() as temporary:
        copy = Path(temporary) / "index"
        shutil.copy2(index, copy)  # with its time: Git reads again what was changed in the second of the index or later
        own = {"GIT_INDEX_FILE": str(copy), "GIT_OBJECT_DIRECTORY": temporary}
        own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(objects)
        environment = keep_environment("GIT_DIFF_OPTS") | own  # those options go before --unified
        git = ("git", *inside, "-c", "core.quotePath=false", "-c", "core.fsmonitor=false")
        if untracked:
            add = ["--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul"]
            _read((*git, *add), environment, limit, "\0".join(untracked).encode(errors=LOSSLESS))
        # Whatever people have set for their own eyes would spoil the patch.
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
        modules = ("--submodule=short", "--ignore-submodules=dirty")
        form = ("--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--no-relative")
        return _read((*git, "diff", *plain, *modules, *form, "HEAD", "--", ":/", *excluded), environment, limit)


def _read(command: Sequence[str], environment: Mapping[str, str], limit: int, text: bytes = b"") -> bytes:
    """Return what a command prints."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin and process.stdout
        timer = Timer(SECONDS, process.kill)
        timer.start()
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(text)
                process.stdin.close()
            if len(content := process.stdout.read(limit + 1)) > limit:
                process.kill()
                raise GitError(f"it has more than {limit:,} bytes")
        finally:
            timer.cancel()
    if process.returncode:
        raise GitError(f"Git fails, or takes more than {SECONDS} seconds")
    return content
