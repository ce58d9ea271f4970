"""What a person sees of a comparison of two data sets: a table, or a page."""
