"""The command `unroll serve`: the model as an HTTP service."""

import errno
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer

from unroll.base.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NAMES = (*LOOPBACK[:2], "[::1]")  # as browsers write them
MOST_CONNECTIONS = 512
SECONDS_TO_STOP = 10  # for requests in flight


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; any but 127.0.0.1 is open to others.")] = LOOPBACK[0],
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any that is free.", min=0, max=65535)] = 8000,
    rate: Annotated[
        float, typer.Option(help="Requests a second of one client; 0: any number.", min=0, max=1_000_000)
    ] = 200,
    models: Annotated[Path, typer.Option(help="Folder with the trained model.")] = Path("models"),
) -> None:
    """Answer texts with classes and probabilities over HTTP, and show a page to try it, until Ctrl-C."""
    import uvicorn  # imported when needed: `unroll --help` should be fast

    from unroll.serving.app import create_app
    from unroll.serving.limits import TimedProtocol
    from unroll.serving.model import ModelStore

    with _listen(host, port) as listener:
        app = create_app(ModelStore(models), NAMES if host in LOOPBACK else (), rate)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=TimedProtocol,
                ws="none",
                access_log=False,
                log_level="warning",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=SECONDS_TO_STOP,
                proxy_headers=False,  # else anybody could choose the address that is counted
                server_header=False,
            )
        )
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn stops gracefully, and then raises the signal again
            signal.signal(number, signal.default_int_handler)
        try:
            name = f"[{host}]" if ":" in host else host
            print(f"unroll serve: http://{name}:{listener.getsockname()[1]}", flush=True)
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            print()


def _listen(host: str, port: int) -> socket.socket:
    """Take the port now, so that nobody else does while the model is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise InputError(f"--host {host}: expected an address of this machine") from None
    # Only where the protocol is said, asyncio sends at once: otherwise, each answer would wait for 40 ms.
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use: choose another one with --port") from None
        raise InputError(f"{host}, port {port} cannot be listened on: {error.strerror}") from None
    return listener
