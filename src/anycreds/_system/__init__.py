"""The real world behind ``Io`` and ``World``: the only place that touches clocks, files, sockets, threads and loops."""
