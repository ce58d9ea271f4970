"""The user interface of the pipeline, for people and CI jobs."""
