"""How a stage, or the program `unroll`, runs as a process: how it ends, and how it saves time."""

import atexit
import gc
import signal
import sys
import tempfile
from collections.abc import Callable

from unroll.base.errors import InputError, end_in_one_line
from unroll.base.versions import check_versions

# New objects between two garbage collections, and collections between two thorough ones.
RARELY = (50_000, 20, 100)


def run_stage(main: Callable[[], None], *, computes: bool = True) -> None:
    """Run a stage's main function. A wrong input ends in one line, a bug in its traceback, for DVC's log.

    A stage that `computes` depends on requirements-compute.txt, and refuses to run with other versions.
    A request to terminate ends it as Ctrl-C does, so that nothing is left half-written or marked as running.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with end_in_one_line(with_bugs=False):
            _check_room()
            if computes:
                check_versions()
            main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None


def collect_rarely() -> None:
    """Let Python collect garbage rarely, and not when the process ends.

    The objects that MLflow and PyTorch create on import live as long as the process. Scanning them takes a fourth of
    the import's time, and as long again at the end.
    """
    gc.set_threshold(*RARELY)
    atexit.register(gc.freeze)


def _check_room() -> None:
    """Raise InputError if no temporary file can be written: libraries would report that in long tracebacks."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise InputError(f"{error.strerror}: make room there, or set TMPDIR to a folder that has some") from None
