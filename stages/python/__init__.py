"""Python: an extension's files, their definitions, and the public API."""
