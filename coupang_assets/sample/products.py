"""The made-up product table: rows of twenty columns like those of the specification's `public1.products`.

Belongs here: what the columns hold. Does not: the PostgreSQL server they are put in (`postgres.py`).

Names are the world's titles in its 36 largest third-level categories, so a classifier of titles has something to
learn from them. A table longer than these titles repeats them with model numbers, as a shop lists variants.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coupang_assets.sample.world import World

CATEGORIES = 36
PRODUCT_COLUMNS = {
    "id": "bigint PRIMARY KEY",
    "product_code": "text NOT NULL",
    "name": "text NOT NULL",
    "manufacturer": "text",
    "category": "text NOT NULL",
    "top_category": "text NOT NULL",
    "specifications": "text",
    "description": "text",
    "price": "integer",
    "lowest_price": "integer",
    "malls": "integer NOT NULL",
    "reviews": "integer NOT NULL",
    "rating": "numeric(3, 2)",
    "release_month": "text",
    "product_url": "text NOT NULL",
    "image_url": "text",
    "on_sale": "boolean NOT NULL",
    "crawled_at": "timestamptz NOT NULL",
    "created_at": "timestamptz NOT NULL",
    "modified_at": "timestamptz NOT NULL",
}

_CHUNK_ROWS = 20_000
_SINCE = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_SPREAD_SECONDS = 2 * 365 * 86_400
_LETTERS = tuple("ABCDEFGHJKLMNPRSTUVWX")
_SPECIFICATIONS = {
    "제조국": ("한국", "중국", "베트남", "독일", "일본", "미국"),
    "용도": ("가정용", "업소용", "휴대용", "선물용", "사무용"),
    "재질": ("플라스틱", "스테인리스", "면 100%", "폴리에스터", "원목", "유리", "실리콘"),
    "색상": ("블랙", "화이트", "그레이", "네이비", "베이지", "핑크", "민트"),
    "크기": ("소형", "중형", "대형", "250x180x90mm", "400x300x120mm", "1200x600x730mm"),
    "무게": ("120g", "350g", "500g", "1.2kg", "3.4kg", "12kg"),
    "품질인증": ("KC인증", "HACCP", "친환경인증", "GAP인증", "해당없음"),
    "A/S": ("1년 무상", "2년 무상", "제조사 문의", "판매자 문의"),
    "구성": ("본품 1개", "본품 2개", "본품 + 리필", "세트 구성", "본품, 사용설명서"),
    "사용연령": ("전연령", "0개월~", "6개월~", "36개월~", "성인용"),
}
_SENTENCES = (
    "매일 쓰기 좋은 기본에 충실한 상품입니다.",
    "주문 후 1~2일 안에 안전하게 포장하여 보내 드립니다.",
    '고객이 뽑은 "올해의 상품"에 선정되었습니다.',
    "단순 변심에 의한 교환은 수령 후 7일 안에 가능합니다.",
    "색상은 모니터에 따라 다르게 보일 수 있습니다.",
    "상세 규격은 판매처에 문의해 주세요.\n옵션에 따라 구성이 다릅니다.",
    "오랜 연구 끝에 완성한 품질을 직접 확인해 보세요.",
)
_PREFIXES = ("[", "(", "★", "<")


def product_batches(world: World, rows: int, seed: int) -> Iterator[pa.RecordBatch]:
    """`rows` products in batches, ids 1, 2, …; the same arguments give the same rows."""
    shelves = _shelves(world)
    for start in range(0, rows, _CHUNK_ROWS):
        count = min(_CHUNK_ROWS, rows - start)
        yield _batch(shelves, start, count, np.random.default_rng([seed, start]))


def _shelves(world: World) -> pd.DataFrame:
    """The world's products of its largest third-level categories: title, maker, category `001_…`, top_category."""
    categories = world.categories[["leaf_id", "cate1_name", "cate3_name"]].dropna()
    products = world.products[["leaf_id", "title"]].merge(categories, on="leaf_id")
    sizes = products.groupby(["cate1_name", "cate3_name"]).size()
    largest = sizes.sort_values(ascending=False, kind="stable").index[:CATEGORIES]
    labels = {path: f"{number:03d}_{path[1]}" for number, path in enumerate(sorted(largest), start=1)}
    path = pd.Series(list(zip(products["cate1_name"], products["cate3_name"], strict=True)), index=products.index)
    shelves = products.assign(category=path.map(labels)).dropna(subset="category")
    first_word = shelves["title"].str.split().str[0]
    return pd.DataFrame(
        {
            "title": shelves["title"],
            "maker": first_word.mask(first_word.str.startswith(_PREFIXES)),
            "category": shelves["category"],
            "top_category": shelves["cate1_name"],
        }
    ).reset_index(drop=True)


