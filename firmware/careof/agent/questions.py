"""Questions to the key provider, and what to do with the answers; bounded, however many are asked."""

from ..limits import PENDING_MAX, PENDING_RESERVE, QUESTION_FORGOTTEN_MS, QUESTION_SLOW_MS
from .events import Authenticate, Count, Verify

ROUTERS_FIRST_TOKEN = 1 << 29  # of a mobile router's questions: those of its registrations are below
TOKEN_MASK = 0xFFFFFFF


class Questions:
    """then(answer, now_ms) -> actions: the answer is whether it is genuine, or the authenticator."""

    def __init__(self, first_token=0):
        self._open = {}  # token -> (at_ms, then)
        self._first_token = first_token
        self._token = self._oldest = 0  # the last one, and one that none that is open is older than

    def __len__(self):
        return len(self._open)

    def verify(self, key, data, authenticator, then, now_ms, proven=False):
        """Is this the authenticator of those octets? proven: their sender has had a genuine one before."""
        if not proven and self._is_behind(now_ms):
            return [Count("questions_behind")]
        token = self._ask(then, now_ms, PENDING_MAX + PENDING_RESERVE if proven else PENDING_MAX)
        return [Count("questions_too_many")] if token is None else [Verify(token, key, data, authenticator)]

    def sign(self, key, data, then, now_ms):
        """The authenticator of these octets."""
        token = self._ask(then, now_ms, PENDING_MAX + PENDING_RESERVE)
        return [Count("questions_too_many")] if token is None else [Authenticate(token, key, data)]

    def verified(self, event, now_ms):
        return self._answered(event.token, event.genuine, now_ms)

    def authenticated(self, event, now_ms):
        if event.authenticator is None:  # there is no such key: nothing can be signed, and nothing waits
            self._open.pop(event.token, None)
            self._pass_answered()
            return []
        return self._answered(event.token, event.authenticator, now_ms)

    def _answered(self, token, answer, now_ms):
        _, then = self._open.pop(token, (0, None))
        self._pass_answered()
        return then(answer, now_ms) if then is not None else []

    def _ask(self, then, now_ms, most):
        if len(self._open) >= most and not self._forgot(now_ms):
            return None
        self._token = self._token + 1 & TOKEN_MASK
        token = self._first_token + self._token
        self._open[token] = now_ms, then
        return token

    def _pass_answered(self):
        """The oldest is one that is open. At every answer: later it would be a look at all since then."""
        while self._oldest != self._token and self._first_token + self._oldest not in self._open:
            self._oldest = self._oldest + 1 & TOKEN_MASK

    def _is_behind(self, now_ms):
        """Has the oldest question waited too long? The queue of the key provider is everybody's delay."""
        self._pass_answered()
        asked_ms, _ = self._open.get(self._first_token + self._oldest, (now_ms, None))
        if now_ms - asked_ms > QUESTION_FORGOTTEN_MS:
            self._forgot(now_ms)
            return False
        return now_ms - asked_ms > QUESTION_SLOW_MS

    def _forgot(self, now_ms):
        """Drop the questions that were never answered; is there room now?"""
        old = [token for token, row in self._open.items() if now_ms - row[0] > QUESTION_FORGOTTEN_MS]
        for token in old:
            del self._open[token]
        if old:  # and what was answered behind the oldest of them, in one step
            asked = [(row[0], token) for token, row in self._open.items()]
            self._oldest = min(asked)[1] - self._first_token if asked else self._token
        return bool(old)
