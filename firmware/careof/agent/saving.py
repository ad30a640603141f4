"""When what changed is saved: a moment after it did, row by row.

A row is small and saved by itself, so what an end that nobody prepared may take is what happened in that
moment, however many rows there are. Of many that wait some leave at each turn of the loop, the more the more
there are: none waits long, nor the loop for them. Whose row changes again while it waits keeps its place.
"""

from ..limits import SAVE_ROWS, SAVE_SHARE, SAVE_SOON_MS


class Saving:
    """save(item): the action that keeps the row of an item, however it is by then."""

    def __init__(self, save):
        self._save = save
        self._order, self._items = [], {}  # keys as they came; key -> item
        self._due_ms = None

    def deadline(self):
        """When due() may have something to do, in ms, or None."""
        return self._due_ms

    def touched(self, key, item, now_ms):
        """Its row is another now."""
        if key not in self._items:
            self._order.append(key)
            if self._due_ms is None:
                self._due_ms = now_ms + SAVE_SOON_MS
        self._items[key] = item

    def forget(self, key):
        """There is nothing to save any more."""
        self._items.pop(key, None)

    def due(self, now_ms):
        """Save some rows that are due."""
        if self._due_ms is None or self._due_ms > now_ms:
            return []
        count = max(SAVE_ROWS, len(self._order) // SAVE_SHARE)
        keys, self._order = self._order[:count], self._order[count:]
        self._due_ms = now_ms if self._order else None
        return self._saved(keys)

    def flush(self):
        """Save all that waits."""
        keys, self._order, self._due_ms = self._order, [], None
        return self._saved(keys)

    def is_done(self):
        """Does nothing wait?"""
        return not self._order

    def _saved(self, keys):
        actions = []
        for key in keys:
            item = self._items.pop(key, None)
            if item is not None:  # not forgotten, nor saved by an earlier place of its own
                actions.append(self._save(item))
        return actions
