"""Wire formats: strict parsers of untrusted input, request signatures, endpoints. Pure functions and values."""
