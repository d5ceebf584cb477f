"""`python -m coupang_assets.crawling JOB JOURNAL_DESCRIPTOR`: the crawling process, started by `runner.py`."""

import sys
from pathlib import Path

from coupang_assets.crawling.worker import main

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
