"""What must not be imported, because it takes a second or more to start."""

import pytest

from imports import PACKAGE, find_packages


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        ("inference/classifier", {"torch", "sklearn", "scipy", "gensim", "matplotlib"}),  # `unroll predict`
        ("export/folder", {"torch", "onnxruntime", "sklearn", "scipy", "gensim", "matplotlib"}),  # `unroll export`
        ("results/overview", {"torch", "sklearn", "pandas", "matplotlib"}),  # `unroll runs`
        ("cli/compare", {"torch", "sklearn", "pandas", "matplotlib"}),  # `unroll compare`
        ("stages/train", {"sklearn", "matplotlib", "gensim"}),
        ("stages/train_sequences", {"sklearn", "matplotlib", "gensim"}),
        ("stages/pretrain", {"sklearn", "pandas", "matplotlib"}),
    ],
)
def test_what_takes_long_to_start_is_not_imported(module: str, slow: set[str]) -> None:
    assert find_packages(PACKAGE / f"{module}.py") & slow == set()
