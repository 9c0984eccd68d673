"""Fetching files: from a real HTTP server on this machine, file:// addresses and paths."""

import hashlib
import os
import shutil
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from unroll.base.errors import InputError
from unroll.data import download as fetching
from unroll.data.download import check_content, fetch, fetch_cached, refuse_html

CONTENT = b"title,label\n" + b"Shares fall,Business\n" * 20_000
LOGIN = "Basic " + b64encode(b"reader:sesame").decode()
# A server on this machine cannot be reached through its proxies.
pytestmark = pytest.mark.usefixtures("no_proxy")


class Handler(BaseHTTPRequestHandler):
    """Serves /file; /private with user and password; /flaky fails twice first; /breaks sends half.

    /redirect?ADDRESS leads there; /endless announces no size and goes on until the client closes.
    """

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        tries = self.server.requests.count(self.path)
        if self.path.startswith("/redirect?"):
            self.send_response(302)
            self.send_header("Location", unquote(self.path.partition("?")[2]))
            self.end_headers()
        elif self.path == "/private" and self.headers["Authorization"] != LOGIN:
            self.send_error(401)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with suppress(ConnectionError):
                while True:
                    self.wfile.write(CONTENT)
        elif self.path.startswith("/missing") or (self.path == "/flaky" and tries < 3):
            self.send_error(503 if self.path == "/flaky" else 404)
        else:
            breaks = self.path == "/breaks" or (self.path == "/breaks-once" and tries == 1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if breaks else CONTENT)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def serve_encrypted(server: ThreadingHTTPServer, folder: Path) -> Path:
    """Let the server speak https, with a certificate of its own; return that."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret + certificate)
    (folder / "certificate.pem").write_bytes(certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    return folder / "certificate.pem"


@pytest.mark.parametrize(("path", "requests"), [("/file", 1), ("/flaky", 3), ("/breaks-once", 2)])
def test_downloads_and_tries_again(server: ThreadingHTTPServer, tmp_path: Path, path: str, requests: int) -> None:
    fetch(server.url + path, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("/missing", "the server answered 404 Not Found", 1),
        ("/breaks", "the connection broke off", 3),
    ],
)
def test_gives_up_with_the_reason_and_ways_out(
    server: ThreadingHTTPServer, tmp_path: Path, path: str, reason: str, requests: int
) -> None:
    with pytest.raises(InputError) as caught:
        fetch(server.url + path, tmp_path / "a.csv")
    assert reason in str(caught.value)
    assert "set data.url to another address, or use a local file" in str(caught.value)
    assert len(server.requests) == requests


TARGETS = ["file:///etc/hostname", "FILE:///etc/hostname", "ftp://host/a.csv", "http://[", "javascript:alert(1)"]


@pytest.mark.parametrize("target", TARGETS)
def test_redirects_lead_to_web_servers_alone(server: ThreadingHTTPServer, tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError) as caught:
        fetch(f"{server.url}/redirect?{target}", tmp_path / "a.csv")
    assert f" redirects to {target}: expected an address with http or https" in str(caught.value)
    assert len(server.requests) == 1
    fetch(f"{server.url}/redirect?/redirect%3F{server.url}/file", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


def test_a_redirect_does_not_give_encryption_up(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = server.url
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(serve_encrypted(server, tmp_path)))
    fetch(f"{server.url}/redirect?{server.url}/file", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    with pytest.raises(InputError, match=f"redirects to {plain}/file: expected an address with https$"):
        fetch(f"{server.url}/redirect?{plain}/file", tmp_path / "a.csv")


def test_downloads_have_a_bound(server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_BYTES", len(CONTENT))
    fetch(server.url + "/file", tmp_path / "a.csv")
    with pytest.raises(
        InputError, match=r"/endless has 4..,... bytes or more: expected at most 420,012, the most that"
    ):
        fetch(server.url + "/endless", tmp_path / "b.csv")
    monkeypatch.setattr(fetching, "MOST_BYTES", len(CONTENT) - 1)
    with pytest.raises(InputError, match=r"data\.url: .*/file has 420,012 bytes or more: expected at most 420,011"):
        fetch(server.url + "/file", tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()  # what is announced is known before anything is written


def test_a_download_must_fit_on_the_disk(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    with pytest.raises(InputError, match="has 420,012 bytes or more: expected at most 100,000, as much as is free"):
        fetch(server.url + "/file", tmp_path / "a.csv")


def test_user_and_password_are_read_from_netrc(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine 127.0.0.1 login reader password simsalabim\n")
    with pytest.raises(InputError, match="the server answered 401 Unauthorized") as caught:
        fetch(server.url + "/private", tmp_path / "a.csv")
    assert "simsalabim" not in str(caught.value)
    netrc.write_text("machine 127.0.0.1 login reader password sesame\n")
    fetch(server.url + "/private", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "location",
    [
        "http://reader:SECRET@127.0.0.1:{port}/missing",
        "http://reader:SECRET@127.0.0.1:{port}/redirect?file:///etc/hostname",
        "http://127.0.0.1:{port}/missing?token=SECRET",
        "http://127.0.0.1:{port}/redirect?ftp://reader:SECRET@host/a",
        "http://reader:SEC/RET@127.0.0.1:{port}/file",
        "ftp://reader:SECRET@host/a.csv",
        "http:/reader:SECRET@host/a.csv",
    ],
)
def test_no_message_tells_a_password(
    server: ThreadingHTTPServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], location: str
) -> None:
    with pytest.raises(InputError) as caught:
        fetch(location.format(port=server.server_port), tmp_path / "a.csv")
    output = capsys.readouterr()
    for secret in ("SEC", "RET"):
        assert secret not in str(caught.value) + output.out + output.err


def test_a_server_that_is_not_there(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="the server could not be reached"):
        fetch(server.url + "/file", tmp_path / "a.csv")


def test_local_files(tmp_path: Path) -> None:
    source = tmp_path / "my data.csv"
    source.write_bytes(CONTENT)
    fetch(str(source), tmp_path / "a.csv")
    fetch(source.as_uri(), tmp_path / "b.csv")  # the space becomes %20
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/no/such/file.csv", "/no/such/file.csv does not exist"),
        ("file:///no/such/file.csv", "/no/such/file.csv does not exist"),
        ("/tmp", "/tmp is a folder, expected a file"),
        ("ftp://example.org/a.csv", "expected an address with http, https, s3 or file, or a path"),
    ],
)
def test_sources_that_cannot_be(tmp_path: Path, location: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch(location, tmp_path / "a.csv")


@pytest.mark.parametrize("fetch_it", [fetch, lambda location, target: fetch_cached(location, None, target, "data.url")])
def test_what_might_never_end_is_not_read(tmp_path: Path, fetch_it: Callable[[str, Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe.csv", tmp_path / "link.csv", Path("/dev/zero")):
        for location in (str(path), path.as_uri()):
            with pytest.raises(InputError, match=f"data.url: {path} is a device or a pipe, expected a file"):
                fetch_it(location, tmp_path / "a.csv")


def test_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    right, md5, wrong = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest(), "0" * 64
    for expected in (None, right, right.upper(), f"md5:{md5}"):
        assert check_content(path, expected, "x") == right
    with pytest.raises(InputError, match=f"http://x has sha256 {right}, expected {wrong}: not the file"):
        check_content(path, wrong, "http://x")
    with pytest.raises(InputError, match=f"http://x has md5 {md5}, expected {wrong[:32]}: not the file"):
        check_content(path, f"md5:{wrong[:32]}", "http://x")


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>", b"\n  <html lang=en>", b"\xef\xbb\xbf<!doctype HTML>"])
def test_web_pages_are_refused(tmp_path: Path, page: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(page)
    with pytest.raises(InputError, match="http://x is an HTML page, not a data set"):
        refuse_html(path, "http://x")
    path.write_bytes(CONTENT)
    refuse_html(path, "http://x")
