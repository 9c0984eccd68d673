"""`train.portable`: the same bytes, whatever instructions the libraries would choose; without it, the same metrics."""

import os
from pathlib import Path

import pytest
import torch
from benchmarks.portability import LIMITS, Trained, compare_metrics, run_limited
from pydantic import ValidationError

from unroll.base.devices import choose_device
from unroll.base.errors import InputError
from unroll.base.portable import fix_dispatch, fix_torch
from unroll.params.texts import TextTrainParams, read_text_params

DEFAULTS = Path(__file__).parents[2] / "params.yaml"
LIMITED = ["none", "ONEDNN_MAX_CPU_ISA=SSE41", "all of these at their lowest"]
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


def test_a_processor_without_the_instructions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    used = torch.backends.mkldnn.enabled
    try:
        with pytest.raises(InputError, match=r"train.portable = true: PyTorch computes with DEFAULT here; expected"):
            fix_torch()
    finally:
        torch.backends.mkldnn.enabled = used


def test_the_users_own_limits_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OPENBLAS_CORETYPE": "Nehalem"})
    fix_dispatch()
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"
