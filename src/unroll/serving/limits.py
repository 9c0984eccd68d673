"""What a request may be: how large, how slow, how frequent, and for which host."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeVar

from fastapi import Request
from pydantic import Field, ValidationError
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from unroll.params.common import Section

MOST_BYTES = 500_000  # of a body
MOST_CLIENTS = 10_000  # whose rates are remembered
SECONDS_TO_SEND = 10  # a request
TEXTS, CHARACTERS = 256, 20_000
CHARACTERS_TO_EXPLAIN = 2_000  # of which many copies are made
PROBLEMS = {  # in the words of JSON; pydantic's are Python's
    "model_type": "no object",
    "list_type": "no array",
    "string_type": "no string",
    "string_unicode": "no Unicode: half of a surrogate pair",
    "missing": "missing",
    "extra_forbidden": "unknown",
    "too_short": "empty",
    "too_long": "too many",
    "string_too_long": "too long",
}


class Texts(Section):
    """The body of /predict."""

    form: ClassVar = f'{{"texts": ["…", …]}} with 1 to {TEXTS} texts of at most {CHARACTERS:,} characters'
    texts: Annotated[list[Annotated[str, Field(max_length=CHARACTERS)]], Field(min_length=1, max_length=TEXTS)]


class OneText(Section):
    """The body of /explain."""

    form: ClassVar = f'{{"text": "…"}} with at most {CHARACTERS_TO_EXPLAIN:,} characters'
    text: Annotated[str, Field(max_length=CHARACTERS_TO_EXPLAIN)]


Body = TypeVar("Body", Texts, OneText)


class Refusal(Exception):
    """A request that gets no answer but one line; status: 4xx or 503; retry: seconds after which to try again."""

    def __init__(self, status: int, message: str, retry: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry


class Rate:
    """A token bucket for each client's address: `rate` requests a second, and twice as many at once; 0: no limit."""

    def __init__(self, rate: float, read_clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._read_clock = read_clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was

    def take(self, client: str) -> None:
        """Count a request; raise Refusal if the client has had too many."""
        if not self._rate:
            return
        now, most = self._read_clock(), max(2 * self._rate, 1)
        left, before = self._buckets.pop(client, (most, now))
        left = min(left + (now - before) * self._rate, most)
        self._buckets[client] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)  # the one that has been silent the longest
        if left < 1:
            raise Refusal(429, f"more than {self._rate:g} requests a second: try again later", retry=1)


async def read_body(request: Request, schema: type[Body]) -> Body:
    """Return a JSON body as checked values.

    Raises:
        Refusal: it is no JSON, not what is expected, too large, or takes too long.
    """
    values = await _read_json(request)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, found["loc"]))[:100] or "the body"
        raise Refusal(422, f"{where}: {PROBLEMS.get(found['type'], found['msg'])}; expected {schema.form}") from None


async def _read_json(request: Request) -> Any:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":  # another site's page cannot send this unasked
        raise Refusal(415, f"Content-Type {kind[:100]!r}: expected application/json")
    length = request.headers.get("content-length", "0")
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            if length.isdecimal() and int(length[:20]) > MOST_BYTES:
                raise _explain_size()
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise _explain_size()
        return json.loads(body.decode())
    except TimeoutError:
        raise Refusal(408, f"the body is not here after {SECONDS_TO_SEND} seconds: expected all of it") from None
    except ClientDisconnect:
        raise Refusal(400, "the body ended before it was complete") from None
    except RecursionError:
        raise Refusal(400, "the body is not JSON that can be read: it is nested too deep") from None
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {str(error)[:200]}") from None


def _explain_size() -> Refusal:
    return Refusal(413, f"the body has more than {MOST_BYTES:,} bytes: expected no more")


class TimedProtocol(H11Protocol):
    """HTTP that ends connections on which no whole head of a request comes in time; uvicorn waits for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._watch(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()  # which would keep the connection, and what came on it, in memory
        super().connection_lost(exc)

    def _watch(self, before: object) -> None:
        """Look whether a request has come since the last look."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and before is (self.cycle or self):
            self.transport.close()
        else:
            self._timer = self.loop.call_later(SECONDS_TO_SEND, self._watch, self.cycle or self)
