"""An MCP server that answers coding assistants from a published data set.

This package reads only published data sets. It depends on neither doit nor the stages that made them.
"""
