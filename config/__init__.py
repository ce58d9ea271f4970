"""The pipeline's configuration: load, validate, override."""
