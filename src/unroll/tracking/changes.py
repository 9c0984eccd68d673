"""The difference between the code that a run was made with and its commit: a file of the run, `code/changes.patch`.

With it, `unroll reproduce` makes the run of a changed tree again, such as that of an experiment with other parameters.
It may hold what nobody meant to share, so it is bounded, and withheld if it may hold a secret. The tag `git.diff` has
its SHA-256, or says why it is not there.
"""

import hashlib
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from unroll.base.errors import DEBUG, hide_password, make_printable
from unroll.tracking.git import GitError, read_changes
from unroll.tracking.origin import RESULTS, TABLES
from unroll.tracking.secrets import find_secret
from unroll.tracking.store import Store

DIFF = "git.diff"  # the tag
FOLDER, PATCH = "code", "changes.patch"
WITHHELD = "not kept: "
# A week of hard work changes less; what is larger is data, which belongs in Git, in DVC or in .gitignore.
LIMIT_BYTES = 1_000_000


class Withheld(Exception):
    """The difference is not kept; the message says why."""


def log_changes(store: Store, run_id: str) -> None:
    """Keep with a run what differs from the commit, or tag it with the reason why that is not kept.

    Whatever goes wrong, the run goes on.
    """
    try:
        told = _log_patch(store, run_id, make_patch())
    except Withheld as reason:
        told = f"{WITHHELD}{reason}"
    except Exception as error:  # the store may refuse it, and even a bug must not end a training
        if os.environ.get(DEBUG):
            raise
        told = f"{WITHHELD}{_describe(error)}"
    told = make_printable(told)[:5000]  # names of files may be no UTF-8, which the store would refuse
    if told.startswith(WITHHELD):
        print(f"warning: the run lacks what is not committed ({told}), so it cannot be reproduced", file=sys.stderr)
    try:
        store.client.set_tag(run_id, DIFF, told)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        print(f"warning: the run lacks the tag {DIFF}: {_describe(error)}", file=sys.stderr)


def make_patch() -> bytes:
    """Return what differs from the commit, with new files and without results, as a patch that Git applies.

    Raises:
        Withheld: it is too large, may hold a secret, or Git fails.
    """
    try:
        patch = read_changes(RESULTS, TABLES, LIMIT_BYTES)
    except GitError as error:
        raise Withheld(str(error)) from None
    if secret := find_secret(patch):
        raise Withheld(secret)
    return patch


def _describe(error: Exception) -> str:
    return make_printable(hide_password(f"{type(error).__name__}: {error}"))[:500]


def _log_patch(store: Store, run_id: str, patch: bytes) -> str:
    if not patch:
        raise Withheld("Git's status and its difference do not agree")
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / PATCH
        file.write_bytes(patch)
        store.client.log_artifact(run_id, str(file), FOLDER)
    return hashlib.sha256(patch).hexdigest()
