"""What a logged model needs elsewhere."""

from imports import PACKAGE, find_packages
from unroll.registry import INFERENCE_PACKAGES


def test_a_logged_model_requires_what_its_code_imports() -> None:
    required = {name.split(".")[0] for name in INFERENCE_PACKAGES}
    assert required == find_packages(PACKAGE / "mlflow_model.py") - {"pydantic_core"}  # pydantic brings that one
    assert "torch" not in required
