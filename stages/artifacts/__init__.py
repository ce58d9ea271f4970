"""The paths and types of all files in the work directory and the data set, one module per stage.

Stages exchange data through these files. Each module defines the names of a stage's files, relative to the work
directory and with ``/``, and the records in them. `read` decodes and checks a file; `to_json` and `write_json` of
`stages.storage.jsonfile` encode a record with sorted keys. The published JSON Schemas are made from these types.
"""

from stages.artifacts.record import Record, read

__all__ = ["Record", "read"]
