"""A job on Spark in local mode: two Python workers read objects with s3fs. Prints its report."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from anycreds import CachedProvider, CredentialsError
from engines import tasks, world


def read_files(files: Any, names: Iterable[str]) -> Iterator[tasks.Reading]:
    """Read the objects of a partition with s3fs."""
    for name in names:
        yield tasks.read_file(files, name)


def main(token_file: Path) -> None:
    """Run the jobs."""
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    from pyspark import SparkConf, SparkContext, cloudpickle

    report = world.Report("spark")
    cloudpickle.dumps = report.recording(cloudpickle.dumps)
    conf = SparkConf().setMaster("local[2]").set("spark.ui.enabled", "false").set("spark.driver.host", "127.0.0.1")
    with SparkContext(conf=conf) as spark, world.running(token_file) as servers:

        def start(files: Any, names: list[str]) -> list[Any]:
            return [spark.parallelize(names, 4).mapPartitions(partial(read_files, files))]

        def gather(started: list[Any]) -> list[tasks.Reading]:
            return [tasks.Reading(*reading) for reading in started[0].collect()]

        # Not obstore: it needs an event loop that runs on between partitions, in which refreshes end.
        world.run_jobs(servers, report, {"s3fs": start}, gather)

        def use(provider: CachedProvider) -> None:
            try:
                spark.parallelize([provider]).map(tasks.use).collect()
            except Exception as error:  # noqa: BLE001 - Spark's own, whose text contains the traceback of the worker
                found = re.search(r"InvalidConfigurationError: (?:container credentials: )?(.*)", str(error))
                raise CredentialsError(found[1] if found else str(error)) from None

        report.failure = world.failure_of(use)
        report.show(servers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
