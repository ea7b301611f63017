"""The public functions that make providers: each puts together what stands in the layers below, and nothing more."""
