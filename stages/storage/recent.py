"""The age from which a file's times show every further change."""

from __future__ import annotations

from collections.abc import Sequence

# A file changed this recently may change again with the same times. Longer for file systems with whole-second times.
TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000


def is_recent(signature: Sequence[int], now: int) -> bool:
    """Return True if a file may change again with the same times.

    Args:
        signature: Size, modification time and change time in ns, and inode of the file.
        now: The current time in ns.
    """
    _, modified, changed, _ = signature
    coarse = modified % 1_000_000_000 == 0 and changed % 1_000_000_000 == 0
    return max(modified, changed) > now - (_COARSE_TICK_NS if coarse else TICK_NS)
