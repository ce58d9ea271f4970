"""The report: one HTML page about a run and its data set. It opens from disk and needs no network."""
