"""The path and the type of every file of the work directory and of the data set, one module a stage.

Stages exchange data through these files. A module of this package holds the names of a stage's files, relative to
the work directory and with ``/``, and the records in them; `read` decodes and checks one, and `to_json` and
`write_json` of `stages.storage.jsonfile` encode one, sorted. The published JSON Schemas are made from these types.
"""

from stages.artifacts.record import Record, read

__all__ = ["Record", "read"]
