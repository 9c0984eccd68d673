"""The processes of a training: how they are started and connected, and how they end.

The stage that trains starts the others as copies of its own command, unless `torchrun` has started all of them. The
first process (rank 0) writes, prints and logs; the others only compute. Imported only if `train.processes` is above 1.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from signal import Signals

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # which PyTorch's annotations forget

from unroll.base.errors import InputError, exit_with_message
from unroll.params.common import TrainParams
from unroll.training.distributed import Team
from unroll.training.loop import Task, train_model
from unroll.training.progress import Epoch, Training
from unroll.training.resume import Checkpoints

PORT = "UNROLL_PORT"  # in the environment of a process that a stage has started: the port where the stage waits for it
FOREVER = timedelta(days=365)  # the others wait while the first one logs, however slow MLflow's store is
GRACE = 5.0  # seconds within which the first process notices by itself that another has ended


def find_rank() -> int:
    """Return the number of this process in the training; 0 for the first."""
    return int(os.environ.get("RANK", "0")) if "WORLD_SIZE" in os.environ else 0


def enter(params: TrainParams, device: torch.device) -> None:
    """Check that so many processes can train here, and give this one its device; all but the first print nothing.

    Raises:
        InputError: `torchrun` has started another number of processes, or there are fewer CUDA devices.
    """
    started = os.environ.get("WORLD_SIZE", str(params.processes))
    if started != str(params.processes):
        raise InputError(
            f"params.yaml: train.processes = {params.processes} while torchrun has started {started}: expected the "
            "same number"
        )
    if device.type == "cuda":
        here, devices = int(os.environ.get("LOCAL_WORLD_SIZE", params.processes)), torch.cuda.device_count()
        if here > devices:
            raise InputError(
                f"params.yaml: train.processes = {params.processes}, {here} of them on this machine, which has "
                f"{devices} CUDA devices: expected one for each, or train.device = 'cpu'"
            )
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if find_rank() > 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def train_together(
    model: nn.Module, task: Task, on_epoch: Callable[[Epoch], None], checkpoints: Checkpoints
) -> Training:
    """Do what `train_model` does, together with other processes, of which this is the first.

    Raises:
        InputError: what `train_model` raises; or another process has ended.
    """
    with join(task.params.processes, next(model.parameters()).device, checkpoints.key) as team:
        return train_model(model, replace(task, team=team), on_epoch, checkpoints)


def take_part(model: nn.Module, task: Task, key: str) -> None:
    """If this is not the first process, train with the others, and end the process.

    key: identifies the training (`identify_training`), as it does in all processes.

    Raises:
        InputError: a batch has fewer examples than there are processes; what `train_model` raises; or the first
            process trains something else, or has ended.
    """
    if task.params.processes > task.batch_size:
        raise InputError(
            f"params.yaml: train.processes = {task.params.processes} while a batch has {task.batch_size} examples: "
            "expected at most as many processes"
        )
    if find_rank() > 0:
        with join(task.params.processes, next(model.parameters()).device, key) as team:
            train_model(model, replace(task, team=team))
        raise SystemExit


@dataclass
class Others:
    """The processes that a stage has started. They end when it does, because it then no longer holds their input.

    watches: a thread for each, which waits for its end; ended: rank, exit code and last line of each that has failed,
    in order; over: set when their end is expected.
    """

    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    watches: list[threading.Thread] = field(default_factory=list)
    ended: list[tuple[int, int, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def start(self, size: int, port: int) -> None:
        """Start this command again, once for each further rank."""
        for rank in range(1, size):
            numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, PORT: port}
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                env=os.environ | {name: str(number) for name, number in numbers.items()},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.processes.append(process)
            self.watches.append(threading.Thread(target=self._watch, args=(rank, process), daemon=True))
            self.watches[-1].start()

    def explain(self) -> str:
        """Return why a process has ended, or nothing if none has; wait a moment for one that is about to."""
        self.over.set()
        for watch in self.watches:
            watch.join(GRACE / len(self.watches))
        return self._describe()

    def _describe(self) -> str:
        if not self.ended:
            return ""
        # Those that were killed come first: the others may have ended because of them.
        rank, code, said = min(self.ended, key=lambda end: end[1] > 0)
        how = f"was killed by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"train.processes: the process of rank {rank} {how}{f', after {said}' if said else ''}"

    def end(self) -> None:
        """End them all. They hold nothing that is not here, too."""
        self.over.set()
        for process in self.processes:
            process.kill()
            process.wait()

    def _watch(self, rank: int, process: subprocess.Popen[str]) -> None:
        """Wait until the process ends. If it fails, end this one, should it not notice that itself."""
        lines = process.stderr.read().splitlines() if process.stderr else []
        if code := process.wait():
            self.ended.append((rank, code, lines[-1] if lines else ""))
            if not self.over.wait(GRACE):
                with suppress(SystemExit):
                    exit_with_message(self._describe())
                os._exit(1)


@contextmanager
def join(size: int, device: torch.device, key: str) -> Iterator[Team]:
    """Connect all processes of a training, after starting the others if nobody has done that."""
    rank, store, others = find_rank(), None, None
    if "WORLD_SIZE" not in os.environ:
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=FOREVER)
        others = Others()
    elif PORT in os.environ:
        threading.Thread(target=_end_with_stage, daemon=True).start()
        store = TCPStore("127.0.0.1", int(os.environ[PORT]), is_master=False, timeout=FOREVER)
    try:
        if others and store:
            others.start(size, store.port)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=FOREVER, world_size=size, rank=rank, store=store)
        yield Team(rank, size, device, key, others.explain if others else str)
    finally:
        if others:
            others.end()
        if dist.is_initialized():
            dist.destroy_process_group()


def _end_with_stage() -> None:
    """End this process as soon as the one that has started it is gone."""
    sys.stdin.read()
    os._exit(1)
