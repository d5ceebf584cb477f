"""The datasets of the specification as data: key, step, files and schema.

Belongs here: what a dataset *is*. IO managers, checks, docs and the command line all read it from here.
Does not: how a dataset is made (``pipeline``) or where its root is (``storage``).
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a dataset lies on disk."""

    CSV = "csv"
    DAILY_CSV = "daily_csv"
    FILES = "files"
    JOURNAL = "journal"
    HIVE = "hive"
    TABLE = "table"


class Step(StrEnum):
    """Steps of the specification; also the groups of the asset graph."""

    DATA = "step1_raw"
    NEW_CATEGORIES = "step2_new"
    NAMES = "step3_names"
    REFINEMENT = "step4_refined"
    DICTIONARY_TABLE = "step5_hive"
    CLASSIFIER = "step6_classifier"
    PRODUCTS = "products"
    EVALUATION = "step6_evaluation"
    E5 = "e5_classifier"


@dataclass(frozen=True)
class Column:
    """A column. ``type`` is ``string``, ``int64`` or ``float64``; a ``code`` is a category code in canonical form."""

    name: str
    description: str
    type: str = "string"
    nullable: bool = True
    code: bool = False


@dataclass(frozen=True)
class Dataset:
    """One dataset of DESIGN section 3.

    Attributes:
        paths: file templates under the month's folder; ``{day}``, ``{month}``, ``{cap}`` are filled in.
        large: rows flow through the engine; otherwise the table is thousands of rows and is handled in pandas.
        read_locally: it is made by the engine but bounded, and what reads it are programs of one machine: it is read
            with DuckDB whichever engine wrote it.
        editable: a person may correct it by hand, so a file that differs from its manifest is read (after full
            validation) instead of refused.
        based_on_earlier_month: it is made from the base month too.
        on_request: it is made when a person asks for it, never as a part of the month.
        unique: column sets no two rows may share.
        sort: columns that give the file its one order.
    """

    name: str
    step: Step
    kind: Kind
    description: str
    paths: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    large: bool = False
    read_locally: bool = False
    editable: bool = False
    based_on_earlier_month: bool = False
    on_request: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    sort: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def code_columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.code)


CATEGORY_CODES = ("category1", "category2", "category3", "category4")
CATEGORY_NAMES = tuple(f"cate{level}_name" for level in range(1, 6))

_PRODUCT = Column("product_id", "Coupang product id, digits", nullable=False)
_REPRESENTATIVE = Column("product_id", "a representative product: the most frequent one of the category", nullable=True)
_TITLE = Column("ep_title", "product title as advertised")
_CODES = tuple(
    Column(name, f"category code of depth {name[-1]}, at least 4 digits", code=True) for name in CATEGORY_CODES
)
_COUNT = Column("count", "rows of the category in the month's sampled days", type="int64", nullable=False)
_NAMES = tuple(Column(name, f"Korean category name of depth {name[4]}, home excluded") for name in CATEGORY_NAMES)
_EVENT_COLUMNS = (Column("product_id", "Coupang product id, digits"), _TITLE, *_CODES)
_LEVELS = range(1, 5)

