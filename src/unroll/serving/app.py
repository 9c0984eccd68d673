"""The HTTP service: what each address answers."""

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unroll.base.errors import InputError, make_printable
from unroll.serving.batching import Batcher
from unroll.serving.limits import OneText, Rate, Refusal, Texts, read_body
from unroll.serving.metrics import Metrics
from unroll.serving.model import Loaded, ModelStore

PATHS = ("/", "/predict", "/explain", "/health", "/metrics")
READ = ["GET", "HEAD"]  # FastAPI answers HEAD only if asked to


def create_app(store: ModelStore, hosts: tuple[str, ...], rate: float) -> ASGIApp:
    """Return the service. hosts: the names it may be asked by, () for any; rate: requests a second of a client."""
    metrics = Metrics()
    batcher = Batcher(lambda: store.current, metrics)

    @asynccontextmanager
    async def work(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(batcher.run()), asyncio.create_task(store.watch())]
        yield
        for task in tasks:
            task.cancel()

    # Without pages of documentation, which load scripts from elsewhere.
    app = FastAPI(lifespan=work, openapi_url=None, redirect_slashes=False)
    page = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    policy = {"Content-Security-Policy": write_policy(page)}

    @app.api_route("/", methods=READ)
    async def show_page() -> Response:
        return HTMLResponse(page, headers=policy)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        body = await read_body(request, Texts)
        model, probabilities = await batcher.predict(body.texts)
        return JSONResponse({"model": model.name, "predictions": [_describe(model, row) for row in probabilities]})

    @app.post("/explain")
    async def explain(request: Request) -> Response:
        body = await read_body(request, OneText)
        model, found = await batcher.explain(body.text)
        words = [{"word": word, "weight": weight} for word, weight in found.words]
        told = _describe(model, found.probabilities)
        return JSONResponse({"model": model.name, **told, "words": words, "unmeasured": found.unmeasured})

    @app.api_route("/health", methods=READ)
    async def tell_health() -> Response:
        return JSONResponse(
            {
                "status": "stale" if store.problem else "ok",
                "model": store.current.name,
                "classes": store.current.classifier.class_names,
                "problem": store.problem,
            }
        )

    @app.api_route("/metrics", methods=READ)
    async def tell_metrics() -> Response:
        return Response(metrics.format(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.exception_handler(Refusal)
    async def refuse(_: Request, error: Refusal) -> Response:
        return tell_error(error)

    @app.exception_handler(InputError)
    async def tell_of_the_model(_: Request, error: InputError) -> Response:
        return tell_error(Refusal(500, str(error)))

    @app.exception_handler(Exception)
    async def tell_of_a_bug(_: Request, error: Exception) -> Response:  # Starlette raises it again, for the log
        return tell_error(Refusal(500, f"this is a bug ({type(error).__name__}): the service's log says where"))

    @app.exception_handler(HTTPException)
    async def refuse_address(_: Request, error: HTTPException) -> Response:
        return tell_error(Refusal(error.status_code, str(error.detail)), error.headers)

    return Gate(app, hosts, Rate(rate), metrics)


def write_policy(page: str) -> str:
    """Return a Content-Security-Policy that lets the page run its own script and style, and ask this service alone."""
    allowed = []
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        allowed.append(f"{tag}-src 'sha256-{digest}'")
    others = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return "; ".join(["default-src 'none'", *allowed, others])


def tell_error(error: Refusal, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an answer of one line: why there is no other."""
    retry = {"Retry-After": str(error.retry)} if error.retry else {}
    message = make_printable(" ".join(str(error).split()))
    return JSONResponse({"error": message}, error.status, dict(headers or {}) | retry)


class Gate:
    """What every request passes: its host and its rate are checked, its answer is counted and gets headers."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], rate: Rate, metrics: Metrics) -> None:
        self._app = app
        self._hosts = hosts
        self._rate = rate
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path, started = scope["path"] if scope["path"] in PATHS else "other", time.perf_counter()

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                    (b"referrer-policy", b"no-referrer"),
                ]
                self._metrics.requests.labels(path, str(message["status"])).inc()
                self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
            await send(message)

        try:
            self._check_host(scope)
            if scope["method"] == "POST":
                self._rate.take(scope["client"][0])
            await self._app(scope, receive, pass_on)
        except Refusal as error:
            await tell_error(error)(scope, receive, pass_on)

    def _check_host(self, scope: Scope) -> None:
        """Refuse other names of this machine: a site could give itself its address, and ask in a visitor's browser."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if self._hosts and host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            raise Refusal(421, f"Host {host[:100]!r}: expected {' or '.join(self._hosts)}")


def _describe(model: Loaded, probabilities: np.ndarray | None) -> dict[str, Any]:
    """Return the class and the probabilities; null for a text that cleaning leaves empty."""
    if probabilities is None or np.isnan(probabilities).any():
        return {"prediction": None, "probabilities": None}
    names, values = model.classifier.class_names, probabilities.tolist()
    return {
        "prediction": names[int(probabilities.argmax())],
        "probabilities": dict(zip(names, values, strict=True)),
    }
