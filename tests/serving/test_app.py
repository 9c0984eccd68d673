"""`unroll serve`, asked over HTTP."""

import json
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import permutations
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import write_models
from services import SECONDS, Service, change_model, let_it_panic, make_request, read_answer, serve
from unroll.inference.classifier import load_classifier
from unroll.models.files import CHECKSUMS, TEXT_PARTS
from workspaces import Workspace

JSON = {"Content-Type": "application/json"}
WORDS = ("shares", "fall", "team", "wins", "cup", "king")
TEXTS = [" ".join(words) for size in (1, 2, 3, 4) for words in permutations(WORDS, size)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("served") / "models")


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[Service]:
    with serve(models, "--rate", "0") as service:
        yield service


def test_answers_and_words_are_those_of_predict(service: Service, models: Path) -> None:
    text = "Team wins the cup; shares fall"
    command = ["unroll", "predict", "--models", str(models), "--explain", text]
    found, *lines = Workspace(models).run(*command).stdout.splitlines()
    rows = dict(line.split() for line in lines if line.startswith("  "))
    answer = service.ask("/explain", text=text).json()
    (prediction,) = service.predict(text)
    assert found == answer["prediction"] == prediction["prediction"]
    for told in (answer, prediction):
        assert {name: f"{value:.4f}" for name, value in told["probabilities"].items()}.items() <= rows.items()
    words = {item["word"]: f"{item['weight']:+.4f}" for item in answer["words"]}
    assert list(words) == ["team", "wins", "cup", "shares", "fall"] and words.items() <= rows.items()
    assert service.predict("???", text) == [{"prediction": None, "probabilities": None}, prediction]


def test_many_clients_get_their_own_answers_from_batches_across_requests(service: Service, models: Path) -> None:
    expected = load_classifier(models).predict(TEXTS)
    before = service.read_metric("unroll_batch_requests_count")

    def ask(text: str) -> list[float]:
        with service.connect() as connection:
            connection.sendall(make_request("/predict", json.dumps({"texts": [text]}).encode()))
            status, answer = read_answer(connection)
        assert status == 200
        return list(answer["predictions"][0]["probabilities"].values())

    with ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(ask, TEXTS))
    assert len({tuple(row) for row in answers}) > 100
    for answer, row in zip(answers, expected, strict=True):
        assert answer == pytest.approx(row.tolist(), abs=1e-5)
    assert service.read_metric("unroll_batch_requests_count") - before < len(TEXTS)
    assert service.read_metric("unroll_waiting_characters") == 0


def test_more_than_can_wait_is_refused_and_the_others_answered(service: Service) -> None:
    body = json.dumps({"texts": ["shares fall " * 40] * 256}).encode()
    connections = [service.connect() for _ in range(64)]
    with ThreadPoolExecutor(64) as clients:
        list(clients.map(lambda connection: connection.sendall(make_request("/predict", body)), connections))
        answers = list(clients.map(read_answer, connections))
    for connection in connections:
        connection.close()
    assert {status for status, _ in answers} == {200, 503}
    assert all(len(answer["predictions"]) == 256 for status, answer in answers if status == 200)
    assert all(
        re.match(r"[\d,]+ characters are waiting: try again later", answer["error"])
        for status, answer in answers
        if status == 503
    )
    assert service.read_metric("unroll_waiting_characters") == 0


