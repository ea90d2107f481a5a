"""Compiles a codec's loops into `NUMBA_CACHE_DIR`: `python -m fedplat_client.compiling PART`."""

import json
import sys

from fedplat import codecs
from fedplat.codecs.warming import warm

if __name__ == "__main__":
    warm(codecs.build(json.loads(sys.argv[1])))
