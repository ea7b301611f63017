"""A job on Dask: a local cluster of two processes reads objects with s3fs and obstore. Prints its report."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from engines import tasks, world


def record_pickles(report: world.Report) -> None:
    """Let the report see what Dask pickles. Called before other modules of Dask import the function."""
    import distributed.protocol.pickle as dask_pickle

    dask_pickle.dumps = report.recording(dask_pickle.dumps)


def main(token_file: Path) -> None:
    """Run the jobs."""
    report = world.Report("dask")
    record_pickles(report)
    from distributed import Client, LocalCluster

    local = {"host": "127.0.0.1", "dashboard_address": None, "worker_dashboard_address": None}
    with (
        world.running(token_file) as servers,
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, **local) as cluster,
        Client(cluster) as client,
    ):

        def start(task: Any, given: Any, names: list[str]) -> list[Any]:
            started: list[Any] = client.map(partial(task, given), names, pure=False)
            return started

        starts = {"s3fs": partial(start, tasks.read_file), "obstore": partial(start, tasks.read_object)}
        world.run_jobs(servers, report, starts, client.gather)
        report.failure = world.failure_of(lambda provider: client.submit(tasks.use, provider).result())
        report.show(servers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
