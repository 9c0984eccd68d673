"""Settings that make the libraries compute the same bytes on different processors.

Libraries choose their instructions by the processor that they find, and with them the order of sums. A stage fixes
NumPy's and SciPy's before it imports them (`fix_dispatch`), PyTorch's only if `train.portable` says so (`fix_torch`).
"""

import os
import platform
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from unroll.base.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
DISPATCH = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's own kernels stay with AVX2
    "OPENBLAS_CORETYPE": "Haswell",  # products of matrices and vectors by NumPy, SciPy and what builds on them
}
TORCH_DISPATCH = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # what is left to MKL: its other code differs between Intel's processors and others
}
CPU_INFO = Path("/proc/cpuinfo")


def find_obstacle() -> str:
    """Return why this processor cannot compute portable bytes, or nothing."""
    if platform.machine() != "x86_64":
        return f"this is a processor of type {platform.machine()}"
    if not CPU_INFO.is_file() or "avx2" not in CPU_INFO.read_text().split():
        return "this processor has no AVX2"
    return ""


def fix_dispatch() -> None:
    """Fix threads and instructions of NumPy and SciPy, which read these variables when they are imported."""
    os.environ.update(ONE_THREAD)
    if not find_obstacle():
        os.environ.update(DISPATCH)


def fix_torch() -> None:
    """Fix the instructions of PyTorch, and let NumPy compute its matrix products.

    oneDNN is switched off: it generates code for the processor that it finds. MKL computes alike on all processors only
    in its oldest code, which takes twice as long as OpenBLAS with AVX2. Only the products that the models need are
    replaced, `mm` and `addmm`.

    Raises:
        InputError: PyTorch does not use AVX2: the processor lacks it, or PyTorch has computed something before.
    """
    import torch  # imported here: most stages do without it

    os.environ.update(TORCH_DISPATCH)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a descriptor, which takes a bool
    found = torch.backends.cpu.get_cpu_capability()
    if found != "AVX2":
        raise InputError(
            f"train.portable: PyTorch computes with {found} here; expected AVX2, or false in place of true or auto"
        )
    with warnings.catch_warnings(action="ignore"):  # PyTorch warns that these replace its own
        torch.library.impl("aten::mm", "CPU", multiply)
        torch.library.impl("aten::addmm", "CPU", multiply_and_add)


def multiply(first: "Tensor", second: "Tensor") -> "Tensor":
    """Return the product of two matrices, float32 or float64."""
    import torch

    return torch.from_numpy(first.detach().numpy() @ second.detach().numpy())


def multiply_and_add(
    bias: "Tensor", first: "Tensor", second: "Tensor", *, beta: float = 1, alpha: float = 1
) -> "Tensor":
    """Return beta · bias + alpha · the product of two matrices."""
    product = multiply(first, second).mul_(alpha)
    return product.add_(bias.detach(), alpha=beta) if beta else product
