"""The single-flight cache with advisory and mandatory refresh; knows no provider."""
