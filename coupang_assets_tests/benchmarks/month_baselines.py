"""What the month replaces or is measured by: the notebook's way, bare pyarrow, and DuckDB written by hand.

Belongs here: those ways, each as a person would write it who knows the tool. Does not: the project's own code, of which
nothing is imported that these ways would be faster or slower by.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pandas as pd

CODES = ["category1", "category2", "category3", "category4"]
COLUMNS = ["product_id", "ep_title", *CODES]
_RT_CD = 300


def cursor_to_csv(port: int, table: str, day: str, rows: int, out: str) -> dict:
    """The notebook's step 1: a PyHive cursor into pandas into `to_csv`; timed on the first rows."""
    from pyhive import hive

    connection = hive.connect(host="127.0.0.1", port=port, username="notebook")
    cursor = connection.cursor()
    # The server is ready to answer before the clock starts: its planning is nobody's fault.
    cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {table} WHERE day = '{day}' AND rt_cd = {_RT_CD} LIMIT {rows}")
    first = cursor.fetchone()
    started = time.perf_counter()
    frame = pd.DataFrame([first, *cursor.fetchall()], columns=COLUMNS)
    frame.to_csv(out, index=False)
    seconds = time.perf_counter() - started
    connection.close()
    return {"seconds": seconds, "rows": len(frame)}


def pyarrow_to_csv(partitions: list[str], out: str) -> dict:
    """ORC to CSV with pyarrow alone, whole days in memory and streamed; the faster of the two."""
    seconds = min(_pyarrow(partitions, Path(out), streamed) for streamed in (False, True))
    return {"seconds": seconds}


def _pyarrow(partitions: list[str], out: Path, streamed: bool) -> float:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pcsv
    import pyarrow.dataset as ds
    from pyarrow import orc

    started = time.perf_counter()
    for partition in map(Path, partitions):
        files = sorted(str(file) for file in partition.iterdir())
        target = str(out / f"{partition.name}.csv")
        if streamed:
            dataset = ds.dataset(files, format="orc")
            scanner = dataset.scanner(columns=COLUMNS, filter=ds.field("rt_cd") == _RT_CD)
            with pcsv.CSVWriter(target, scanner.projected_schema) as writer:
                for batch in scanner.to_batches():
                    writer.write_batch(batch)
        else:
            table = pa.concat_tables(orc.read_table(file, columns=[*COLUMNS, "rt_cd"]) for file in files)
            pcsv.write_csv(table.filter(pc.equal(table["rt_cd"], _RT_CD)).select(COLUMNS), target)
    return time.perf_counter() - started


def pandas_steps(raw: list[str], known: str, merge: str, dictionary: str, rows: int, way: str, out: str) -> dict:
    """The notebook's steps 2 and 4 on the first rows: distinct categories, which are new, codes mapped, files written.

    Args:
        way: `replace`, the notebook's own, or `map`, the quickest way there is to do the same in pandas.
    """
    folder = Path(out)
    share = -(-rows // len(raw))
    started = time.perf_counter()
    days = {Path(path).name: pd.read_csv(path, dtype=str, nrows=share) for path in raw}
    everything = pd.concat(days.values(), ignore_index=True)
    unique = everything.groupby(CODES, dropna=False, as_index=False).agg(
        product_id=("product_id", "first"), ep_title=("ep_title", "first"), count=("ep_title", "size")
    )
    unique.to_csv(folder / "new_unique.csv", index=False)
    baseline = pd.read_csv(known, dtype=str)[CODES].drop_duplicates()
    joined = unique.merge(baseline, on=CODES, how="left", indicator=True)
    joined[joined["_merge"] == "left_only"].drop(columns="_merge").to_csv(folder / "diff_data.csv", index=False)
    merged = pd.read_csv(merge, dtype=str).dropna(subset=["category4"]).set_index("category4")["merged_category4"]
    merged = merged.astype(object).where(merged.notna(), None)
    paths = pd.read_csv(dictionary, dtype=str).set_index("lv4_code")
    for name, day in days.items():
        day["category4"] = _mapped(day["category4"], merged, way)
        for level in range(1, 4):
            day[f"category{level}"] = _mapped(day["category4"], paths[f"lv{level}_code"], way)
        day.to_csv(folder / name, index=False)
    return {"seconds": time.perf_counter() - started, "rows": len(everything)}


def _mapped(codes: pd.Series, targets: pd.Series, way: str) -> pd.Series:
    return codes.map(targets) if way == "map" else codes.replace(targets.to_dict())


def duckdb_steps(raw: list[str], cate_all: str, memory_limit: str, spill: str, out: str) -> dict:
    """Steps 2 and 4 in hand-written SQL that gives the same bytes: no manifest, no check, no second look."""
    import duckdb

    folder = Path(out)
    (folder / "define").mkdir()
    connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill})
    started = time.perf_counter()
    text = "columns = {" + ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS) + "}"
    csv = "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', max_line_size = 16777216, "
    csv += "buffer_size = 33554432"
    run = connection.execute
    run(f"CREATE VIEW raw AS FROM read_csv({raw!r}, {text}, {csv})")
    run(f"CREATE TABLE cate_all AS FROM read_csv('{cate_all}', header = true, all_varchar = true)")
    for name, statement in itertools.chain(_STEP_2.items(), _STEP_4.items()):
        run(f"CREATE TABLE {name} AS {statement}")
        if name in _ORDER:
            run(f"COPY (FROM {name} ORDER BY {_ORDER[name]}) TO '{folder / name}.csv' (HEADER)")
    for path in map(Path, raw):
        run(
            f"""COPY (SELECT product_id, ep_title, t.category1, t.category2, t.category3, t.category4
            FROM read_csv('{path}', {text}, {csv}) AS day LEFT JOIN target AS t ON day.category4 = t.code
            ORDER BY ALL) TO '{folder / "define" / path.name}' (HEADER)"""
        )
    return {"seconds": time.perf_counter() - started}


