"""Values, errors and the two protocols (Io, Runtime) that everything else is written against."""
