"""fastText's training: what it learns does not depend on what the process did before."""

import subprocess
import sys
from pathlib import Path

import pytest

from coupang_assets.classifiers.fasttext import FastTextClassifier, FastTextOptions
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.titles import made, table

# Memory that is used, freed and kept by the C library, in blocks that it does not ask the system for one by one.
_AFTER_OTHER_WORK = """
import hashlib, sys
from pathlib import Path
import numpy as np
from coupang_assets.classifiers.fasttext import FastTextClassifier
from coupang_assets_tests.classifiers.titles import made, table
rows = table(made())
if sys.argv[2] == "used":
    del [np.full(31 << 17, 7.7)][:]
    blocks = [np.full(20 << 17, 7.7) for _ in range(12)]
    last = np.full(20 << 17, 7.7)
    del blocks
model, *_ = FastTextClassifier.fit(rows, None).save(Path(sys.argv[1]))
print(hashlib.sha256(model.read_bytes()).hexdigest())
"""


def test_used_memory_does_not_become_part_of_the_model(tmp_path: Path) -> None:
    def digest(memory: str) -> str:
        command = [sys.executable, "-c", _AFTER_OTHER_WORK, str(tmp_path / f"{memory}.bin"), memory]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert digest("fresh") == digest("used")


def test_what_fasttext_says_is_told(tmp_path: Path) -> None:
    options = FastTextOptions(rate=1e30)
    with pytest.raises(CoupangAssetsError, match=r"cannot learn from these \d+ titles .*NaN"):
        FastTextClassifier.fit(table(made()), tmp_path, scratch=tmp_path, options=options)
    assert not list(tmp_path.iterdir())
