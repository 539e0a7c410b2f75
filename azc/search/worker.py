"""A worker process of a search: ``python -m azc.search.worker HANDLE``."""

import sys

from azc.search.engines import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]))
