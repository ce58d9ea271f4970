"""doit tasks for the functions of the stages."""
