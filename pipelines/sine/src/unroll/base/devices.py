"""Where and how exactly PyTorch computes."""

import os
from typing import Literal

import torch

from unroll.base.errors import InputError
from unroll.base.portable import find_obstacle, fix_torch

Portable = bool | Literal["auto"]


def choose_device(name: str, portable: Portable = False) -> torch.device:
    """Return the device that "auto", "cpu" or "cuda" stands for; where portable bytes are required, that is the CPU.

    Raises:
        InputError: CUDA is asked for and not available.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("train.device = 'cuda': this machine has no CUDA device; expected cpu or auto")
    return torch.device("cuda" if available and name != "cpu" and portable is not True else "cpu")


def check_precision(precision: str, device: torch.device) -> None:
    """Raise InputError for a precision that does not pay off on the device: on CPUs, bfloat16 is slower."""
    if precision != "float32" and device.type != "cuda":
        raise InputError(
            f"train.precision = {precision!r}: only CUDA devices train with it; on the CPU expected float32"
        )


def explain_not_portable(threads: int, device: torch.device, processes: int = 1) -> str:
    """Return why other processors may give other last digits than this computation, or nothing if they may not."""
    if device.type != "cpu":
        return f"it uses {device.type.upper()}"
    if threads != 1:
        return f"it uses {threads} threads"
    if processes != 1:
        return f"it uses {processes} processes"
    return find_obstacle()


def make_repeatable(threads: int, device: torch.device, portable: Portable = False) -> None:
    """Let the same computation give the same bits each time: a fixed number of threads, deterministic algorithms.

    Sums are divided among threads, so another number of threads gives other last digits. On the CPU the models use only
    deterministic operations; PyTorch's switch would cost a second, and more time in every step. portable: the same bits
    on other processors, too, or ("auto") where that is possible; PyTorch must not have computed anything yet.

    Raises:
        InputError: `portable` is true and the processor lacks the instructions for it.
    """
    if portable is True or (portable == "auto" and not explain_not_portable(threads, device)):
        fix_torch()
    torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS refuses to be deterministic
        torch.use_deterministic_algorithms(True)
