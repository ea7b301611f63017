"""The process of a Python peer: callers on each event loop or in threads, and the protocol of jobs.

``python -m benchmarks.workers PEER ASYNCIO_TRIO_OR_THREADS`` reads one line of JSON, a ``Job``, does it, prints one
line of JSON, and reads the next. A peer in another language has its own program with the same protocol; it may exit
after its first job, and is then restarted.
"""
