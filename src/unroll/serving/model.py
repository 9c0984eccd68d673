"""The model that is served: loaded whole or not at all, and again when its files change."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from unroll.base.errors import InputError
from unroll.base.files import compute_hash
from unroll.inference.classifier import Classifier, load_copy
from unroll.models.files import CHECKSUMS, TEXT_PARTS

PARTS = (CHECKSUMS, *TEXT_PARTS)
SECONDS = 1.0  # between two looks at the files
LOG = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Loaded:
    """A model in memory; name: the beginning of the SHA-256 of its checksums.json."""

    name: str
    classifier: Classifier


class ModelStore:
    """The current model, and why the files beside it, if they are newer, could not take its place."""

    def __init__(self, folder: Path) -> None:
        """Load the model; raise InputError as `load_whole` does."""
        self._folder = folder
        self._seen: list[tuple[int, ...]] | None = look_at(folder)
        self.current = load_whole(folder)
        self.problem: str | None = None

    async def watch(self) -> None:
        """Look at the files again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """If a file has changed since the last look, load all of them; if that fails, keep what is in memory.

        What may pass without a change to the files, as a full disk, is tried again by the next look.
        """
        seen = look_at(self._folder)
        if seen == self._seen:
            return
        before, self._seen = self._seen, seen  # taken before loading: a change meanwhile is noticed by the next look
        try:
            self.current = load_whole(self._folder)
        except BaseException as error:  # also a panic of tokenizers, which is Rust: else nobody would look again
            name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            self.problem = " ".join(f"{name}{error}".split())
            if isinstance(error, (OSError, MemoryError)):
                self._seen = None
            if before or self._seen:  # else the log has it already
                LOG.warning("the model %s stays: %s", self.current.name, self.problem)
        else:
            self.problem = None
            LOG.info("the model is %s now", self.current.name)


def load_whole(folder: Path) -> Loaded:
    """Load a copy of the files, so that whatever happens to them meanwhile, they are those that checksums.json lists.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    with TemporaryDirectory(prefix="unroll-") as name:
        classifier = load_copy(folder, Path(name))
        return Loaded(compute_hash(Path(name) / CHECKSUMS, "sha256")[:12], classifier)


def look_at(folder: Path) -> list[tuple[int, ...]]:
    """Return what changes if a file is written or replaced."""
    return [_stat(folder / part) for part in PARTS]


def _stat(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns)
