"""A shop that means harm: the crawl goes on, memory stays flat, names and files stay clean."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from coupang_assets.crawling.journal import read_journal
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.runner import CrawlProgress, crawl
from coupang_assets_tests.crawling.conftest import candidates
from coupang_assets_tests.crawling.shop import Shop, json_ld, page_2025, redirect_to, ul_breadcrumb

MIB = 2**20
Options = Callable[..., CrawlOptions]


def gigabyte(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield b"<p>" + b"x" * (MIB - 3)

    return StreamingResponse(body(), media_type="text/html")


def bomb(encoding: str) -> Callable[[Request], Response]:
    zeros = b"0" * (200 * MIB)
    body = gzip.compress(zeros, 9) if encoding == "gzip" else zlib.compress(zeros, 9)
    return lambda _: Response(body, headers={"Content-Encoding": encoding}, media_type="text/html")


def endless_redirect(request: Request) -> Response:
    return RedirectResponse(f"/vp/products/1?again={len(str(request.url))}", 302)


def children() -> dict[int, int]:
    """Peak memory in bytes of each child process, by its number."""
    peaks = {}
    for stat in Path("/proc").glob("[0-9]*/status"):
        try:
            status = stat.read_text()
        except OSError:
            continue
        if f"\nPPid:\t{os.getpid()}\n" in status and "VmHWM" in status:
            peaks[int(stat.parent.name)] = int(status.split("VmHWM:")[1].split()[0]) * 1024
    return peaks


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory of processes is read from /proc")
def test_nothing_the_shop_sends_fills_memory_or_stops_the_crawl(shop: Shop, options: Options, tmp_path: Path) -> None:
    shop.pages |= {
        "1": endless_redirect, "2": gigabyte, "3": bomb("gzip"), "4": bomb("deflate"),
        "5": lambda _: Response(gzip.compress(b"x")[:-4] + b"torn", headers={"Content-Encoding": "gzip"}),
        "6": lambda _: HTMLResponse("<div>" * 200_000),
        "7": redirect_to("file:///etc/passwd"), "8": redirect_to("http://169.254.169.254/latest/meta-data"),
        "9": lambda _: HTMLResponse(f'<script type="application/ld+json">{"[" * 200_000}</script>'),
    }  # fmt: skip
    peaks: list[int] = []
    others = children()
    good = [str(n) for n in range(100, 110)]
    ids = [*map(str, range(1, 10)), *good]

    def watch(_: CrawlProgress) -> None:
        peaks.extend(peak for child, peak in children().items() if child not in others)

    table = crawl(candidates(*[[one] for one in ids]), tmp_path / "j", options(timeout_s=10.0), watch).table
    outcomes = dict(zip(ids, table.outcome, strict=True))
    assert {outcomes[one] for one in good} == {"named"}
    assert {outcomes[one] for one in "1234578"} <= {"failed"}
    assert {outcomes[one] for one in "69"} <= {"no_breadcrumb", "failed"}
    assert table.reason[:9].notna().all()
    assert 0 < max(peaks) < 250 * MIB
    assert (tmp_path / "j").stat().st_size < MIB


def test_hostile_names_stay_out_of_the_dictionary_or_come_in_clean(
    shop: Shop, options: Options, tmp_path: Path
) -> None:
    names = {
        "script": (["<script>alert(1)</script>패션", "<b>의류</b>"], "의류"),
        "traversal": (["../../../etc/passwd", "..\\..\\boot.ini"], "..\\..\\boot.ini"),
        "csv": (['=cmd|"/c calc"!A1', "a,b\r\nc"], "a,b c"),
        "control": (["패\u0000션\u202e", "의\u200b류"], "의류"),
        "quotes": (['"; DROP TABLE x; --', "'"], "'"),
    }
    ids = {str(n): case for n, case in enumerate(names, start=1)}
    for one, case in ids.items():
        shop.page(one, page_2025(names[case][0]))
    shop.page("11", json_ld(["가" * 10_000, "나"]) + ul_breadcrumb(["패션", "의류"]))
    shop.page("12", json_ld(["가" * 10_000]))
    shop.page("13", '<script type="application/ld+json">{"@type": "BreadcrumbList", oops</script>')
    shop.page("14", '<script type="application/ld+json">no json</script>' + ul_breadcrumb(["식품"]))
    no_utf8 = ul_breadcrumb(["식품", "사과"]).encode() + b"\xff\xfe\xc3\x28\x80"
    shop.pages["15"] = lambda _: Response(no_utf8, headers={"Content-Type": "text/html; charset=utf-8"})
    wanted = [*ids, "11", "12", "13", "14", "15"]
    before = sorted(tmp_path.rglob("*"))
    table = crawl(candidates(*[[one] for one in wanted]), tmp_path / "deep" / "j", options()).table
    rows = dict(zip(wanted, table.to_dict("records"), strict=True))
    for one, case in ids.items():
        assert (rows[one]["outcome"], rows[one]["cate2_name"]) == ("named", names[case][1]), case
    assert rows["1"]["cate1_name"] == "패션"
    assert (rows["11"]["cate1_name"], rows["11"]["parser"]) == ("패션", "ul_breadcrumb")
    assert rows["12"]["outcome"] == rows["13"]["outcome"] == "no_breadcrumb"
    assert (rows["14"]["cate1_name"], rows["15"]["cate2_name"]) == ("식품", "사과")

    journal = (tmp_path / "deep" / "j").read_bytes()
    assert len(journal.splitlines()) == len(wanted) == len(read_journal(tmp_path / "deep" / "j"))
    assert all(json.loads(line) for line in journal.decode().splitlines())
    assert not set(b"\x00\x07\r") & set(journal)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "deep", tmp_path / "deep" / "j"])
