"""A job on Ray: two processes, or two async actors, read objects with s3fs and obstore. Prints its report."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

from engines import tasks, world


class Reader:
    """An actor that reads with obstore on its event loop."""

    async def read(self, store: Any, name: str) -> tasks.Reading:
        """Read an object."""
        return await tasks.read_object(store, name)


def main(token_file: Path) -> None:
    """Run the jobs."""
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",  # otherwise a token is written into the home directory
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on every system: only ports of the loopback interface
    }
    import ray
    import ray.cloudpickle

    report = world.Report("ray")
    ray.cloudpickle.dumps = report.recording(ray.cloudpickle.dumps)
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024 * 1024,
    )
    try:
        with world.running(token_file) as servers:
            read_file = ray.remote(num_cpus=1)(tasks.read_file)
            readers = itertools.cycle([ray.remote(num_cpus=0)(Reader).remote() for _ in range(2)])

            def with_tasks(files: Any, names: list[str]) -> list[Any]:
                sent = ray.put(files)
                return [read_file.remote(sent, name) for name in names]

            def with_actors(store: Any, names: list[str]) -> list[Any]:
                return [next(readers).read.remote(store, name) for name in names]

            world.run_jobs(servers, report, {"s3fs": with_tasks, "obstore": with_actors}, ray.get)
            use = ray.remote(tasks.use)
            report.failure = world.failure_of(lambda provider: ray.get(use.remote(provider)))
            report.show(servers)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
