"""Category names from the shop's product pages: spider, page parsers, crawl journal.

Belongs here: asking the shop and remembering what it said. Does not: which categories are new or what their names are
used for (`pipeline/`). The way in is `runner.crawl`; Scrapy is imported only in the process it starts, and nothing is
imported here, so that process stays small.
"""
