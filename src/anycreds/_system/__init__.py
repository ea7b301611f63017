"""The real ``Io`` and ``Runtime``: HTTP, files, processes, threads and event loops."""