FORM = '{"texts": ["…", …]} with 1 to 256 texts of at most 20,000 characters'
LONG_NUMBER = (
    "the body is not JSON: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits; "
    "use sys.set_int_max_str_digits() to increase the limit"
)
NO_JSON = [
    (b"", "Expecting value: line 1 column 1 (char 0)"),
    (b'{"texts": ["a"', "Expecting ',' delimiter: line 1 column 15 (char 14)"),
    (b'"\x00"', "Invalid control character at: line 1 column 2 (char 1)"),
    (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
]
OTHER_VALUES = [
    (b"[]", "the body: no object"),
    (b"{}", "texts: missing"),
    (b'{"texts": "a"}', "texts: no array"),
    (b'{"texts": []}', "texts: empty"),
    (b'{"texts": ["a", null]}', "texts.1: no string"),
    (
        b'{"texts": ["\\ud800"]}',
        "texts.0: no Unicode: half of a surrogate pair",
    ),
    (
        json.dumps({"texts": ["a"] * 257}).encode(),
        "texts: too many",
    ),
    (json.dumps({"texts": ["a" * 20_001]}).encode(), "texts.0: too long"),
    (b'{"texts": ["a"], "\\u001b": 1}', "\\x1b: unknown"),
]
TOO_LARGE = "the body has more than 500,000 bytes: expected no more"
MISTAKES = [
    *((body, 400, f"the body is not JSON: {message}") for body, message in NO_JSON),
    (b"[" * 100_000, 400, "the body is not JSON that can be read: it is nested too deep"),
    (b"[" + b"9" * 5000 + b"]", 400, LONG_NUMBER),
    (b" " * 500_001, 413, TOO_LARGE),
    *((body, 422, f"{message}; expected {FORM}") for body, message in OTHER_VALUES),
]
OTHER_MISTAKES = [
    ("/predict", {"Content-Type": "text/plain"}, 415, "Content-Type 'text/plain': expected application/json"),
    ("/nowhere", JSON, 404, "Not Found"),
    ("/predict/", JSON, 404, "Not Found"),
    ("/health", JSON, 405, "Method Not Allowed"),
    (
        "/predict",
        JSON | {"Host": "evil.example:80"},
        421,
        "Host 'evil.example:80': expected 127.0.0.1 or localhost or [::1]",
    ),
    ("/explain", JSON, 422, 'text: missing; expected {"text": "…"} with at most 2,000 characters'),
]


def test_what_is_wrong_is_told_in_one_line(service: Service) -> None:
    tried = [("/predict", JSON, *mistake) for mistake in MISTAKES]
    tried += [(path, headers, b"{}", status, message) for path, headers, status, message in OTHER_MISTAKES]
    tried += [("/predict", JSON, iter([b" " * 300_000] * 2), 413, TOO_LARGE)]  # which tells no length
    for path, headers, body, status, message in tried:
        answer = requests.post(service.address + path, data=body, headers=headers, timeout=SECONDS)
        assert (answer.status_code, answer.json()) == (status, {"error": message})
        assert "access-control-allow-origin" not in answer.headers
    with service.connect() as connection:  # which waits for no byte of a body that is too large
        connection.sendall(make_request("/predict", b"").replace(b"Length: 0", b"Length: 500001"))
        assert read_answer(connection) == (413, {"error": TOO_LARGE})


@pytest.mark.parametrize("path", ["/", "/health", "/metrics"])
def test_what_can_be_read_has_a_head(service: Service, path: str) -> None:
    read, head = (requests.request(method, service.address + path, timeout=SECONDS) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (read.status_code, b"") == (200, b"")
    assert head.headers["Content-Type"] == read.headers["Content-Type"]


def test_a_client_that_asks_too_often_is_told_when_to_try_again(models: Path) -> None:
    with serve(models, "--rate", "5") as service:
        answers = [service.ask("/predict", texts=["king"]) for _ in range(50)]
    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {answer.json()["error"] for answer in refused} == {"more than 5 requests a second: try again later"}


def replace_model(folder: Path, source: Path) -> None:
    """Replace the files one by one, the list first: until the rest is there, nothing fits it."""
    for name in (CHECKSUMS, *TEXT_PARTS):
        shutil.copyfile(source / name, folder / "new")
        (folder / "new").replace(folder / name)


def test_a_changed_model_is_taken_whole_and_a_broken_one_not_at_all(models: Path, tmp_path: Path) -> None:
    folder, first, other = (Path(shutil.copytree(models, tmp_path / name)) for name in ("models", "first", "other"))
    change_model(other, ["Handel", "Sport"])
    texts = ["shares fall", *["team wins cup " * 130] * 250]  # most of the time, some of them are being computed
    expected = {}
    for source in (first, other):
        classifier = load_classifier(source)
        expected[tuple(classifier.class_names)] = pytest.approx(classifier.predict(texts)[0].tolist(), abs=1e-5)
    seen = set()

    def ask() -> tuple[str, ...]:
        (answer, *_) = service.predict(*texts)
        classes = tuple(answer["probabilities"])
        assert list(answer["probabilities"].values()) == expected[classes]
        seen.add(classes)
        return classes

    with serve(folder, "--rate", "0") as service:
        for source, classes in zip((first, other) * 2, list(expected) * 2, strict=True):
            replace_model(folder, source)
            service.wait_for(lambda health, classes=classes: ask() == classes and health["status"] == "ok")
        assert seen == set(expected)
        (folder / "model.safetensors").write_bytes(b"broken")
        service.wait_for(lambda health: health["status"] == "stale")
        assert f"{folder}/model.safetensors holds no weights" in service.ask("/health").json()["problem"]
        assert ask() == ("Handel", "Sport")
        replace_model(folder, other)
        service.wait_for(lambda health: health["status"] == "ok")
        assert ask() == ("Handel", "Sport")
        let_it_panic(folder)
        service.wait_for(lambda health: health["status"] == "stale")
        assert service.ask("/health").json()["problem"].startswith("PanicException: chunk size")
        replace_model(folder, other)
        service.wait_for(lambda health: health["status"] == "ok")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_service_answers_what_it_has_begun(models: Path, number: signal.Signals) -> None:
    body = json.dumps({"texts": ["\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 20_000] * 3}).encode()  # a second
    request = make_request("/predict", body, "Expect: 100-continue")
    with serve(models) as service, service.connect() as connection:
        connection.sendall(request[: -len(body)])
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # it reads the body now
        service.process.send_signal(number)
        while True:  # until it takes no more requests
            try:
                with suppress(ConnectionResetError):
                    service.connect().close()
            except ConnectionRefusedError:
                break
        connection.sendall(body)
        status, answer = read_answer(connection)
        assert (status, len(answer["predictions"])) == (200, 3)
        assert service.process.wait(SECONDS) == 0


def test_a_port_that_is_taken_is_told(service: Service, models: Path) -> None:
    port = service.address.rpartition(":")[2]
    result = Workspace(models).run("unroll", "serve", "--models", str(models), "--port", port, check=False)
    told = f"error: port {port} is in use: choose another one with --port\n"
    assert (result.returncode, result.stdout) == (1, told)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("shares fall"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["texts", "text", "a"]), inner),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=VALUES, path=st.sampled_from(["/predict", "/explain"]))
def test_any_json_is_answered_or_refused(service: Service, values: object, path: str) -> None:
    for body in (values, {"texts": values}, {"text": values}):
        answer = requests.post(service.address + path, data=json.dumps(body), headers=JSON, timeout=SECONDS)
        assert answer.status_code in (200, 422) and answer.json()


@settings(deadline=None)
@given(
    content=st.binary(max_size=300), begins=st.sampled_from([b"", b"GET / HTTP/1.1\r\n", make_request("/predict", b"")])
)
def test_any_bytes_end_no_service(service: Service, content: bytes, begins: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(begins + content)
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection)[0] in (0, 400, 404, 405, 413, 415, 421)
    assert service.process.poll() is None


def list_hostile(number: int) -> bytes:
    """Return a request that is wrong in one of many ways, or right."""
    bodies = [
        *(body for body, *_ in MISTAKES if len(body) < 200_000),
        json.dumps({"texts": [f"shares \x1b \u202e \U0001f600 {number} fall\u0300" * 20] * 50}).encode(),
        json.dumps({"texts": [f"{number}"]}).encode(),
        json.dumps({f"{number}": number}).encode(),
    ]
    path = ("/predict", "/explain", f"/{number}")[number // len(bodies) % 3]
    return make_request(path, bodies[number % len(bodies)], *([f"X-{number}: a"] * (number % 3)))


@pytest.mark.exhaustive
def test_ten_thousand_hostile_requests_neither_end_it_nor_fill_its_memory(models: Path) -> None:
    def send(number: int) -> int:
        with service.connect() as connection:
            request = list_hostile(number)
            connection.sendall(request[: len(request) // 2] if number % 10 == 0 else request)
            if number % 10 == 0:
                return 0  # and goes away
            return read_answer(connection)[0]

    with serve(models, "--rate", "0") as service, ThreadPoolExecutor(8) as clients:
        statuses, sizes = set(), []
        for start in range(0, 12_000, 2_000):
            statuses |= set(clients.map(send, range(start, start + 2_000)))
            sizes.append(service.read_metric("process_resident_memory_bytes") / 2**20)
        assert statuses <= {0, 200, 400, 404, 415, 422}
        assert service.predict("king")[0]["prediction"]
        print(*(f"{size:.1f} MiB" for size in sizes))  # of this process, after each 2,000
        assert max(sizes) - sizes[0] < 10


@pytest.mark.slow
def test_clients_that_send_slowly_are_dropped(service: Service) -> None:
    request = make_request("/predict", b'{"texts": ["king"]}')
    begun = [request[:30], request[:-5]]
    connections = [service.connect() for _ in begun]
    for connection, content in zip(connections, begun, strict=True):
        connection.sendall(content)
    told = {"error": "the body is not here after 10 seconds: expected all of it"}
    assert [read_answer(connection) for connection in connections] == [(0, None), (408, told)]
