"""The command line: one small file per verb, and ``main`` which knows them all."""