def _batch(shelves: pd.DataFrame, start: int, count: int, rng: np.random.Generator) -> pa.RecordBatch:
    ids = np.arange(start + 1, start + count + 1)
    # A step that shares no factor with the length visits every title before any is repeated.
    chosen = shelves.iloc[(ids * 7919) % len(shelves)].reset_index(drop=True)
    text_ids = pc.cast(pa.array(ids), pa.string())
    code = _joined(_picked(_LETTERS, count, rng), _picked(_LETTERS, count, rng), pc.utf8_lpad(text_ids, 8, "0"))
    titles = pa.array(chosen["title"], pa.string())
    repeated = pa.array(ids > len(shelves))
    price = (10 ** rng.uniform(3.3, 6, count)).astype(np.int64) // 10 * 10
    created = rng.integers(0, _SPREAD_SECONDS, count)
    modified = created + rng.integers(0, 90 * 86_400, count)
    sentences = [_picked(_SENTENCES, count, rng) for _ in range(3)]
    columns: dict[str, Any] = {
        "id": ids,
        "product_code": code,
        "name": pc.if_else(repeated, _joined(titles, code, separator=" "), titles),
        "manufacturer": pa.array(chosen["maker"].where(rng.random(count) < 0.9), pa.string(), from_pandas=True),
        "category": chosen["category"],
        "top_category": chosen["top_category"],
        "specifications": _joined(
            *(_joined(key, _picked(values, count, rng), separator=": ") for key, values in _SPECIFICATIONS.items()),
            separator=" / ",
        ),
        "description": _with_gaps(_joined(*sentences, separator=" "), 0.2, rng),
        "price": _with_gaps(pa.array(price, pa.int32()), 0.03, rng),
        "lowest_price": _with_gaps(pa.array((price * rng.uniform(0.7, 1, count)).astype(np.int32)), 0.08, rng),
        "malls": rng.integers(1, 60, count),
        "reviews": rng.geometric(0.02, count) - 1,
        "rating": _with_gaps(pa.array(np.round(rng.uniform(2.5, 5, count), 2)), 0.3, rng),
        "release_month": _joined(
            _picked(("2022.", "2023.", "2024.", "2025."), count, rng),
            _picked([f"{month:02d}" for month in range(1, 13)], count, rng),
        ),
        "product_url": _joined("https://shop.example/info/?pcode=", text_ids),
        "image_url": _joined("https://img.shop.example/prod_img/500000/", text_ids, "/img.jpg?shrink=330:*"),
        "on_sale": rng.random(count) < 0.93,
        "crawled_at": _moments(modified + 3600),
        "created_at": _moments(created),
        "modified_at": _moments(modified),
    }
    return pa.RecordBatch.from_pydict({name: columns[name] for name in PRODUCT_COLUMNS})


def _picked(values: Sequence[str], count: int, rng: np.random.Generator) -> pa.Array:
    return pa.array(values).take(pa.array(rng.integers(0, len(values), count)))


def _joined(*parts: pa.Array | str, separator: str = "") -> pa.Array:
    return pc.binary_join_element_wise(*parts, separator)


def _with_gaps(values: pa.Array, share: float, rng: np.random.Generator) -> pa.Array:
    return pc.if_else(pa.array(rng.random(len(values)) < share), pa.scalar(None, values.type), values)


def _moments(seconds: np.ndarray) -> pa.Array:
    microseconds = (int(_SINCE.timestamp()) + seconds) * 1_000_000
    return pa.array(microseconds).cast(pa.timestamp("us", tz="UTC"))
