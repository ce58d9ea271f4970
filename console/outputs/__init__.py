"""Outputs: what a run tells machines."""
