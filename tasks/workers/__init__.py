"""The workers that run the functions of stages."""