RAW_DAILIES = Dataset(
    "raw_dailies",
    Step.DATA,
    Kind.DAILY_CSV,
    "Product events of Coupang (rt_cd 300), one file a sampled day of the month before the work month.",
    ("raw/{day}.csv",),
    _EVENT_COLUMNS,
    large=True,
    sort=("product_id", "ep_title", *CATEGORY_CODES),
)
NEW_UNIQUE = Dataset(
    "new_unique",
    Step.NEW_CATEGORIES,
    Kind.CSV,
    "Distinct category1-4 of the work month with a representative product and the number of rows.",
    ("new_unique.csv",),
    (_REPRESENTATIVE, _TITLE, *_CODES, _COUNT),
    unique=(CATEGORY_CODES,),
    sort=CATEGORY_CODES,
)
UPDATED_UNIQUE = Dataset(
    "updated_unique",
    Step.NEW_CATEGORIES,
    Kind.CSV,
    "Every category known after the work month: the base month's and the new ones. Next month's baseline.",
    ("updated_unique.csv",),
    (_REPRESENTATIVE, *_CODES),
    editable=True,
    based_on_earlier_month=True,
    unique=(CATEGORY_CODES,),
    sort=CATEGORY_CODES,
)
DIFF_DATA = Dataset(
    "diff_data",
    Step.NEW_CATEGORIES,
    Kind.CSV,
    "Categories of the work month that the base month does not know.",
    ("diff_data.csv",),
    NEW_UNIQUE.columns,
    based_on_earlier_month=True,
    unique=(CATEGORY_CODES,),
    sort=CATEGORY_CODES,
)
CRAWL_CANDIDATES = Dataset(
    "crawl_candidates",
    Step.NAMES,
    Kind.CSV,
    "Products that may name a category of the month, most frequent first.",
    ("crawl/candidates.csv",),
    (*_CODES, Column("rank", "1 is tried first", type="int64", nullable=False), _PRODUCT, _TITLE, _COUNT),
    unique=((*CATEGORY_CODES, "rank"),),
    sort=(*CATEGORY_CODES, "rank"),
)
CRAWL_JOURNAL = Dataset(
    "crawl_journal",
    Step.NAMES,
    Kind.JOURNAL,
    "Every attempt to read a category's names from a product page, with its outcome. Append-only.",
    ("crawl/journal.jsonl",),
    based_on_earlier_month=True,
)
COUPANG_CATE_ALL = Dataset(
    "coupang_cate_all",
    Step.NAMES,
    Kind.CSV,
    "The category dictionary of the work month: the base month's rows and the new ones with their crawled names.",
    ("coupang_cate_all.csv",),
    (_REPRESENTATIVE, *_CODES, _TITLE, _COUNT, *_NAMES),
    editable=True,
    based_on_earlier_month=True,
    unique=(CATEGORY_CODES,),
    sort=CATEGORY_CODES,
)
RECHECK = Dataset(
    "recheck",
    Step.NAMES,
    Kind.CSV,
    "Known categories asked for again at the shop, and what became of their names.",
    ("recheck.csv",),
    (
        *_CODES,
        Column("finding", "unchanged, renamed, vanished or not_answered", nullable=False),
        *_NAMES,
        *(Column(f"found_{name}", f"name of depth {name[4]} that the shop shows now") for name in CATEGORY_NAMES),
        Column("product_id", "product that shows the found names"),
        Column("agreeing", "products that show them", type="int64", nullable=False),
        Column("dissent", "names that other products show, with their number"),
        Column("reason", "why there are no names"),
    ),
    on_request=True,
    unique=(CATEGORY_CODES,),
    sort=CATEGORY_CODES,
)
CATEGORY_MERGE = Dataset(
    "category_merge",
    Step.REFINEMENT,
    Kind.CSV,
    "Every category4 and where it went, with the reason. Nothing disappears silently.",
    ("category_merge.csv",),
    (
        Column("category4", "code as it comes; empty: rows without a category4", code=True),
        Column("merged_category4", "code it became; empty: the rows' codes became null", code=True),
        Column(
            "reason",
            "kept, same_name, no_cate4_name, no_cate1_name, no_code, accepted_merge or accepted_drop",
            nullable=False,
        ),
        _COUNT,
    ),
    unique=(("category4",),),
    sort=("category4",),
)
CATE_DICTIONARY = Dataset(
    "cate_dictionary",
    Step.REFINEMENT,
    Kind.CSV,
    "One row a surviving category4 with its whole path; what is loaded into Hive.",
    ("cate_dictionary.csv",),
    (
        *(Column(f"lv{n}_code", f"category code of depth {n}", nullable=n != 4, code=True) for n in _LEVELS),
        *(Column(f"lv{n}_name", f"Korean name of depth {n}", nullable=n != 1) for n in _LEVELS),
    ),
    unique=(("lv4_code",), tuple(f"lv{n}_name" for n in _LEVELS)),
    sort=("lv4_code",),
)
DEFINE_DAILIES = Dataset(
    "define_dailies",
    Step.REFINEMENT,
    Kind.DAILY_CSV,
    "Daily events with refined categories: the same rows as raw, day by day.",
    ("define/{day}.csv",),
    _EVENT_COLUMNS,
    large=True,
    # A refined category4 has one path.
    sort=("product_id", "ep_title", "category4"),
)
RT_CATEGORY_INFO = Dataset(
    "rt_category_info_coupang",
    Step.DICTIONARY_TABLE,
    Kind.HIVE,
    "Hive table of the dictionary; the work month's partition is day = YYYYMM01.",
    (),
    (
        *(Column(f"lv{n}_code", f"category code of depth {n}", type="int32") for n in _LEVELS),
        *(Column(f"lv{n}_name", f"Korean name of depth {n}") for n in _LEVELS),
    ),
)
COUPANG_TRAIN = Dataset(
    "coupang_train",
    Step.CLASSIFIER,
    Kind.CSV,
    "Training set: one row a distinct title per category, a capped number a category, split by product.",
    ("coupang_train_{cap}_{month}.csv",),
    (
        _PRODUCT,
        Column("ep_title", "product title", nullable=False),
        Column("category4", "refined category code: the label", nullable=False, code=True),
        Column("split", "train, valid or test; by product", nullable=False),
    ),
    large=True,
    read_locally=True,
    unique=(("ep_title", "category4"),),
    sort=("category4", "product_id", "ep_title"),
)
BPE_TOKENIZER = Dataset(
    "bpe_tokenizer",
    Step.CLASSIFIER,
    Kind.FILES,
    "sentencepiece BPE model learned from the training split.",
    ("coupang_bpe_{month}.model",),
)
BTM_PERCENT_DICT = Dataset(
    "btm_percent_dict",
    Step.CLASSIFIER,
    Kind.FILES,
    "The biterm classifier: percent of each category for each token and biterm; pickle, checksum, a Parquet twin.",
    (
        "btm_percent_dict_{month}.pickle",
        "btm_percent_dict_{month}.pickle.sha256",
        "btm_percent_dict_{month}.parquet",
        "btm_percent_dict_{month}.json",
    ),
)
FASTTEXT_MODEL = Dataset(
    "fasttext_model",
    Step.CLASSIFIER,
    Kind.FILES,
    "fastText on words and character n-grams; the model, what it lacks, and their checksums.",
    (
        "fasttext_{month}.bin",
        "fasttext_{month}.bin.sha256",
        "fasttext_{month}.json",
        "fasttext_{month}.json.sha256",
    ),
)
SVM_MODEL = Dataset(
    "svm_model",
    Step.CLASSIFIER,
    Kind.FILES,
    "The baseline: TF-IDF of character n-grams and a linear SVM; arrays and their checksum.",
    ("svm_{month}.npz", "svm_{month}.npz.sha256"),
)
VOTE_MODEL = Dataset(
    "vote_model",
    Step.CLASSIFIER,
    Kind.FILES,
    "The vote of the month's other classifiers: which files vote, their checksums and weights.",
    ("vote_{month}.json", "vote_{month}.json.sha256"),
)
# Models of each month's classifiers by the name of the classifier; a model's first file is its main file.
CLASSIFIER_MODELS: dict[str, Dataset] = {
    "biterm": BTM_PERCENT_DICT,
    "fasttext": FASTTEXT_MODEL,
    "svm": SVM_MODEL,
    "vote": VOTE_MODEL,
}
REPORT_FILES = (
    "report.json",
    "report.html",
    "per_category.csv",
    "predictions.parquet",
    "confusion.png",
    "accuracy_by_size.png",
    "reliability.png",
)
CLASSIFIER_REPORTS: dict[str, Dataset] = {
    name: Dataset(
        f"{name}_report",
        Step.EVALUATION,
        Kind.FILES,
        f"The month's {name} classifier judged on the held-out test split: figures, every category, a page.",
        tuple(f"report/{name}/{file}" for file in REPORT_FILES),
    )
    for name in CLASSIFIER_MODELS
}
CHAMPION = Dataset(
    "champion",
    Step.EVALUATION,
    Kind.FILES,
    "The classifier that predicts after this month, and why: the month's candidates compared title by title.",
    ("champion.json",),
)
# What a person makes, by hand or with `coupang-assets taxonomy accept`: a source of the graph, not one of its DATASETS.
ACCEPTED_MERGES = Dataset(
    "accepted_merges",
    Step.REFINEMENT,
    Kind.CSV,
    "Categories that a person has accepted to merge or drop; holds for its month and those after it.",
    ("accepted_merges.csv",),
    (
        Column("code", "category4 that is merged or dropped", nullable=False, code=True),
        Column("proposal", "merge, drop, or keep: what an earlier month accepted no longer holds", nullable=False),
        Column("into", "category4 it becomes; empty: its rows' codes become null", code=True),
        Column("reason", "why it was proposed"),
        Column("accepted_by", "how it was accepted: a command, or a mark in which file"),
        Column("accepted_at", "when, UTC, ISO 8601"),
        Column("proposals_version", "content hash of the proposals it was among"),
    ),
    editable=True,
    unique=(("code",),),
    sort=("code",),
)
_SHARE = "share, 0 to 1"
TAXONOMY_PROPOSALS = Dataset(
    "taxonomy_proposals",
    Step.EVALUATION,
    Kind.CSV,
    "Is the taxonomy learnable? Every category with its evidence, and what is proposed; a person marks accepted=yes.",
    ("taxonomy_proposals.csv",),
    (
        Column("code", "surviving category4", nullable=False, code=True),
        Column("path", "its names, top first"),
        Column("proposal", "keep, merge or drop", nullable=False),
        Column("into", "category4 it would become", code=True),
        Column("into_path", "names of that"),
        Column("reason", "enough_data, little_data, confused, similar_name or inaccurate", nullable=False),
        Column("trained", "training titles", type="int64", nullable=False),
        Column("tested", "held-out titles", type="int64", nullable=False),
        Column("accuracy", f"of the held-out titles, {_SHARE}", type="float64"),
        Column("accuracy_low", "lower end of its 95 % interval", type="float64"),
        Column("accuracy_high", "upper end", type="float64"),
        Column("nearest", "category4 it is most confused with, or else most like in name", code=True),
        Column("confused_titles", "held-out titles of the two taken for each other", type="int64", nullable=False),
        Column("confused_share", f"of both categories' held-out titles, {_SHARE}", type="float64"),
        Column("name_overlap", f"of the letter pairs of the two names, {_SHARE}", type="float64"),
        Column("accepted", "yes: a person accepts the proposal"),
    ),
    editable=True,
    unique=(("code",),),
    sort=("code",),
)
LABEL_ERRORS = Dataset(
    "label_errors",
    Step.EVALUATION,
    Kind.CSV,
    "Titles that look mislabelled, worst first: a model that has not seen them says another category.",
    ("label_errors.csv",),
    (
        Column("rank", "1 is worst", type="int64", nullable=False),
        _PRODUCT,
        Column("ep_title", "product title", nullable=False),
        Column("category4", "the given category", nullable=False, code=True),
        Column("given_path", "its names"),
        Column("suggested", "the category that looks right", nullable=False, code=True),
        Column("suggested_path", "its names"),
        Column("quality", f"how far the given category can be believed, {_SHARE}", type="float64", nullable=False),
        Column("given_probability", "that the title is of the given category", type="float64", nullable=False),
        Column("suggested_probability", "that it is of the suggested one", type="float64", nullable=False),
    ),
    unique=(("rank",),),
    sort=("rank",),
)
E5_LABELLED_TEXT = Dataset(
    "e5_labelled_text",
    Step.E5,
    Kind.CSV,
    "What the e5 classifier learns from: name | manufacturer, category, top category; of coupang_train or of products.",
    ("e5/e5_labelled_text.csv",),
    (
        Column("product_id", "product; the name where products have no id of Coupang's", nullable=False),
        Column("ep_title", "the text the model reads", nullable=False),
        Column("category4", "the label", nullable=False),
        Column("category1", "top category of the label"),
        Column("path", "names of the label's path, top first"),
        Column("split", "train, valid or test; by product", nullable=False),
    ),
    large=True,
    on_request=True,
    unique=(("ep_title", "category4"),),
    sort=("category4", "product_id", "ep_title"),
)
E5_MODEL = Dataset(
    "e5_model",
    Step.E5,
    Kind.FILES,
    "multilingual-e5, fine-tuned on the labelled text: weights with all that is needed to use them, and the tokenizer.",
    ("e5/e5_{month}.safetensors", "e5/e5_{month}.tokenizer.json"),
    on_request=True,
)
E5_ONNX = Dataset(
    "e5_onnx",
    Step.E5,
    Kind.FILES,
    "The e5 model for ONNX Runtime; int8 where that costs no more than half a point of accuracy, else fp32.",
    ("e5/e5_{month}.onnx",),
    on_request=True,
)
E5_REPORT = Dataset(
    "e5_report",
    Step.E5,
    Kind.FILES,
    "The e5 model judged on held-out products: with and without hierarchy, its errors, what changed.",
    tuple(f"e5/report/{file}" for file in (*REPORT_FILES, "hierarchy.json", "errors.md")),
    on_request=True,
)
# Classifiers that a month has only if a person asked for them.
REQUESTED_REPORTS: dict[str, Dataset] = {"e5": E5_REPORT}
ALL_MODELS: dict[str, Dataset] = {**CLASSIFIER_MODELS, "e5": E5_MODEL}
ALL_REPORTS: dict[str, Dataset] = {**CLASSIFIER_REPORTS, **REQUESTED_REPORTS}

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        RAW_DAILIES,
        NEW_UNIQUE,
        UPDATED_UNIQUE,
        DIFF_DATA,
        CRAWL_CANDIDATES,
        CRAWL_JOURNAL,
        COUPANG_CATE_ALL,
        RECHECK,
        CATEGORY_MERGE,
        CATE_DICTIONARY,
        DEFINE_DAILIES,
        RT_CATEGORY_INFO,
        COUPANG_TRAIN,
        BPE_TOKENIZER,
        *CLASSIFIER_MODELS.values(),
        *CLASSIFIER_REPORTS.values(),
        CHAMPION,
        TAXONOMY_PROPOSALS,
        LABEL_ERRORS,
        E5_LABELLED_TEXT,
        E5_MODEL,
        E5_ONNX,
        E5_REPORT,
    )
}

PRODUCTS_ALL = Dataset(
    "products_all",
    Step.PRODUCTS,
    Kind.FILES,
    "All products of the PostgreSQL table as of one moment, as CSV (UTF-8 with BOM) and as Parquet.",
    ("products_all.csv", "products_all.parquet"),
)
PRODUCT_PREDICTIONS = Dataset(
    "product_predictions",
    Step.PRODUCTS,
    Kind.TABLE,
    "Predicted categories of the products, in a PostgreSQL table of their own: one row a product and model version.",
    (),
)

# Not monthly: each has one version, the latest.
PRODUCT_DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (PRODUCTS_ALL, PRODUCT_PREDICTIONS)}
