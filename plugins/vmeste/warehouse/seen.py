"""What a load has seen of its own rows, so that a round need not look through all of raw for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


class SeenBefore:
    """Remembers rows by 64-bit hashes: 8 bytes a row. Two rows with one hash cost a question, never a wrong answer."""

    def __init__(self) -> None:
        self._hashes: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

    def may_repeat(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return a mask of shape (rows,): false where neither these rows nor earlier ones hold the same values."""
        hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy(dtype=np.uint64)
        places = np.searchsorted(self._hashes, hashes)
        within = places < len(self._hashes)
        repeats = np.array(pd.Series(hashes).duplicated(keep=False), dtype=bool)
        repeats[within] |= self._hashes[places[within]] == hashes[within]
        # two sorted runs: a stable sort merges them in one pass
        self._hashes = np.sort(np.concatenate([self._hashes, np.sort(hashes)]), kind="stable")
        return repeats
