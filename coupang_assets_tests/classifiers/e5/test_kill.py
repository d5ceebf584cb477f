"""Training in a process that is killed with SIGKILL, again and again, ends with the bytes of one left alone."""

from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import replace
from pathlib import Path

import ibis
import pandas as pd
import pytest
import torch

from coupang_assets.classifiers.e5 import checkpoints
from coupang_assets_tests.classifiers.e5.test_training import OPTIONS, digest, fit

pytestmark = pytest.mark.slow

_KILLS = 3
_LONGEST_S = 60.0


def train(rows: pd.DataFrame, weights: Path, kept: Path) -> None:
    torch.set_num_threads(1)
    table = ibis.duckdb.connect(threads=1).create_table("coupang_train", rows)
    fit(table, weights, options=replace(OPTIONS, weights=str(weights), checkpoint_steps=1), checkpoints=kept)


def step_of(file: Path) -> int:
    return int(checkpoints.read_state(file)["step"]) if file.exists() else 0


def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(
    rows: pd.DataFrame, training: ibis.Table, weights: Path, tmp_path: Path
) -> None:
    options = replace(OPTIONS, weights=str(weights), checkpoint_steps=1)
    expected = digest(fit(training, weights, options=options), tmp_path / "alone")
    kept, draw = tmp_path / "kept", random.Random(7)
    file = kept / "checkpoint.safetensors"
    for _ in range(_KILLS):
        before = step_of(file)
        process = multiprocessing.get_context("spawn").Process(target=train, args=(rows, weights, kept))
        process.start()
        deadline = time.monotonic() + _LONGEST_S
        while process.is_alive() and step_of(file) == before and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        process.join()
        assert process.exitcode == -9, "it was killed under way, not when it had finished"
        assert step_of(file) > before, "every life gets on"
    assert digest(fit(training, weights, options=options, checkpoints=kept), tmp_path / "killed") == expected
