"""Room on the disk: a lack of it is said before anything is written."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings
from coupang_assets.storage import disk
from coupang_assets_tests.months import SMALL, failures, made, run_month


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda size: monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=size))


def test_what_is_free_and_needed_is_said(free: Callable[[int], None], tmp_path: Path) -> None:
    free(3 * 10**9)
    assert "3.0 GB free" in disk.require_space(tmp_path / "not" / "there", 10**9, "a month")
    with pytest.raises(CoupangAssetsError, match=r"3.0 GB free in .*, a month needs about 4.0 GB") as caught:
        disk.require_space(tmp_path, 4 * 10**9, "a month")
    assert "COUPANG_ROOT" in caught.value.remedy


def test_a_month_grows_with_its_events_and_real_files_fit_the_estimate() -> None:
    assert disk.month_bytes(40_000_000) == 10 * disk.month_bytes(4_000_000) > 40_000_000 * 2 * 100


def test_a_month_that_does_not_fit_stops_before_its_first_file(
    make_settings: Callable[..., Settings], free: Callable[[int], None], tmp_path: Path
) -> None:
    settings = make_settings(**SMALL)
    free(100_000)
    result = run_month(settings, "2024_05", ["raw_dailies"])
    told = failures(result)["raw_dailies"]
    assert "a month of 2" in told and "0.0 GB free" in told
    assert "free disk space" in told
    assert not list((settings.root / "data").rglob("*.csv*"))
    free(10**9)
    assert made(run_month(settings, "2024_05", ["raw_dailies"])) == {"raw_dailies"}


def test_refining_asks_for_room_by_itself(make_settings: Callable[..., Settings], free: Callable[[int], None]) -> None:
    settings = make_settings(**SMALL)
    names = ["raw_dailies", "new_unique", "updated_unique", "diff_data", "crawl_candidates", "crawl_journal"]
    names += ["coupang_cate_all", "category_merge", "cate_dictionary"]
    assert run_month(settings, "2024_05", names).success
    free(1_000)
    assert "refining" in failures(run_month(settings, "2024_05", ["define_dailies"]))["define_dailies"]
