"""The documented checkpoint file, and what keeps it in step with doit."""
