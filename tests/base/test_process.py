"""How a process saves time when it ends."""

import subprocess
import sys


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_a_stage_does_not_look_through_all_that_it_imported_when_it_ends() -> None:
    # Registered before, so it runs after what stages register: when Python imports their package, before all else.
    tell = "atexit.register(lambda: print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], 'numpy' in sys.modules))"
    assert run_python(f"import atexit, gc, sys; {tell}; import unroll.stages") == "True 50000 False\n"
