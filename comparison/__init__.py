"""The differences between two data sets: extensions, their public API, settings, nodes and examples.

It reads published data sets alone. It knows neither doit nor the stages that made them.
"""
