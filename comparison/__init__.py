"""The differences between two data sets: extensions, their public API, settings, nodes and examples.

This package reads only published data sets. It depends on neither doit nor the stages that made them.
"""
