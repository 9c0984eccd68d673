"""Work on the parts of a table in this process, in several, or on a Dask cluster: the same results in the same order.

Parts depend on the data alone. So workers decide when and where a part is computed, never what comes out.
"""

import hashlib
import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar

from unroll.base.errors import InputError
from unroll.base.versions import check_versions

WORKERS = "UNROLL_WORKERS"  # an environment variable: how many processes, or the address of a Dask scheduler
AHEAD = 2  # parts for each worker that are read before their results are needed
RETRIES = 2  # of a part that failed on a Dask worker
SECONDS = 5.0  # between two looks whether the workers are still there
ALIVE = ("running", "connecting")  # states of a Dask client

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """Who works on parts: an executor with so many workers, or nobody but this process."""

    executor: Executor | None = None
    count: int = 1
    are_there: Callable[[], bool] = lambda: True

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield `function` of each part, in the parts' order. Only a few parts are in memory at a time."""
        if self.executor is None:
            yield from map(function, parts)
            return
        pending: deque[Future[Result]] = deque()
        try:
            for part in parts:
                pending.append(self.executor.submit(function, part))
                if len(pending) > AHEAD * self.count:
                    yield self._wait(pending.popleft())
            while pending:
                yield self._wait(pending.popleft())
        finally:
            for future in pending:
                future.cancel()

    def _wait(self, future: "Future[Result]") -> Result:
        while not wait([future], SECONDS).done:
            if not self.are_there():  # then nobody will ever finish it
                raise CancelledError
        return future.result()


@contextmanager
def open_workers(local: bool = False) -> Iterator[Workers]:
    """Start or reach the workers that the environment asks for; local: not those of a cluster.

    Raises:
        InputError: the variable is neither a number nor an address, the cluster cannot be used, or a worker or the
            cluster ended while the block used it.
    """
    wanted = os.environ.get(WORKERS, "").strip() or "1"
    if "://" in wanted:
        if local:
            yield Workers()
        else:
            with _reach_cluster(wanted) as workers:
                yield workers
        return
    if not (wanted.isdecimal() and wanted.isascii() and 0 < int(wanted) < 1000):
        raise InputError(
            f"{WORKERS} = {wanted!r}: expected a number of processes, or tcp://HOST:PORT of a Dask scheduler"
        )
    if wanted == "1":
        yield Workers()
        return
    # A process that is started anew reads the same environment variables as this one, and shares no locks with it.
    pool = ProcessPoolExecutor(int(wanted), get_context("spawn"), _end_with_parent)
    try:
        yield Workers(pool, int(wanted))
    except BrokenProcessPool:
        raise InputError(f"{WORKERS} = {wanted}: a worker was killed, perhaps for lack of memory; try fewer") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let this process end with the one that started it, however that ends; Ctrl-C is for that one alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _reach_cluster(address: str) -> Iterator[Workers]:
    """Connect to a Dask cluster whose workers have this code and these packages."""
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError:
        raise InputError(f"{WORKERS} = {address} needs Dask: `make cluster` installs it") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what happens is told in one line
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{WORKERS} = {address}: no Dask scheduler can be reached there ({reason})") from None
    with client:
        try:
            found = client.run(digest_code) | {"scheduler": client.run_on_scheduler(digest_code)}
        except Exception as error:  # whatever another installation raises
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"{WORKERS} = {address}: the cluster cannot run this code ({reason})") from None
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"{WORKERS} = {address}: the cluster has no workers")
        strangers = sorted(worker for worker, digest in found.items() if digest != digest_code())
        if strangers:
            raise InputError(f"{WORKERS} = {address}: {strangers[0]} has other code: expected the same commit there")
        executor = client.get_executor(pure=False, retries=RETRIES)
        try:
            yield Workers(executor, threads, lambda: client.status in ALIVE)
        except KilledWorker:
            raise InputError(
                f"{WORKERS} = {address}: several workers died of one part, perhaps for lack of memory"
            ) from None
        except Exception as error:
            if client.status in ALIVE and not isinstance(error, CancelledError):
                raise
            raise InputError(f"{WORKERS} = {address}: the Dask cluster is gone") from None


def digest_code() -> str:
    """Return a checksum of the package as this process finds it.

    Raises:
        InputError: the packages that compute have other versions than those that are pinned.
    """
    check_versions()
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
