"""Sends experiments to the workers of a Dask cluster, follows them, and brings them back."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unroll.base.errors import InputError
from unroll.cluster.checks import Source, check_workers, inspect_worker, read_pinned_names
from unroll.cluster.experiment import Job
from unroll.cluster.grid import Experiment, plan_preparations, split_stages
from unroll.results.commands import DVC, make_environment

if TYPE_CHECKING:
    from distributed import Client, Future

TOPIC = "unroll"
RETRIES = 2  # of an experiment whose worker died
SECONDS_FOR_WORKERS = 60  # to join the cluster

Show = Callable[[str, str], None]  # gets an experiment's name and what it does


@contextmanager
def open_client(address: str | None, workers: int | None) -> "Iterator[Client]":
    """Connect to the cluster at `address`, or start one on this machine with a worker for each core.

    Raises:
        InputError: Dask is not installed, or nothing answers at the address.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ModuleNotFoundError:
        raise InputError("experiments on workers need Dask: `make cluster` installs it") from None
    settings = {"distributed.scheduler.allowed-failures": RETRIES, "distributed.comm.timeouts.connect": "10s"}
    with dask.config.set(settings):
        if address is None:
            with (
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    resources={"cpu": 1},
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(address, timeout="10s")
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"--on {address}: no Dask scheduler can be reached there ({reason})") from None
        with client:
            yield client


@dataclass(frozen=True)
class Crew:
    """Workers that are fit for a commit's experiments.

    template: a job without name and overrides; stages, params: those that come before a training (`split_stages`);
    resources: what each job needs of a worker; prepared: what was done for experiments with the same data, by name.
    """

    client: "Client"
    template: Job
    stages: tuple[str, ...]
    params: tuple[str, ...]
    resources: dict[str, float]
    prepared: "dict[str, Future[str]]" = field(default_factory=dict)


@contextmanager
def open_crew(
    source: Source,
    need_portable: bool,
    environment: dict[str, str],
    address: str | None,
    workers: int | None,
    needs: list[str],
) -> Iterator[Crew]:
    """Look at the workers of the cluster at `address`, or of one on this machine, and send them what DVC has here.

    need_portable: whether all experiments compute portable bytes where the processor can.

    Raises:
        InputError: the workers are not fit for experiments.
    """
    stages, params = split_stages(Path("dvc.yaml"))
    template = Job(
        "", (), (), source.commit, source.folder, source.git_url, source.storage, source.storage_url, environment
    )
    with open_client(address, workers) as client:
        send_data()
        check_workers(inspect_workers(client, template, needs), read_pinned_names(source.root), need_portable)
        yield Crew(client, template, stages, params, dict.fromkeys(needs, 1))


def inspect_workers(client: "Client", template: Job, needs: list[str]) -> dict[str, dict[str, Any]]:
    """Return what `inspect_worker` finds on one worker of each machine.

    Raises:
        InputError: there is no worker, none has what is needed, or one cannot even look.
    """
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
    except TimeoutError:
        raise InputError(f"no worker joined the cluster within {SECONDS_FOR_WORKERS} seconds") from None
    known = client.scheduler_info(n_workers=-1)["workers"]
    for need in needs:
        if not any(need in worker["resources"] for worker in known.values()):
            raise InputError(f"--needs {need}: no worker has it; `dask worker --resources {need}=1` gives it")
    try:
        return client.run(inspect_worker, template, workers=find_hosts(client))
    except Exception as error:  # whatever another installation raises
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"a worker cannot run experiments ({reason}): expected `make cluster` there") from None


def find_hosts(client: "Client") -> list[str]:
    """Return the address of one worker of each machine."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    return list({worker["host"]: address for address, worker in known.items()}.values())


def run_experiments(crew: Crew, experiments: list[Experiment], show: Show) -> Iterator[tuple[str, str]]:
    """Run experiments on the workers; yield the name of each that ended, and why it failed, or an empty text.

    A failing experiment keeps no other from ending. If a worker dies, its experiment runs again elsewhere.
    """
    from distributed import as_completed

    commit, folder = crew.template.commit, crew.template.folder
    preparations = plan_preparations(experiments, crew.stages, crew.params, commit, folder)
    crew.client.subscribe_topic(TOPIC, lambda event: show(*event[1]))
    for one in preparations.values():
        if one.name not in crew.prepared:
            job = replace(crew.template, name=one.name, overrides=one.overrides, targets=crew.stages)
            crew.prepared[one.name] = _submit(crew, job, None)
    futures: dict[Future[str], str] = {}
    for one in experiments:
        before = crew.prepared[preparations[one.name].name] if one.name in preparations else None
        futures[_submit(crew, replace(crew.template, name=one.name, overrides=one.overrides), before)] = one.name
    for future in as_completed(futures):
        yield futures[future], _find_failure(future)


def _submit(crew: Crew, job: Job, before: "Future[str] | None") -> "Future[str]":
    return crew.client.submit(
        run_job, asdict(job), before, key=job.name, pure=False, retries=RETRIES, resources=crew.resources or None
    )


def _find_failure(future: "Future[str]") -> str:
    """Return why a finished future has no experiment, or an empty text."""
    from distributed import KilledWorker

    if future.status == "cancelled":
        return "the cluster is gone; the same command does what is missing"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return f"its worker died {RETRIES + 1} times, perhaps for lack of memory"
    return str(error) if error else future.result()


def run_job(values: dict[str, Any], before: str | None) -> str:
    """Run a job in a process of its own; return why it failed, or an empty text. This runs on the worker.

    before: why its preparation failed, if it did.

    Raises:
        RuntimeError: the process was killed; Dask then tries again.
    """
    from distributed import get_worker

    if before:
        return before
    with subprocess.Popen(
        [sys.executable, "-m", "unroll.cluster.experiment"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of processes, which ends as a whole
    ) as process:
        # It stays open, as the experiment ends when this process does.
        print(json.dumps(values), file=process.stdin, flush=True)
        failure = ""
        for line in process.stdout or ():
            told = json.loads(line)
            failure = told.get("failure", "")
            if not failure:
                get_worker().log_event(TOPIC, (values["name"], told["state"]))
    if process.returncode:
        raise RuntimeError(f"its process ended with {process.returncode}")
    return failure


def list_finished(remote: str) -> set[str]:
    """Return the names of the experiments of the current commit that Git's remote has."""
    return set(_ask_dvc("exp", "list", "--rev", "HEAD", "--name-only", remote).split())


def send_data() -> None:
    """Push what DVC has here, so that no worker computes it again."""
    _ask_dvc("push", "--quiet", "--run-cache")


def fetch_experiments(remote: str, names: list[str]) -> None:
    """Fetch experiments and their data."""
    if names:
        _ask_dvc("exp", "pull", "--quiet", "--force", remote, *names)


def _ask_dvc(*arguments: str) -> str:
    result = subprocess.run([*DVC, *arguments], env=make_environment(), capture_output=True, text=True)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or [result.stderr]
        raise InputError(f"dvc {arguments[0]} failed: {lines[0].removeprefix('ERROR: ').strip()}")
    return result.stdout
