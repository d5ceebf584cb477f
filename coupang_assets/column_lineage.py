"""Which columns each column of a dataset comes from, as data: ``dataset.column``.

Belongs here: what a value is made of. What only decides whether a row is there (``rt_cd``, the base month's known
categories) is no part of it. Does not: the datasets themselves (``datasets``), or showing it (``storage.metadata``).
"""

from collections.abc import Mapping

from coupang_assets.datasets import (
    CATE_DICTIONARY,
    CATEGORY_CODES,
    CATEGORY_MERGE,
    CATEGORY_NAMES,
    COUPANG_CATE_ALL,
    COUPANG_TRAIN,
    CRAWL_CANDIDATES,
    CRAWL_JOURNAL,
    DEFINE_DAILIES,
    DIFF_DATA,
    E5_LABELLED_TEXT,
    LABEL_ERRORS,
    NEW_UNIQUE,
    RAW_DAILIES,
    RECHECK,
    RT_CATEGORY_INFO,
    TAXONOMY_PROPOSALS,
    UPDATED_UNIQUE,
)

Lineage = Mapping[str, tuple[str, ...]]

# The source table, by the names its columns have in our settings.
EVENTS = "retargeting_event_storage_orc"
EVENT_COLUMNS = ("product_id", "ep_title", *CATEGORY_CODES)
# A journal is no table; these are the fields of its lines that later columns come from.
JOURNAL_FIELDS = (*CATEGORY_CODES, "product_id", "names")

_LEVELS = range(1, 5)
_DICTIONARY = tuple(f"lv{n}_{what}" for what in ("code", "name") for n in _LEVELS)
_PATH = tuple(f"cate_dictionary.lv{n}_name" for n in _LEVELS)
_LEARNED = ("coupang_train.ep_title", "coupang_train.category4")
_NAMES_DECIDE = ("coupang_cate_all.cate1_name", "coupang_cate_all.cate4_name", "new_unique.count")


def _same(source: str, *columns: str) -> Lineage:
    return {column: (f"{source}.{column}",) for column in columns}


def _codes(*sources: str) -> Lineage:
    return {code: tuple(f"{source}.{code}" for source in sources) for code in CATEGORY_CODES}


COLUMN_LINEAGE: Mapping[str, Lineage] = {
    RAW_DAILIES.name: _same(EVENTS, *EVENT_COLUMNS),
    NEW_UNIQUE.name: {
        **_same("raw_dailies", *EVENT_COLUMNS),
        "count": tuple(f"raw_dailies.{code}" for code in CATEGORY_CODES),
    },
    UPDATED_UNIQUE.name: {
        "product_id": ("new_unique.product_id", "updated_unique.product_id"),
        **_codes("new_unique", "updated_unique"),
    },
    DIFF_DATA.name: _same("new_unique", *EVENT_COLUMNS, "count"),
    CRAWL_CANDIDATES.name: {
        **_same("raw_dailies", *EVENT_COLUMNS),
        "rank": ("raw_dailies.product_id",),
        "count": ("raw_dailies.product_id",),
    },
    CRAWL_JOURNAL.name: {
        **_codes("crawl_candidates", "crawl_journal"),
        "product_id": ("crawl_candidates.product_id", "crawl_journal.product_id"),
        "names": ("crawl_candidates.product_id", "crawl_journal.names"),
    },
    COUPANG_CATE_ALL.name: {
        column: (f"diff_data.{column}", f"coupang_cate_all.{column}")
        for column in ("product_id", *CATEGORY_CODES, "ep_title", "count")
    }
    | {name: ("crawl_journal.names", f"coupang_cate_all.{name}") for name in CATEGORY_NAMES},
    RECHECK.name: {
        **_same("coupang_cate_all", *CATEGORY_CODES, *CATEGORY_NAMES),
        "finding": ("coupang_cate_all.cate1_name",),
        # What the shop shows now comes from outside.
        **{f"found_{name}": () for name in CATEGORY_NAMES},
        "product_id": ("crawl_candidates.product_id", "crawl_journal.product_id", "coupang_cate_all.product_id"),
        "agreeing": (),
        "dissent": (),
        "reason": (),
    },
    CATEGORY_MERGE.name: {
        "category4": ("coupang_cate_all.category4",),
        "merged_category4": ("coupang_cate_all.category4", *_NAMES_DECIDE),
        "reason": _NAMES_DECIDE,
        "count": ("new_unique.count",),
    },
    CATE_DICTIONARY.name: {f"lv{n}_code": (f"coupang_cate_all.category{n}",) for n in _LEVELS}
    | {f"lv{n}_name": (f"coupang_cate_all.cate{n}_name",) for n in _LEVELS}
    | {"lv4_code": ("coupang_cate_all.category4", "category_merge.category4")},
    DEFINE_DAILIES.name: {
        **_same("raw_dailies", "product_id", "ep_title"),
        **{
            f"category{n}": ("raw_dailies.category4", "category_merge.merged_category4", f"cate_dictionary.lv{n}_code")
            for n in _LEVELS
        },
    },
    RT_CATEGORY_INFO.name: _same("cate_dictionary", *_DICTIONARY),
    COUPANG_TRAIN.name: {
        **_same("define_dailies", "product_id", "ep_title", "category4"),
        "split": ("define_dailies.product_id", "define_dailies.ep_title"),
    },
    TAXONOMY_PROPOSALS.name: {
        "code": ("cate_dictionary.lv4_code",),
        "path": _PATH,
        **dict.fromkeys(("proposal", "into", "reason", "nearest"), (*_LEARNED, *_PATH)),
        "into_path": (*_LEARNED, *_PATH),
        "trained": ("coupang_train.category4",),
        "tested": ("coupang_train.category4",),
        **dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high", "confused_titles", "confused_share"), _LEARNED),
        "name_overlap": _PATH,
        # A person's word.
        "accepted": (),
    },
    # Of the month's training set; of products, if COUPANG_E5__PRODUCTS names some, no column of ours is their source.
    E5_LABELLED_TEXT.name: {
        **_same("coupang_train", "product_id", "ep_title", "category4", "split"),
        "category1": ("coupang_train.category4", "cate_dictionary.lv1_code"),
        "path": ("coupang_train.category4", *_PATH),
    },
    LABEL_ERRORS.name: {
        **_same("coupang_train", "product_id", "ep_title", "category4"),
        "given_path": ("coupang_train.category4", *_PATH),
        "suggested_path": (*_LEARNED, *_PATH),
        **dict.fromkeys(("rank", "suggested", "quality", "given_probability", "suggested_probability"), _LEARNED),
    },
}


def origins(dataset: str, column: str) -> set[str]:
    """Columns of the source table that a column comes from, through the whole graph."""
    found, waiting = set(), [f"{dataset}.{column}"]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        name, _, of = one.partition(".")
        waiting.extend(COLUMN_LINEAGE.get(name, {}).get(of, ()))
    return {one.partition(".")[2] for one in found if one.startswith(f"{EVENTS}.")}
