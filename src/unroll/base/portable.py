"""Settings that make the libraries compute the same bytes on different processors."""

import os

from unroll.base.errors import InputError

# The instructions that each library must use, instead of the widest that it finds. Only the oldest code of Intel's MKL
# gives the same matrix products on processors of other makers.
DISPATCH = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # PyTorch's matrix products
    "OPENBLAS_CORETYPE": "Nehalem",  # SciPy's products of vectors, which gensim uses to learn word vectors
}


def fix_dispatch() -> None:
    """Fix the instructions. OpenBLAS reads this when SciPy is imported, PyTorch and MKL when they first compute."""
    os.environ.update(DISPATCH)


def fix_torch() -> None:
    """Fix the instructions for PyTorch, and switch off oneDNN, which generates code for the processor that it finds.

    Raises:
        InputError: PyTorch does not use AVX2: the processor lacks it, or PyTorch has computed something before.
    """
    import torch  # imported here: pretraining does not need it

    fix_dispatch()
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a descriptor, which takes a bool
    found = torch.backends.cpu.get_cpu_capability()
    if found != "AVX2":
        raise InputError(f"train.portable = true: PyTorch computes with {found} here; expected a processor with AVX2")
