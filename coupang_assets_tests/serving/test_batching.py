"""Requests that wait together are answered together, each with its own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.serving.batching import MicroBatcher, Overloaded
from coupang_assets_tests.serving.models import MAY, EchoModel


def named(titles: Sequence[str], top_k: int) -> list[list[Prediction]]:
    """Predictions whose code is the title itself."""
    return [[Prediction(title, 1.0)] * top_k for title in titles]


def test_each_request_gets_the_answers_to_its_own_titles_and_top_k() -> None:
    async def ask() -> list[list[list[Prediction]]]:
        batcher = MicroBatcher(named, batch_titles=8, waiting_titles=1000)
        return await asyncio.gather(*(batcher.submit([f"{n}a", f"{n}b"], n % 3 + 1) for n in range(50)))

    for n, answer in enumerate(asyncio.run(ask())):
        assert [[p.code for p in one] for one in answer] == [[f"{n}a"] * (n % 3 + 1), [f"{n}b"] * (n % 3 + 1)]


def test_what_waits_while_a_batch_is_at_work_becomes_one_batch() -> None:
    model = EchoModel(MAY)
    model.may_answer.clear()

    async def ask() -> None:
        batcher = MicroBatcher(model.predict, batch_titles=100, waiting_titles=1000)
        first = asyncio.create_task(batcher.submit(["first"], 1))
        while not model.batches:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batcher.submit([str(n)], 1)) for n in range(30)]
        await asyncio.sleep(0)
        model.may_answer.set()
        await asyncio.gather(first, *others)
        await batcher.close()

    asyncio.run(ask())
    assert model.batches == [1, 30]


def test_beyond_what_may_wait_requests_are_refused_and_those_before_are_answered() -> None:
    model = EchoModel(MAY)
    model.may_answer.clear()

    async def ask() -> int:
        batcher = MicroBatcher(model.predict, batch_titles=1, waiting_titles=3)
        accepted = [asyncio.create_task(batcher.submit(["at work"], 1))]
        while not model.batches:
            await asyncio.sleep(0.001)
        accepted += [asyncio.create_task(batcher.submit([str(n)], 1)) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await batcher.submit(["one too many"], 1)
        model.may_answer.set()
        return len(await asyncio.gather(*accepted))

    assert asyncio.run(ask()) == 4


def test_a_single_request_larger_than_what_may_wait_is_answered_when_nothing_waits() -> None:
    async def ask() -> int:
        batcher = MicroBatcher(named, batch_titles=2, waiting_titles=3)
        return len(await batcher.submit([str(n) for n in range(10)], 1))

    assert asyncio.run(ask()) == 10


def test_an_error_of_the_model_reaches_those_who_asked_and_nobody_later() -> None:
    model = EchoModel(MAY)

    async def ask() -> int:
        batcher = MicroBatcher(model.predict, batch_titles=10, waiting_titles=100)
        with pytest.raises(Exception, match="broken"):
            await batcher.submit(["break"], 1)
        return len(await batcher.submit(["good"], 1))

    assert asyncio.run(ask()) == 1


def test_a_client_that_goes_away_while_it_waits_harms_nobody() -> None:
    model = EchoModel(MAY)
    model.may_answer.clear()

    async def ask() -> int:
        batcher = MicroBatcher(model.predict, batch_titles=10, waiting_titles=100)
        leaving = asyncio.create_task(batcher.submit(["leaving"], 1))
        while not model.batches:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(batcher.submit(["waiting, leaving"], 1))
        staying = asyncio.create_task(batcher.submit(["staying"], 1))
        await asyncio.sleep(0)
        leaving.cancel()
        waiting.cancel()
        model.may_answer.set()
        return len(await staying)

    assert asyncio.run(ask()) == 1
    assert model.batches == [1, 1]
