"""How a stage ends when it does not end well."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_request_to_stop_ends_a_stage_in_one_line(name: str) -> None:
    # Where the tests run in the background, the shell has them ignore Ctrl-C; a stage that a person runs does not.
    listen = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    stop = f"lambda: os.kill(os.getpid(), signal.{name})"
    command = f"import os, signal; {listen}; from unroll.errors import run_stage; run_stage({stop})"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")
