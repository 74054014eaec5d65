"""How long a newcomer waits before anything happens: ``import audit`` and ``evenhanded --help``, in fresh processes.

Prints the median, the least and the largest of several runs, beside a bare interpreter and the libraries alone.
"""

import statistics
import subprocess
import sys
import time

RUNS = 9
COMMANDS = {
    "python alone": ["-c", "pass"],
    "numpy, pyarrow, duckdb, narwhals, scipy.special": [
        "-c",
        "import numpy, pyarrow, pyarrow.parquet, duckdb, narwhals.stable.v2, scipy.special",
    ],
    "import audit (target < 0.5 s)": ["-c", "import audit"],
    "evenhanded --help (target < 0.3 s)": ["-m", "evenhanded", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """Return how long one fresh process takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the table; the commands take turns, so that a busy moment meets all of them."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(arguments))
    for name, each in taken.items():
        print(f"{name:<50} median {statistics.median(each):.3f} s   [{min(each):.3f}, {max(each):.3f}]")


if __name__ == "__main__":
    main()
