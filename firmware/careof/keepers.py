"""Who has the keys and keeps the state, as option key_provider says: careofd itself, or careof-keyd.

Both are asked the same: what to do with an answer goes along with the question, and is done at once or later.

    set_keys(handed)                              what handed() made, and a Reading filled
    load_keys(then)                               then(None), or then(what is wrong with the file of keys)
    authenticate(name, data, then)                then(authenticator), None: no such key
    verify(name, data, authenticator, then)       then(is it that?), None: no such key
    save(name, value)                             a JSON value, None: forget it
    when_kept(then)                               then() when all that was saved is safe, or nobody could tell
    restore(then)                                 then(system.kept.Restored)
    trouble()                                     for status: what is not kept yet, and why
    ask_counters(answer), state, close()
"""

from .crypt import HandedKeys
from .crypt.soft import SoftProvider
from .system import keyd, store
from .system.again import Again


class SoftKeeper:
    """Keys in memory, values in a folder that a power cut takes (system/store)."""

    state = "soft"

    def __init__(self, loop, folder, trouble, count):
        """Raises OSError."""
        self._store = store.Store(folder)
        self._unsaved = {}  # name -> value: what could not be written
        self._again = Again(loop, self._save_again)
        self._keys = None
        self._trouble = trouble
        self._count = count

    def set_keys(self, handed):
        self._keys = handed

    def load_keys(self, then):
        then(None)  # it was read with the configuration

    def authenticate(self, name, data, then):
        try:
            answer = self._keys.authenticate(name, data)
        except KeyError:
            answer = None
        then(answer)

    def verify(self, name, data, authenticator, then):
        try:
            answer = self._keys.verify(name, data, authenticator)
        except KeyError:
            answer = None
        then(answer)

    def save(self, name, value):
        if self._again.has(name):
            self._unsaved[name] = value  # when its turn comes
            return
        self._try(name, value)

    def _try(self, name, value):
        try:
            self._store.save(name, value)
        except OSError as e:
            self._count("state_unwritable")
            if self._again.why is None:
                self._trouble("%s cannot be kept: %s (it is tried again)" % (name, e))
            self._unsaved[name] = value
            self._again.refused(name, str(e))
            return
        self._unsaved.pop(name, None)
        self._again.worked(name)

    def _save_again(self, names):
        for name in names:
            self._try(name, self._unsaved[name])

    def trouble(self):
        return {"unsaved": len(self._unsaved), "refused": len(self._again), "why": self._again.why}

    def when_kept(self, then):
        then()

    def restore(self, then):
        then(self._store.restore())

    def ask_counters(self, answer):
        answer(None)

    def close(self):
        self._again.close()


def handed(key_provider):
    """What keys of a configuration are collected in."""
    return HandedKeys() if key_provider == "keyd" else SoftProvider()


def keeper(key_provider, loop, run_path, changed, trouble, count):
    """changed(up, text), trouble(text): for the log. Raises OSError."""
    if key_provider == "keyd":
        return keyd.KeydClient(loop, run_path + "/keyd.sock", changed, trouble, count)
    return SoftKeeper(loop, run_path + "/state", trouble, count)
