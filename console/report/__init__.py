"""The report: one HTML page that tells what a run did and what it found; opens from disk, needs no network."""
