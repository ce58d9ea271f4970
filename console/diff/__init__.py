"""Views of a comparison of two data sets: a table and an HTML page."""
