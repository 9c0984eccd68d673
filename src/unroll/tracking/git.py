"""Queries to Git: the one place that runs it."""

import subprocess


def ask_git(*arguments: str, check: bool = False) -> str:
    """Return what Git prints. If Git fails, return an empty text, or raise an error with `check`.

    It takes no lock, as `git status` would to refresh the index: that could stop a person's `git commit`.

    Raises:
        subprocess.CalledProcessError: Git fails, with `check`.
    """
    command = ["git", "--no-optional-locks", *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=check)
    except OSError:  # there is no Git
        return ""
    return "" if result.returncode else result.stdout
