"""The documented checkpoint file, and the doit parts that keep it up to date."""
