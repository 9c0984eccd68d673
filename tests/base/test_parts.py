"""Parts that processes work on: in order, a few at a time, and an end for all of them."""

import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from unroll.base.errors import InputError
from unroll.base.parts import AHEAD, WORKERS, open_workers
from workspaces import find_free_port, make_environment


def test_results_come_in_the_parts_order_and_few_parts_are_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "2")
    read = 0

    def read_parts() -> Iterator[int]:
        nonlocal read
        for read in range(1, 41):
            yield -read

    with open_workers() as workers:
        for number, result in enumerate(workers.map(operator.neg, read_parts()), start=1):
            assert result == number
            assert read <= number + AHEAD * 2
    assert read == 40


def test_what_a_part_raises_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "2")
    with open_workers() as workers, pytest.raises(InputError, match=r"^row 7: expected a text$"):
        list(workers.map(refuse, [1, 7, 3]))


def refuse(number: int) -> int:
    if number == 7:
        raise InputError("row 7: expected a text")
    return number


def test_a_killed_worker_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "2")
    with pytest.raises(InputError, match="UNROLL_WORKERS = 2: a worker was killed, perhaps"), open_workers() as workers:
        list(workers.map(kill_itself, [1, 2]))


def kill_itself(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("two", "UNROLL_WORKERS = 'two': expected a number of processes, or tcp://HOST:PORT of a Dask scheduler"),
        ("0", "UNROLL_WORKERS = '0': expected a number"),
        ("-1", "UNROLL_WORKERS = '-1': expected a number"),
        ("٢", "expected a number"),
        ("nonsense://a", "UNROLL_WORKERS = nonsense://a: no Dask scheduler can be reached there"),
    ],
)
def test_what_cannot_be_asked_for(wanted: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, wanted)
    with pytest.raises(InputError, match=message), open_workers():
        pass


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, f"tcp://127.0.0.1:{find_free_port()}")
    with pytest.raises(InputError, match="no Dask scheduler can be reached there"), open_workers():
        pass


PROGRAM = """
import sys, time
from unroll.base.parts import open_workers

def main():
    with open_workers() as workers:
        print(*workers.map(find_process, range(4)), flush=True)
        sys.stdin.read()

def find_process(_):
    import os
    return os.getpid()

if __name__ == "__main__":
    main()
"""


def test_processes_end_with_the_one_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = make_environment() | {WORKERS: "2"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(program)], env=environment, **pipes) as process:
        children = [psutil.Process(int(number)) for number in set(process.stdout.readline().split())]
        assert children
        process.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_one_process_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted in ("", "1"):
        monkeypatch.setenv(WORKERS, wanted)
        with open_workers() as workers:
            assert list(workers.map(lambda _: os.getpid(), [1])) == [os.getpid()]  # a function that no other could have
