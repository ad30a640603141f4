"""So many a second, and no more: answers to those who proved nothing."""


class Allowance:
    def __init__(self, per_s):
        self._per_s = per_s
        self._left = per_s
        self._since_ms = 0

    def take(self, now_ms):
        if now_ms - self._since_ms >= 1000:
            self._since_ms, self._left = now_ms, self._per_s
        self._left -= 1
        return self._left >= 0
