"""`python -m coupang_assets.crawling JOB JOURNAL`, both inherited descriptors: what `runner.py` starts."""

import sys

from coupang_assets.crawling.worker import main

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
