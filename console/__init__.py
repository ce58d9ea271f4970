"""Console: what a person or a CI job sees."""
