"""Batches across requests: while one is computed, the next is formed of whatever comes in."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np

from unroll.inference.explain import MOST_WORDS, Explanation, explain
from unroll.serving.limits import Refusal
from unroll.serving.metrics import Metrics
from unroll.serving.model import Loaded

MOST_TEXTS = 512  # of a batch, before the texts of its last request
MOST_WAITING = 1_000_000  # characters that were taken in, and have no answer: some seconds of the worst texts

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """The texts of a request, and where its answer goes: the model, and the probabilities `[texts, classes]`."""

    texts: list[str]
    answer: "asyncio.Future[tuple[Loaded, np.ndarray]]"


class Batcher:
    """A queue of texts, and the one thread that computes. All of an answer comes from one model."""

    def __init__(self, read_model: Callable[[], Loaded], metrics: Metrics) -> None:
        self._read_model = read_model
        self._metrics = metrics
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "predict")
        self._waiting = 0

    async def predict(self, texts: list[str]) -> tuple[Loaded, np.ndarray]:
        """Return the model and the classes' probabilities, `[texts, classes]`; raise Refusal if too much waits."""
        with self._take_in(sum(map(len, texts))):
            answer = asyncio.get_running_loop().create_future()
            self._jobs.put_nowait(Job(texts, answer))
            return await answer

    async def explain(self, text: str) -> tuple[Loaded, Explanation]:
        """Return the model and which words matter, a batch of its own; raise Refusal if too much waits."""
        with self._take_in((1 + MOST_WORDS) * len(text)):
            model = self._read_model()
            loop = asyncio.get_running_loop()
            return model, await loop.run_in_executor(self._thread, _contain, explain, model.classifier, text)

    async def run(self) -> None:
        """Answer batch after batch, until it is cancelled."""
        while True:
            jobs = [await self._jobs.get()]
            while not self._jobs.empty() and sum(len(job.texts) for job in jobs) < MOST_TEXTS:
                jobs.append(self._jobs.get_nowait())
            await self._answer(jobs)

    async def _answer(self, jobs: list[Job]) -> None:
        model, texts = self._read_model(), [text for job in jobs for text in job.texts]
        self._metrics.batch_requests.observe(len(jobs))
        self._metrics.batch_texts.observe(len(texts))
        loop, start = asyncio.get_running_loop(), 0
        try:
            probabilities = await loop.run_in_executor(self._thread, _contain, model.classifier.predict, texts)
        except Exception as error:
            for job in jobs:
                if not job.answer.done():  # a request that was given up is done
                    job.answer.set_exception(error)
            return
        for job in jobs:
            if not job.answer.done():
                job.answer.set_result((model, probabilities[start : start + len(job.texts)]))
            start += len(job.texts)

    @contextmanager
    def _take_in(self, characters: int) -> Iterator[None]:
        if self._waiting + characters > MOST_WAITING:
            raise Refusal(503, f"{self._waiting:,} characters are waiting: try again later", retry=1)
        self._waiting += characters
        self._metrics.waiting.set(self._waiting)
        try:
            yield
        finally:
            self._waiting -= characters
            self._metrics.waiting.set(self._waiting)


def _contain(call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call in the thread; a panic in tokenizers, which is Rust, is no Exception, and would end the task that waits."""
    try:
        return call(*args, **kwargs)
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
