"""Work on many files at once, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_AT_A_TIME = 4
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Call a function for each item in parallel, and return the results in order.

    A disk syncs many small files faster together, and several threads can read and hash files at the same time.

    Raises:
        Exception: The first exception of the function. Items that have not begun are left out then.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        under_way = [pool.submit(function, item) for item in items]
        try:
            return [one.result() for one in under_way]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
