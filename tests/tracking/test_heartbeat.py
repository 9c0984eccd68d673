"""How a run is recognized whose process has died; the store is real SQLite, the clock that of a real server."""

import os
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import pytest
from mlflow import MlflowClient

from unroll.tracking import heartbeat
from unroll.tracking.heartbeat import (
    SECONDS_UNTIL_DEAD,
    _is_alive,
    describe_life,
    describe_process,
    is_dead,
    keep_alive,
    mark_dead_runs,
)
from unroll.tracking.sharing import read_clock

ELSEWHERE = f"another.{socket.gethostname()} 1 0"
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}")


@pytest.fixture
def clock_of_1994() -> Iterator[str]:
    """The address of a server whose clock is wrong by decades."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Ask again and again; pytest ends what never ends."""
    while not is_so():
        pass


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


@pytest.mark.parametrize(
    ("process", "silence", "dead"),
    [
        (ELSEWHERE, SECONDS_UNTIL_DEAD + 1, True),
        (ELSEWHERE, SECONDS_UNTIL_DEAD - 1, False),
        (ELSEWHERE, -1000, False),  # a clock that is ahead
        (ELSEWHERE, None, False),  # an older version's, which gave no sign of life
        (describe_process(), 1_000_000, False),  # on its own machine, the process itself is looked at
        (f"{socket.gethostname()} 99999999 0", 0, True),
        ("", None, False),  # not one of ours
    ],
    ids=["silent", "lively", "ahead", "old", "here", "gone", "foreign"],  # none that differs from process to process
)
def test_a_process_elsewhere_is_dead_when_it_has_been_silent_for_long(
    process: str, silence: float | None, dead: bool
) -> None:
    tags = {"process": process} | ({} if silence is None else {"heartbeat": f"{NOW - silence:.0f}"})
    assert is_dead(tags, NOW) is dead


def test_machines_with_different_clocks_go_by_the_servers(clock_of_1994: str) -> None:
    assert read_clock(clock_of_1994) == 784_111_777
    assert describe_life(clock_of_1994)["heartbeat"] == "784111777"


def test_a_run_lives_as_long_as_its_block(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.001)
    run_id = client.create_run("0", tags={"process": ELSEWHERE, "heartbeat": "0"}).info.run_id

    def read_tag(name: str) -> str | None:
        return client.get_run(run_id).data.tags.get(name)

    with keep_alive(client, client.tracking_uri, run_id):
        wait_until(lambda: read_tag("heartbeat") != "0")
        assert not is_dead(client.get_run(run_id).data.tags, read_clock(client.tracking_uri))
        # Another machine that took it for dead was wrong.
        mark_dead_runs(client, "0", read_clock(client.tracking_uri) + 2 * SECONDS_UNTIL_DEAD)
        wait_until(lambda: client.get_run(run_id).info.status == "RUNNING" and read_tag("failure") is None)
        client.delete_run(run_id)  # after which the store accepts nothing for it, and nobody hears of that
    client.restore_run(run_id)
    last = client.get_run(run_id)
    mark_dead_runs(client, "0", float(last.data.tags["heartbeat"]) + SECONDS_UNTIL_DEAD + 1)
    killed = client.get_run(run_id)
    assert (killed.info.status, killed.data.tags["failure"]) == ("KILLED", "the process ended before it could say why")
    assert killed.data.tags["heartbeat"] == last.data.tags["heartbeat"]
