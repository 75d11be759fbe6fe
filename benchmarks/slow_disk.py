"""Started by `shim`, with its library loaded: ours beside the raw loop; prints the slices as JSON.

python -m benchmarks.slow_disk FOLDER EDGES REPETITIONS
"""

import json
import sys
from pathlib import Path

from benchmarks.beside import beside_raw

if __name__ == "__main__":
    compared = beside_raw(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"ours": compared.ours, "raw": compared.raw}))
