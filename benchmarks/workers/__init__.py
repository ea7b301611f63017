"""What runs in the process of a peer: the callers, on each event loop, and the protocol that tells them what to do.

``python -m benchmarks.workers PEER ASYNCIO_TRIO_OR_THREADS`` reads one line of JSON, a ``Job``, does it, prints one
line of JSON, and reads the next. A peer in another language has a program of its own that does the same; it may end
after its first job, and is started anew then.
"""
