"""Failures: what is tried again, what is not, and what the user is told."""

import errno
import itertools
import os
from pathlib import Path

import pytest
from dagster import Failure, RetryRequested

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.storage.failures import MAX_RETRIES, as_dagster_failures


@pytest.mark.parametrize("error", [TransientError("the shop is away"), ConnectionResetError(), TimeoutError()])
def test_what_may_pass_is_tried_again_with_growing_waits(error: Exception) -> None:
    waits = []
    for retry in range(MAX_RETRIES):
        with pytest.raises(RetryRequested) as caught, as_dagster_failures(retry):
            raise error
        assert caught.value.max_retries == MAX_RETRIES
        waits.append(caught.value.seconds_to_wait or 0)
    assert all(later > 1.3 * earlier for earlier, later in itertools.pairwise(waits))
    assert 1 < waits[0] < 5


def test_what_a_person_must_change_is_never_tried_again() -> None:
    with pytest.raises(Failure) as caught, as_dagster_failures(0):
        raise CoupangAssetsError("column x is missing in f.csv", "add it")
    assert caught.value.allow_retries is False
    assert caught.value.description == "column x is missing in f.csv\nWhat to do: add it"
    assert caught.value.metadata["what to do"].value == "add it"


@pytest.mark.parametrize(
    ("number", "said", "remedy"),
    [
        (errno.ENOSPC, "no space left writing /data/x.csv; the previous version is untouched", "free disk space"),
        (errno.EDQUOT, "no space left", "free disk space"),
        (errno.EACCES, "/data/x.csv may not be written or read", "permissions"),
        (errno.EROFS, "may not be written", "COUPANG_ROOT"),
        (errno.EIO, "/data/x.csv: ", "run again"),
    ],
)
def test_a_disk_that_refuses_is_explained(number: int, said: str, remedy: str) -> None:
    with pytest.raises(Failure) as caught, as_dagster_failures(0):
        raise OSError(number, os.strerror(number), "/data/x.csv")
    assert caught.value.allow_retries is False
    assert said in (caught.value.description or "")
    assert remedy in (caught.value.description or "")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    with pytest.raises(Failure) as caught, as_dagster_failures(0):
        (tmp_path / "root" / "data").mkdir(parents=True)
    assert str(tmp_path / "root") in (caught.value.description or "")


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), as_dagster_failures(0):
        raise KeyError("bug")
