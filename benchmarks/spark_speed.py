"""The same audit on Spark (local) beside DuckDB, with identical cells: ``python benchmarks/spark_speed.py [--rows N]``.

Needs pyspark and Java 17 or newer. The session is started and warmed up before anything is measured; each engine reads
the same Parquet file. What Spark is for is a table that no single machine holds: on one machine it is not the fast way.
"""

import argparse
import tempfile
from pathlib import Path

from audit_speed import FEATURES, generate, group_by, in_turns, machine, show
from pyspark.sql import DataFrame, SparkSession

from audit.counting import count
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.tally import Tally

ROLES = {"y_true": "y_true", "y_pred": "y_pred", "y_score": "y_score"}
TURNS = 3


def session() -> SparkSession:
    """Start Spark on this machine's cores, on the loopback address only."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
    }
    started = SparkSession.builder.master("local[*]").config(map=settings).getOrCreate()
    started.sparkContext.setLogLevel("OFF")
    return started


def spark_tally(frame: DataFrame) -> Tally:
    return count(PredictionLog.from_frame(frame, sensitive_features=FEATURES, **ROLES))


def duckdb_tally(path: Path) -> Tally:
    return count(PredictionLog.from_file(path, sensitive_features=FEATURES, **ROLES))


def bare_spark(frame: DataFrame) -> int:
    """Run Spark's own GROUP BY over the same columns and bins: the limit for anything that counts on Spark."""
    keys = [*FEATURES, "y_true", "y_pred", "least(floor(y_score * 250), 249) AS bin"]
    return len(frame.selectExpr(*keys).groupBy(*FEATURES, "y_true", "y_pred", "bin").count().collect())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    machine()
    spark = session()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        generate(options.rows, path)
        frame = spark.read.parquet(str(path))
        same = spark_tally(frame).digest() == duckdb_tally(path).digest()
        print(f"{options.rows:,} rows; cells of Spark and DuckDB are {'identical' if same else 'DIFFERENT'}")
        works = {
            "bare GROUP BY of DuckDB": lambda: group_by(path, bins=True),
            "tally on DuckDB": lambda: duckdb_tally(path),
            "bare GROUP BY of Spark": lambda: bare_spark(frame),
            "tally on Spark": lambda: spark_tally(frame),
            "whole audit on Spark": lambda: run_audit(
                PredictionLog.from_frame(frame, sensitive_features=FEATURES, **ROLES)
            ),
        }
        show("with score bins", in_turns(works, TURNS), {})
    spark.stop()
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
