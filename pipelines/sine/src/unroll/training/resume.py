"""Checkpoints: trainings are saved after each epoch, and resumed as if nothing had happened.

Each is one file in .dvc/tmp/trainings/ of the repository, named after what determines the training and after the file's
own checksum. It is no output: DVC neither tracks nor caches it, and it is removed when the stage is done.
"""

import hashlib
import json
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from unroll.base.files import compute_hash, replace_when_done
from unroll.models.batches import Examples
from unroll.params.common import PipelineParams
from unroll.training.gradients import Gradients
from unroll.training.progress import Epoch, Progress

TRAININGS = Path(".dvc/tmp/trainings")
KEPT = 10  # files of trainings that were never resumed; older ones are removed


@dataclass(frozen=True)
class Checkpoints:
    """Where a training is saved; key: identifies the training (`identify_training`)."""

    folder: Path
    key: str

    def save(self, progress: Progress) -> None:
        """Save the training as it is now, in place of what was saved before."""
        content = save(capture(progress))
        path = self.folder / f"{self.key}-{hashlib.sha256(content).hexdigest()}.safetensors"
        before = self._list()
        with replace_when_done(path) as temporary:
            temporary.write_bytes(content)
        for old in before:
            if old != path:
                old.unlink(missing_ok=True)
        _remove_oldest(self.folder, KEPT)

    def load(self, progress: Progress) -> bool:
        """Restore a training that was interrupted, if it was; return whether it was.

        A file that does not match its checksum is removed with a warning.
        """
        for path in self._list():
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # another process runs the same training, and has replaced the file
            if hashlib.sha256(content).hexdigest() == path.stem.rpartition("-")[2]:
                restore(progress, load(content))
                return True
            path.unlink(missing_ok=True)
            print(f"warning: {path} is damaged: removed, the training starts anew", file=sys.stderr)
        return False

    def remove(self) -> None:
        """Remove the training's files, once all its outputs are written."""
        for path in [*self._list(), *self.folder.glob(f".{self.key}-*")]:
            path.unlink(missing_ok=True)

    def _list(self) -> list[Path]:
        """Return the training's files, the latest first; several, if saving was interrupted."""
        return sorted(self.folder.glob(f"{self.key}-*.safetensors"), key=_find_time, reverse=True)


def identify_training(params: PipelineParams, model: nn.Module, train: Examples, val: Examples) -> str:
    """Return a checksum of everything that determines a training, before it begins.

    These are the parameters `model` and `train`, the examples, the initial weights, the state of PyTorch's random
    numbers, this package's code, and the versions, processor and device that compute.
    """
    device = next(model.parameters()).device
    facts = {
        "params": [params.model.model_dump(mode="json"), params.train.model_dump(mode="json")],
        "examples": [train.digest(), val.digest()],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "versions": [sys.version, torch.__version__, np.__version__],
    }
    checksum = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    checksum.update(torch.get_rng_state().numpy().tobytes())
    for name, weight in model.state_dict().items():
        checksum.update(name.encode())
        checksum.update(weight.detach().cpu().numpy())
    for name, path in sorted(_list_code()):
        checksum.update(f"{name} {compute_hash(path, 'sha256')}".encode())
    return checksum.hexdigest()[:32]


def capture(progress: Progress) -> dict[str, Tensor]:
    """Return everything that the next epoch, and the training's end, depend on."""
    optimizer = progress.optimizer.state_dict()
    facts = {
        "history": [asdict(epoch) for epoch in progress.history],
        "seconds": progress.seconds,
        "scheduler": progress.scheduler.state_dict(),
        "groups": optimizer["param_groups"],
    }
    tensors = _prefix("model", progress.model.state_dict()) | _prefix("weights", progress.weights)
    if progress.average:
        tensors |= _prefix("average", progress.average.state_dict())
    for number, state in optimizer["state"].items():
        tensors |= _prefix(f"optimizer.{number}", state)
    tensors |= _prefix("val_outputs", progress.val_outputs)
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    tensors["facts"] = torch.frombuffer(bytearray(json.dumps(facts).encode()), dtype=torch.uint8)
    # Copies: safetensors refuses tensors that share memory.
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


def restore(progress: Progress, tensors: dict[str, Tensor]) -> None:
    """Put into a training that has not begun everything that `capture` took from another one."""
    facts: dict[str, Any] = json.loads(tensors["facts"].numpy().tobytes())
    progress.history = [read_epoch(epoch) for epoch in facts["history"]]
    progress.seconds = facts["seconds"]
    progress.scheduler.load_state_dict(facts["scheduler"])
    progress.model.load_state_dict(_select("model", tensors))
    progress.weights = _select("weights", tensors)
    if progress.average:
        progress.average.load_state_dict(_select("average", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _select("optimizer", tensors).items():
        number, _, part = name.partition(".")
        state.setdefault(int(number), {})[part] = tensor
    progress.optimizer.load_state_dict({"state": state, "param_groups": facts["groups"]})
    progress.val_outputs = {int(epoch): outputs for epoch, outputs in _select("val_outputs", tensors).items()}
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _list_code() -> set[tuple[str, Path]]:
    """Return the files of this package that the process has imported, by module name.

    The stage is one of them: it runs as `__main__`, but its `__spec__` has its name.
    """
    package = __name__.split(".")[0]
    modules = [(spec.name, one) for one in list(sys.modules.values()) if (spec := getattr(one, "__spec__", None))]
    own = [(name, module) for name, module in modules if name.split(".")[0] == package]
    own = [(name, module) for name, module in own if not name.startswith(f"{package}.tracking.")]  # it only reports
    return {(name, Path(module.__file__)) for name, module in own if module.__file__}


def read_epoch(values: dict[str, Any]) -> Epoch:
    """Return the epoch of which these are the fields."""
    gradients = values.pop("gradients")
    return Epoch(**values, gradients=Gradients(**gradients) if gradients else None)


def _prefix(prefix: str, tensors: dict[Any, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _select(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _find_time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_oldest(folder: Path, kept: int) -> None:
    for path in sorted(folder.iterdir(), key=_find_time, reverse=True)[kept:]:
        path.unlink(missing_ok=True)
