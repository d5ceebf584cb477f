"""The file that hands a crawl to the crawling process.

Belongs here: the form of the file. Does not: what goes into it (`candidates.py`), starting the process (`runner.py`).

The file is JSON lines: the options, then one line a category, so that the process reads it as it goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any

from coupang_assets.crawling.agreement import Names
from coupang_assets.crawling.journal import Answer, CategoryKey
from coupang_assets.crawling.options import CrawlOptions


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that may name a category.

    Attributes:
        rank: place among the category's candidates, smaller first.
        shared: whether another category of the job has it too, so its answer is kept until the end.
        known: what the journal says of it from another category; then it is not asked.
    """

    rank: int
    product_id: str
    shared: bool = False
    known: Answer | None = None


@dataclass(frozen=True, slots=True)
class CategoryTask:
    """A category that still needs answers.

    Attributes:
        candidates: products to ask, in order.
        votes: names that other products gave it already, and how many did.
    """

    category: CategoryKey
    candidates: tuple[Candidate, ...]
    votes: tuple[tuple[Names, int], ...] = ()


def write_job(file: IO[str], options: CrawlOptions, tasks: Iterable[CategoryTask]) -> int:
    """Write a job and return the number of categories in it."""
    file.write(json.dumps(asdict(options)) + "\n")
    count = 0
    for task in tasks:
        file.write(json.dumps(_task_record(task)) + "\n")
        count += 1
    return count


def read_job(file: IO[str]) -> tuple[CrawlOptions, Iterator[CategoryTask]]:
    """The options of a job and its categories, which are read as they are asked for."""
    return CrawlOptions(**json.loads(file.readline())), map(_task, file)


def _task_record(task: CategoryTask) -> dict[str, Any]:
    return {
        "category": task.category,
        "votes": task.votes,
        "candidates": [
            [one.rank, one.product_id, one.shared, one.known.to_json() if one.known else None]
            for one in task.candidates
        ],
    }


def _task(line: str) -> CategoryTask:
    record = json.loads(line)
    category1, category2, category3, category4 = record["category"]
    return CategoryTask(
        (category1, category2, category3, category4),
        tuple(
            Candidate(rank, product_id, shared, Answer.from_json(known) if known else None)
            for rank, product_id, shared, known in record["candidates"]
        ),
        tuple((tuple(names), count) for names, count in record["votes"]),
    )
