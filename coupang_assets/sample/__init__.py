"""The embedded default: a deterministic small world of categories, products, events and product pages.

It stands in for the two outside systems of the pipeline, the event table and the shop, so that everything runs with
no configuration and no network. Belongs here: the world and how it is made (generated, or built from given files),
the event files and the loopback shop derived from it. Does not: reading events or pages back, which is done by the
same code that reads the real ones.

| module | what |
| --- | --- |
| `world.py` | the two tables of a world, on disk and by work month |
| `generate.py` | a world from nothing but options; `taxonomy.py`, `titles.py` and `taxonomy.txt` are its vocabulary |
| `real_input.py` | a world from product lists and a category tree |
| `catalogue.py` | traffic and page states, the same for both kinds of world |
| `events.py` | a day of events as one ORC file |
| `shop.py`, `pages.py` | the loopback shop and its HTML |
| `source.py` | a folder that holds a world and fills a table with days on demand |
| `products.py` | the rows of the product table |
| `postgres.py`, `product_source.py` | a PostgreSQL under the root, filled with them |
"""

from coupang_assets.sample.source import SampleSource

__all__ = ["SampleSource"]
