"""Git sources: shallow clones made with the ``git`` program, updated in place and built if configured.

Credentials, ssh and proxies are left to git. Features that would let a repository's author run code are switched off:
other transports, hooks, submodules.
"""

from stages.sources.git.clone import fetch, local_commit
from stages.sources.git.command import check, masked

__all__ = ["check", "fetch", "local_commit", "masked"]
