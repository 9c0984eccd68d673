"""`train.portable`: the same bytes, whatever instructions the libraries would choose; without it, the same metrics."""

import os
import platform
from pathlib import Path

import pytest
import torch
from benchmarks.portability import LIMITS, Trained, compare_metrics, run_limited
from pydantic import ValidationError

from unroll.base import portable
from unroll.base.devices import choose_device, explain_not_portable
from unroll.base.errors import InputError
from unroll.base.portable import fix_dispatch, fix_torch, multiply, multiply_and_add
from unroll.params.texts import TextTrainParams, read_text_params
from unroll.stages.recipe import prepare

DEFAULTS = Path(__file__).parents[2] / "params.yaml"
LIMITED = ["none", "all of these at their lowest"]
LOSS_TOLERANCE, SCORE_TOLERANCE = 1e-4, 0.03  # of docs/portability.md; a score moves by 0.02 if one text of 48 does
WIDE = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="this processor has no AVX2: there is nothing to limit, and nothing portable",
)


@pytest.fixture(scope="module")
def plain() -> dict[str, Trained]:
    return {name: run_limited("plain", LIMITS[name]) for name in LIMITED}


@pytest.mark.slow
@WIDE
def test_portable_trainings_have_the_same_bytes_under_every_limit() -> None:
    """Without `portable` these limits change them: the next test."""
    assert len({run_limited("portable", LIMITS[name]).sha256 for name in LIMITED}) == 1


@pytest.mark.slow
@WIDE
def test_without_it_limits_change_the_bytes(plain: dict[str, Trained]) -> None:
    assert plain["none"].sha256 != plain["all of these at their lowest"].sha256


@pytest.mark.slow
def test_without_it_metrics_agree_within_the_tolerance(plain: dict[str, Trained]) -> None:
    for name in LIMITED:
        loss, score = compare_metrics(plain["none"], plain[name])
        assert loss <= LOSS_TOLERANCE
        assert score <= SCORE_TOLERANCE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": 2}, "train.threads = 2 while train.portable = true: expected 1"),
        ({"device": "cuda"}, "train.device = 'cuda' while train.portable = true: expected cpu or auto"),
    ],
)
def test_what_cannot_be_portable_is_refused(changes: dict[str, object], message: str) -> None:
    values = read_text_params(DEFAULTS).train.model_dump()
    TextTrainParams(**(values | changes))
    with pytest.raises(ValidationError, match=message):
        TextTrainParams(**(values | changes | {"portable": True}))


def test_what_is_portable_is_computed_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    assert choose_device("auto", portable=True).type == "cpu"


@pytest.mark.parametrize(
    ("threads", "device", "machine", "cpu_info", "reason"),
    [
        (1, "cpu", "x86_64", "flags : fma avx avx2 bmi2\n", ""),
        (1, "cpu", "x86_64", "flags : fma avx bmi2\n", "this processor has no AVX2"),
        (1, "cpu", "x86_64", None, "this processor has no AVX2"),
        (1, "cpu", "aarch64", "Features : fp asimd\n", "this is a processor of type aarch64"),
        (2, "cpu", "x86_64", "flags : avx2 \n", "it uses 2 threads"),
        (1, "cuda", "x86_64", "flags : avx2 \n", "it uses CUDA"),
    ],
)
def test_what_cannot_be_portable_is_explained(
    threads: int,
    device: str,
    machine: str,
    cpu_info: str | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if cpu_info:
        (tmp_path / "cpuinfo").write_text(cpu_info)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(portable, "CPU_INFO", tmp_path / "cpuinfo")
    assert explain_not_portable(threads, torch.device(device)) == reason


def test_a_training_that_is_not_portable_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    params = read_text_params(DEFAULTS).train.model_copy(update={"threads": 2, "device": "cpu"})
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    try:
        prepare(params)
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
    told = "train: other processors may give other last digits, as it uses 2 threads (docs/portability.md)\n"
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("beta", "alpha"), [(1, 1), (0, 2), (0.5, 1)])
def test_numpy_multiplies_as_pytorch_does(dtype: torch.dtype, beta: float, alpha: float) -> None:
    generator = torch.Generator().manual_seed(1)
    wide = torch.randn(7, 20, generator=generator, dtype=dtype, requires_grad=True)
    pairs = [(wide, wide.T), (wide.T, wide), (wide[:, ::2], wide[:, 1::2].T), (wide[:1], wide.T), (wide[:0], wide.T)]
    for first, second in pairs:
        bias = torch.full(second.shape[1:], torch.nan if beta == 0 else 3.0, dtype=dtype)
        expected = torch.addmm(bias, first, second, beta=beta, alpha=alpha)
        assert torch.allclose(multiply_and_add(bias, first, second, beta=beta, alpha=alpha), expected, atol=1e-5)
        assert torch.allclose(multiply(first, second), first @ second, atol=1e-5)


def test_a_processor_without_the_instructions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    used = torch.backends.mkldnn.enabled
    try:
        with pytest.raises(InputError, match=r"train.portable: PyTorch computes with DEFAULT here; expected AVX2"):
            fix_torch()
    finally:
        torch.backends.mkldnn.enabled = used


def test_the_users_own_limits_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OPENBLAS_CORETYPE": "Nehalem"})
    monkeypatch.setattr(portable, "find_obstacle", lambda: "")
    fix_dispatch()
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"
