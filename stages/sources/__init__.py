"""Sources: fetch them, walk them, and find the extensions and apps in them."""
