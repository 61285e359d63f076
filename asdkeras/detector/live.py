"""Sound that does not wait: when scoring is too slow, the oldest sound is left out, and told."""

import threading
from collections import deque
from collections.abc import Generator, Iterator

from asdkeras.detector.pcm import Block, Gap

_LONGEST_WAIT_S = 0.5


def newest_blocks(
    pieces: Iterator[Block | Gap], most_samples: int
) -> Generator[Block | Gap, None, None]:
    """Read in a thread of its own, and keep the newest sound until it is asked for.

    Args:
        most_samples: to keep; what is older is lost, which a `Gap` tells.

    Returns:
        the blocks and gaps not lost, then what `pieces` raises; closing it stops the thread.
    """
    shelf = _Shelf(most_samples)
    threading.Thread(target=shelf.fill, args=[pieces], daemon=True).start()
    return shelf.taken()


class _Shelf:
    """What was read and not yet taken; both sides may use it at the same time."""

    def __init__(self, most_samples: int) -> None:
        self._most_samples = most_samples
        self._pieces: deque[Block | Gap] = deque()
        self._num_held = 0
        self._num_lost = 0
        self._is_closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def fill(self, pieces: Iterator[Block | Gap]) -> None:
        """Add all pieces until closed; keep their error for `taken`."""
        error: BaseException | None = None
        try:
            while (piece := next(pieces, None)) is not None and self._put(piece):
                pass
        except BaseException as raised:
            error = raised
        self._close(error)

    def taken(self) -> Generator[Block | Gap, None, None]:
        try:
            while (piece := self._take()) is not None:
                yield piece
        finally:
            self._close()

    def _put(self, piece: Block | Gap) -> bool:
        """Add a piece, leaving out the oldest if there are too many; False if closed."""
        with self._changed:
            if self._is_closed:
                return False
            self._pieces.append(piece)
            self._num_held += _length(piece)
            while self._num_held > self._most_samples:
                num_oldest = _length(self._pieces.popleft())
                self._num_held -= num_oldest
                self._num_lost += num_oldest
            self._changed.notify()
            return True

    def _close(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._is_closed, self._error = True, error
            self._changed.notify()

    def _take(self) -> Block | Gap | None:
        """Wait for the oldest piece; None at the end."""
        with self._changed:
            while not (self._pieces or self._num_lost or self._is_closed):
                # Not for ever: Ctrl-C just before the wait would go unheard until it ends.
                self._changed.wait(_LONGEST_WAIT_S)
            if self._num_lost:
                num_lost, self._num_lost = self._num_lost, 0
                return Gap("scoring was too slow", num_lost)
            if self._pieces:
                piece = self._pieces.popleft()
                self._num_held -= _length(piece)
                return piece
            if self._error:
                raise self._error
            return None


def _length(piece: Block | Gap) -> int:
    return piece.num_samples if isinstance(piece, Gap) else len(piece)
