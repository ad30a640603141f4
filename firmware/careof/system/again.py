"""What could not be saved, and when it is tried again: later each time, as long as it fails."""

RETRY_MS = 1000  # after the first refusal; doubled each time
RETRY_MAX_MS = 60000  # a disk that is full is looked at once a minute
TRIED = 32  # names at a time: when they work, the others follow at once


class Again:
    """A timer: try_again(names) when it is time, after refused(name, why)."""

    def __init__(self, loop, try_again):
        self._loop, self._try_again = loop, try_again
        self._names, self._due_ms = set(), None
        self._gap_ms = RETRY_MS
        self.why = None  # the last refusal
        loop.add_timer(self)

    def __len__(self):
        return len(self._names)

    def has(self, name):
        """Does it wait to be tried again?"""
        return name in self._names

    def refused(self, name, why):
        self._names.add(name)
        self.why = why
        self._due_ms = self._loop.now_ms() + self._gap_ms

    def worked(self, name):
        """It is saved, or need not be any more."""
        if name in self._names:
            self._names.remove(name)
            self._gap_ms, self._due_ms = RETRY_MS, self._loop.now_ms()
            if not self._names:
                self._due_ms = self.why = None

    def deadline(self):
        return self._due_ms

    def late(self, now_ms):
        names = []
        for name in self._names:
            names.append(name)
            if len(names) == TRIED:
                break
        self._gap_ms = min(2 * self._gap_ms, RETRY_MAX_MS)
        self._due_ms = now_ms + self._gap_ms
        self._try_again(names)

    def close(self):
        self._loop.remove_timer(self)
