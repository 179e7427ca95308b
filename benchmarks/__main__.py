"""Print what a day costs. These machines are noisy: read the ratios, not the seconds."""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from benchmarks import day
from benchmarks.measure import Row

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("--papers", type=int, default=2_000)
parser.add_argument("--readers", type=int, default=10_000)
parser.add_argument("--queries", type=int, default=1_000)
parser.add_argument("--mails", type=int, default=2_000, help="how many are really sent")
arguments = parser.parse_args()

print(f"{'step':<44} {'seconds':>8}  {'rate':>16}  {'ratio':>6}  reference")
with tempfile.TemporaryDirectory() as folder:
    rows = day.rows(Path(folder), arguments.papers, arguments.readers, arguments.queries, arguments.mails)
    for row in rows:
        assert isinstance(row, Row)
        print(row, flush=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"peak memory {peak:.0f} MB", file=sys.stdout)
