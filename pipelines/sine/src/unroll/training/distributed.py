"""A training on several processes: each computes its share of every batch, and their gradients are summed.

Imported only if `train.processes` is above 1. training/processes.py starts and connects the processes.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor, nn

from unroll.base.errors import InputError
from unroll.models.batches import Batch
from unroll.models.layers import Dropout
from unroll.training.loop import Task
from unroll.training.progress import Epoch, Progress
from unroll.training.resume import capture, read_epoch, restore

MANY_ROWS = 5_000  # of a gradient: more than a recurrent layer or a head has


class SharedDropout(Dropout):
    """Dropout that draws for the whole batch, as one process would, and keeps the numbers of its own examples.

    whole: how many examples the batch in progress has, and which of them are this process's; None outside of a step.
    """

    whole: tuple[int, slice] | None = None

    def draw(self, values: Tensor) -> Tensor:
        if self.whole is None:
            return super().draw(values)
        examples, own = self.whole
        # `rand_like` draws in the order in which the values lie in memory, in which time may come before examples.
        order = sorted(range(values.ndim), key=lambda dim: (values.stride(dim), dim), reverse=True)
        shape = (examples, *values.shape[1:])
        drawn = torch.empty_permuted(shape, order, dtype=values.dtype, device=values.device)
        return drawn.uniform_()[own]


@dataclass(frozen=True)
class Team:
    """The processes of a training, as one of them sees them.

    key: identifies the training (`identify_training`); explain: returns why another process has ended, where known."""

    rank: int
    size: int
    device: torch.device
    key: str
    explain: Callable[[], str] = str

    def begin(self, progress: Progress) -> None:
        """Let dropout draw for whole batches, and give all processes the first one's state.

        Raises:
            InputError: the first process trains something else.
        """
        for name, module in list(progress.model.named_modules()):
            if type(module) is Dropout:
                progress.model.set_submodule(name, SharedDropout(module.probability))
        if self._broadcast(self.key.encode()) != self.key.encode():
            raise InputError(
                "this process has other data, parameters, code, packages or another kind of processor than the first "
                "one: expected the same in all processes of a training"
            )
        state = self._broadcast(save(capture(progress)) if self.rank == 0 else b"")
        if self.rank > 0:
            restore(progress, load(state))

    def divide(self, batch: Batch, task: Task, model: nn.Module) -> Batch:
        """Return this process's examples of a batch: every `size`th, so that all have as many short and long ones.

        They stay padded as the batch is. If there are too few, the first one stands in, and counts for nothing.
        """
        own = slice(self.rank, None, self.size)
        is_empty = len(batch.rows) <= self.rank
        if is_empty:
            own = slice(0, 1)
        for module in model.modules():
            if isinstance(module, SharedDropout):
                module.whole = (len(batch.rows), own)
        weight, total = (task.objective.weigh(targets) for targets in (batch.targets[own], batch.targets))
        extras = map(torch.from_numpy, task.train.gather_extras(batch.rows[own]))
        lengths = None if batch.lengths is None else batch.lengths[own]
        part = Batch(batch.rows[own], batch.inputs[own], batch.targets[own], lengths, tuple(extras))
        return replace(part.to(self.device), share=0.0 if is_empty else weight / total)

    def add_up(self, model: nn.Module, loss: Tensor, share: float) -> Tensor:
        """Replace the gradients by those of the whole batch's mean loss, in all processes; return that loss.

        loss: the mean of this process's examples; share: how much they count in the whole batch.
        """
        for module in model.modules():
            if isinstance(module, SharedDropout):
                module.whole = None
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        rows = self._find_rows(gradients)
        parts = [gradient[own] for gradient, own in zip(gradients, rows, strict=True)] + [loss.detach().reshape(1)]
        together = torch.cat([part.flatten() for part in parts]).mul_(share)
        with self._notice():
            dist.all_reduce(together)
        *sums, total = together.split([part.numel() for part in parts])
        for gradient, own, part, values in zip(gradients, rows, parts[:-1], sums, strict=True):
            gradient[own] = values.view_as(part)
        return total[0]

    def _find_rows(self, gradients: list[Tensor]) -> list[Tensor | slice]:
        """Return the rows of each gradient that are to be summed: of large tables, those that a process has used.

        A batch has few of the words and n-grams that embeddings and n-grams have rows for; the others are zero.
        """
        tables = [gradient for gradient in gradients if len(gradient) >= MANY_ROWS]
        if not tables:
            return [slice(None)] * len(gradients)
        used = torch.cat([table.abs().amax(dim=1) != 0 for table in tables]).to(torch.uint8)
        with self._notice():
            dist.all_reduce(used, dist.ReduceOp.MAX)
        found = iter(used.split([len(table) for table in tables]))
        return [next(found).nonzero()[:, 0] if len(g) >= MANY_ROWS else slice(None) for g in gradients]

    def agree(self, epoch: Epoch) -> Epoch:
        """Return the first process's results of an epoch, so that all decide alike what comes next."""
        return read_epoch(json.loads(self._broadcast(json.dumps(asdict(epoch)).encode())))

    def _broadcast(self, content: bytes) -> bytes:
        """Return what the first process gives."""
        size = torch.tensor([len(content)], device=self.device)
        with self._notice():
            dist.broadcast(size, 0)
            if self.rank == 0:
                values = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(self.device)
            else:
                values = torch.empty(int(size), dtype=torch.uint8, device=self.device)
            dist.broadcast(values, 0)
        return values.cpu().numpy().tobytes()

    @contextmanager
    def _notice(self) -> Iterator[None]:
        """Raise InputError if the connection breaks, as it does when a process ends."""
        try:
            yield
        except RuntimeError:
            lost = "the connection to another process of this training was lost"
            raise InputError(self.explain() or lost) from None