_STEP_2 = {
    "new_unique": f"""WITH products AS (SELECT {", ".join(CODES)}, product_id, min(ep_title) AS ep_title, count(*) AS n
        FROM raw GROUP BY {", ".join(CODES)}, product_id)
        SELECT arg_min(product_id, key) AS product_id, arg_min(ep_title, key) AS ep_title,
        {", ".join(CODES)}, sum(n)::BIGINT AS count
        FROM (SELECT *, row(product_id IS NULL, -n, product_id) AS key FROM products) GROUP BY {", ".join(CODES)}""",
    "updated_unique": f"SELECT product_id, {', '.join(CODES)} FROM new_unique",
    "diff_data": "FROM new_unique",
}
_LARGEST_FIRST = "n DESC, n_when_new DESC, category4"
_STEP_4 = {
    "paths": f"""SELECT a.category4, a.category1, a.category2, a.category3, a.cate1_name, a.cate2_name, a.cate3_name,
        a.cate4_name, sum(coalesce(u.count, 0)) OVER same AS n,
        sum(coalesce(a.count::BIGINT, 0)) OVER same AS n_when_new
        FROM cate_all AS a LEFT JOIN new_unique AS u
        ON {" AND ".join(f"a.{name} IS NOT DISTINCT FROM u.{name}" for name in CODES)}
        WHERE a.category4 IS NOT NULL WINDOW same AS (PARTITION BY a.category4)
        QUALIFY row_number() OVER (PARTITION BY a.category4 ORDER BY a.cate1_name IS NULL, coalesce(u.count, 0) DESC,
        coalesce(a.count::BIGINT, 0) DESC, a.category1, a.category2, a.category3) = 1""",
    "named": f"""SELECT category4, cate1_name, n, n_when_new, first(category4) OVER (PARTITION BY cate1_name, cate4_name
        ORDER BY {_LARGEST_FIRST}) AS merged FROM paths WHERE cate1_name IS NOT NULL AND cate4_name IS NOT NULL""",
    "largest": f"""WITH tops AS (SELECT cate1_name, merged AS category4, sum(n) AS n, sum(n_when_new) AS n_when_new
        FROM named GROUP BY ALL), candidates AS (FROM tops UNION ALL SELECT cate1_name, category4, n, n_when_new
        FROM paths WHERE cate4_name IS NULL AND cate1_name NOT IN (SELECT cate1_name FROM tops))
        SELECT cate1_name, first(category4 ORDER BY {_LARGEST_FIRST}) AS merged FROM candidates GROUP BY cate1_name""",
    "category_merge": """SELECT p.category4, coalesce(n.merged, l.merged) AS merged_category4,
        CASE WHEN p.cate1_name IS NULL THEN 'no_cate1_name' WHEN merged_category4 = p.category4 THEN 'kept'
        WHEN p.cate4_name IS NULL THEN 'no_cate4_name' ELSE 'same_name' END AS reason, p.n::BIGINT AS count
        FROM paths AS p LEFT JOIN named AS n USING (category4)
        LEFT JOIN largest AS l ON p.cate4_name IS NULL AND p.cate1_name = l.cate1_name
        UNION ALL SELECT NULL, NULL, 'no_code', sum(count)::BIGINT FROM new_unique WHERE category4 IS NULL
        HAVING sum(count) > 0""",
    "cate_dictionary": """SELECT category1 AS lv1_code, category2 AS lv2_code, category3 AS lv3_code,
        category4 AS lv4_code, cate1_name AS lv1_name, cate2_name AS lv2_name, cate3_name AS lv3_name,
        cate4_name AS lv4_name FROM paths
        WHERE category4 IN (SELECT category4 FROM category_merge WHERE reason = 'kept')""",
    "target": """SELECT m.category4 AS code, lv1_code AS category1, lv2_code AS category2, lv3_code AS category3,
        lv4_code AS category4 FROM category_merge AS m JOIN cate_dictionary ON m.merged_category4 = lv4_code""",
}
_ORDER = dict.fromkeys(("new_unique", "updated_unique", "diff_data"), ", ".join(CODES)) | {
    "category_merge": "category4",
    "cate_dictionary": "lv4_code",
}
