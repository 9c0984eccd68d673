"""Queries to Git: the one place that runs it."""

import subprocess
from collections.abc import Iterator, Sequence

LOSSLESS = "surrogateescape"  # bytes of names and messages that are no UTF-8 come out as they went in


def ask_git(*arguments: str, check: bool = False) -> str:
    """Return what Git prints. If Git fails, return an empty text, or raise an error with `check`.

    It takes no lock, as `git status` would to refresh the index: that could stop a person's `git commit`.

    Raises:
        subprocess.CalledProcessError: Git fails, with `check`.
    """
    command = ["git", "--no-optional-locks", *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors=LOSSLESS, check=check)
    except OSError:  # there is no Git
        return ""
    return "" if result.returncode else result.stdout


def read_files(names: Sequence[str]) -> Iterator[bytes | None]:
    """Yield the content of each file that Git keeps; None where there is none. One process reads them all.

    names: hashes of blobs, or `REVISION:path` with the path from the repository's root.
    """
    asked = "".join(f"{' '.join(name.splitlines())}\n" for name in names).encode(errors=LOSSLESS)
    try:
        process = subprocess.run(["git", "cat-file", "--batch"], input=asked, capture_output=True, check=False)
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
