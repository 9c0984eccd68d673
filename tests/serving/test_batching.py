"""The queue of texts, without HTTP."""

import asyncio
from pathlib import Path

import pytest

from builders import write_models
from services import SECONDS, let_it_panic
from unroll.serving.batching import Batcher
from unroll.serving.metrics import Metrics
from unroll.serving.model import load_whole


def test_a_panic_is_told_and_the_next_batch_answered(tmp_path: Path) -> None:
    let_it_panic(write_models(tmp_path / "models"), "(a|king)")  # the first, as it is loaded
    model = load_whole(tmp_path / "models")

    async def ask() -> None:
        batcher = Batcher(lambda: model, Metrics())
        run = asyncio.create_task(batcher.run())
        async with asyncio.timeout(SECONDS):
            for answer in (batcher.predict(["king " * 6]), batcher.explain("king " * 6)):
                with pytest.raises(RuntimeError, match="PanicException: chunk size"):
                    await answer
            _, probabilities = await batcher.predict(["king"])
        assert probabilities.shape == (1, 2)
        run.cancel()

    asyncio.run(ask())
