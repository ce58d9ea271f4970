"""Git sources: cloned shallow with the real ``git``, updated rather than repeated, built where configured.

Credentials, ssh and proxies are git's own business. Of what a repository's author or a configuration file could make
git do, everything beyond fetching and checking out is switched off: other transports, hooks, submodules.
"""

from stages.sources.git.clone import fetch, local_commit
from stages.sources.git.command import check, masked

__all__ = ["check", "fetch", "local_commit", "masked"]
