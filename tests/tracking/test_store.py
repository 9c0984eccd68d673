"""How the process of a run is recognized."""

import os

import psutil
import pytest

from unroll.tracking.store import _is_alive, describe_process


def test_a_process_is_known_again_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    _, process = describe_process().split(" ", 1)
    assert _is_alive(process)
    # What psutil reports for both is counted from 1970, and moves with the clock.
    started, booted = psutil.Process().create_time(), psutil.boot_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: started - 86_400)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted - 86_400)
    assert _is_alive(process)


def test_another_process_with_the_same_id_is_not_taken_for_it() -> None:
    started = float(describe_process().split()[-1])
    assert not _is_alive(f"{os.getpid()} {started - 100:.0f}")
