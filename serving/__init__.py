"""A published data set for coding assistants: an MCP server over it.

It reads published data sets alone. It knows neither doit nor the stages that made them.
"""
