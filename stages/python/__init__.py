"""Python: what the files of an extension define, and what of it is public."""
