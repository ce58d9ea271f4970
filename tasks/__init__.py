"""Tasks: how a stage's function becomes a doit task."""
