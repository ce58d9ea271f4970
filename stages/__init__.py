"""The stages: plain functions from files to files, one module per stage."""
