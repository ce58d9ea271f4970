"""doit commands of the pipeline, as plugins."""
