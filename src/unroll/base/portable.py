"""What makes the libraries compute the same bytes on one processor as on another."""

import os

from unroll.base.errors import InputError

# Which instructions each library is to compute with, instead of the widest that it finds. A matrix product of Intel's
# MKL is the same on other makers' processors in its oldest form alone.
DISPATCH = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # PyTorch's matrix products
    "OPENBLAS_CORETYPE": "Nehalem",  # SciPy's products of vectors, with which gensim learns word vectors
}


def fix_dispatch() -> None:
    """Fix the instructions. OpenBLAS reads this when SciPy is imported, PyTorch and MKL when they first compute."""
    os.environ.update(DISPATCH)


def fix_torch() -> None:
    """Fix the instructions for PyTorch, and do without oneDNN, which writes its code for the processor it finds.

    Raises:
        InputError: PyTorch does not compute with AVX2, as the processor has none or something has been computed before.
    """
    import torch  # imported here: pretraining does without

    fix_dispatch()
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a descriptor, which takes a bool
    found = torch.backends.cpu.get_cpu_capability()
    if found != "AVX2":
        raise InputError(f"train.portable = true: PyTorch computes with {found} here; expected a processor with AVX2")
