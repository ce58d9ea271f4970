"""Python: the definitions in an extension's files, and its public API."""
