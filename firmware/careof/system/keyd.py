"""careofd's end of the socket to careof-keyd: keys, questions, values to keep, all said again after a loss.

    a key         is kept here, and added again to every keyd
    a question    is asked again of the next keyd, if it is not too old by then; else it is as if it was lost
    a value       is kept here until it is on keyd's disk (Saved), and saved again by the next keyd; of a name
                  one value is under way at a time, and what is saved meanwhile goes out after it. What keyd
                  refuses (no memory, too much of it) is said again later

Questions of one turn of the loop leave together (a datagram has many), and so do their answers: what a turn
has no time for is done in the next. Nothing here waits: not for keyd, and not for a disk.
"""

from ..limits import KEYD_QUESTIONS_MAX, QUESTION_FORGOTTEN_MS
from ..wire import keyd as wire
from ..wire.reader import Malformed, printable
from . import kept
from .again import Again
from .connection import GREETED, UP, Connection

QUEUE_MAX = 8192  # datagrams
NAMES_MAX = 4096  # of keys, whose octets are kept
BUFFER_SIZE = 8192  # octets: wire.DATAGRAM_SIZE_MAX, and of one message with a part of a value
SAID_AGAIN = 64  # values that another keyd is told in one turn of the loop


def _is_up_to(number, last):
    """In the order of a sender's numbers, which wrap."""
    return (last - number) & 0xFFFFFFFF < 0x80000000


class KeydClient:
    """The key provider in another process (crypt.Asked), and the store that outlives a power cut.

    changed(up, text) is told when keyd comes and goes; trouble(text) what it refuses."""

    def __init__(self, loop, path, changed, trouble, count):
        self._loop = loop
        self._changed = changed
        self._trouble = trouble
        self._count = count
        self._connection = Connection(loop, path, self, QUEUE_MAX, BUFFER_SIZE)
        self._number = 0
        self._batch, self._batch_size = [], 0
        self._arrived, self._taken = (), 0  # the messages of a datagram, and how many of them are done
        self._keys = {}  # name -> (algorithm, secret)
        self._questions = {}  # token -> (at_ms, then, how to pack it, name of the key, the rest of it)
        self._names = {}  # of keys -> their octets in a question
        self._token = 0
        self._unsaved = {}  # name -> octets, or None to forget it
        self._under_way = []  # (first number, last number, name) of what keyd has, in order
        self._gone = set()  # their names
        self._newer = set()  # those of them that have another value by now
        self._refused = Again(loop, self._save_again)  # names of what keyd would not take
        self._to_say = []  # names of what another keyd is still to be told
        self._disk = None  # what the disk refuses, until it does not any more
        self._restoring = None  # what is told all values, until it was
        self._found = kept.Restored()  # those that came
        self._parts = []  # of one that has not come whole
        self._after_loading, self._after_counters, self._after_kept = [], [], []
        loop.add_timer(self)

    @property
    def state(self):
        """away, greeted or up"""
        return self._connection.state

    def close(self):
        self._loop.remove_timer(self)
        self._refused.close()
        self._connection.close()

    # -- Keys

    def set_keys(self, handed):
        """handed.keys, {name: (algorithm, secret)}, and no others, besides those of keyd's file."""
        keys = handed.keys
        before, self._keys = self._keys, keys
        if self.state == UP:
            for name in before:
                if name not in keys:
                    self._say(wire.DropKey(name))
            for name, key in keys.items():
                if before.get(name) != key:
                    self._add_key(name, key)

    def load_keys(self, then):
        """Have keyd read its file of keys again: then(None), or then(text) with what is wrong."""
        if self.state != UP:
            then("careof-keyd does not answer")
            return
        self._after_loading.append((self._say(wire.LoadKeys()), then))

    def _add_key(self, name, key):
        algorithm, secret = key
        self._say(wire.AddKey(name, wire.ALGORITHMS[algorithm], secret))

    # -- Questions

    def authenticate(self, name, data, then):
        """then(octets): the authenticator; None if there is no such key."""
        self._ask(wire.pack_authenticate, name, (data,), then)

    def verify(self, name, data, authenticator, then):
        """then(is it that?); None if there is no such key."""
        self._ask(wire.pack_verify, name, (authenticator[:255], data), then)

    def _ask(self, pack, name, about, then):
        now_ms = self._loop.now_ms()
        if len(self._questions) >= KEYD_QUESTIONS_MAX and not self._forgot(now_ms):
            self._count("keyd_questions_too_many")
            return
        self._token = token = (self._token + 1) & 0xFFFFFFFF
        self._questions[token] = question = (now_ms, then, pack, name, about)
        if self.state == UP:
            self._say_question(token, question)

    def _say_question(self, token, question):
        _, _, pack, name, about = question
        key = self._names.get(name)
        if key is None:
            key = wire.key_octets(name)
            if len(self._names) < NAMES_MAX:
                self._names[name] = key
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        self._add(pack(number, token, key, *about))

    def _forgot(self, now_ms):
        """Drop the questions that nobody waits for any more; is there room now?"""
        old = [token for token, row in self._questions.items() if now_ms - row[0] > QUESTION_FORGOTTEN_MS]
        for token in old:
            del self._questions[token]
            self._count("keyd_questions_lost")
        return bool(old)

    def _answered(self, message, answer):
        row = self._questions.pop(message.token, None)
        if row is not None:
            row[1](answer)

    # -- The state

    def restore(self, then):
        """then(kept.Restored) once, when keyd has told all."""
        self._restoring = then
        if self.state == UP:
            self._say(wire.Restore())

    def save(self, name, value):
        """Keep a JSON value under a name, or forget it (None)."""
        octets = None if value is None else kept.pack(value)
        if octets is not None and len(octets) > wire.VALUE_SIZE_MAX:
            self._trouble("%s: %d octets, at most %d" % (name, len(octets), wire.VALUE_SIZE_MAX))
            return
        if not 1 <= len(name) <= 63:
            self._trouble("%s: expected a name of 63 characters at most" % name)
            return
        self._unsaved[name] = octets
        if name in self._gone:
            self._newer.add(name)
        elif self.state == UP and self._restoring is None and not self._refused.has(name):
            self._save(name)

    def when_kept(self, then):
        """Call then() when all that was said is on keyd's disk, but for what it refused; or when no keyd is
        there that could say so."""
        self._after_kept.append(then)
        self._look_if_kept()

    def trouble(self):
        """For status: how many values are not on the disk yet, and why, if something is wrong."""
        why = self._refused.why or self._disk
        return {"unsaved": len(self._unsaved), "refused": len(self._refused), "why": why}

    def _look_if_kept(self):
        if len(self._unsaved) <= len(self._refused) or self.state != UP:
            waiting, self._after_kept = self._after_kept, []
            for then in waiting:
                then()

    def _save(self, name):
        octets = self._unsaved[name]
        if octets is None:
            first = last = self._say(wire.Forget(name))
        else:
            at, first, last = 0, None, None
            while first is None or at < len(octets):
                part = octets[at : at + wire.PART_SIZE_MAX]
                at += len(part)
                last = self._say(wire.Save(name, int(at < len(octets)), part))
                first = last if first is None else first
        self._under_way.append((first, last, name))
        self._gone.add(name)

    def _save_again(self, names):
        if self.state == UP and self._restoring is None:
            for name in names:
                if name in self._unsaved and name not in self._gone:
                    self._save(name)

    def _say_all(self):
        """Everything that is not on the disk, some at a time."""
        self._to_say = list(self._unsaved)
        self._say_on()

    def _say_on(self):
        names, self._to_say = self._to_say[:SAID_AGAIN], self._to_say[SAID_AGAIN:]
        self._save_again(names)
        if self._to_say:
            self._loop.again(self._say_on)

    def _saved(self, message):
        self._disk = None
        done = 0
        while done < len(self._under_way) and _is_up_to(self._under_way[done][1], message.of_number):
            done += 1
        acknowledged, self._under_way = self._under_way[:done], self._under_way[done:]
        for _, _, name in acknowledged:
            self._settle(name)
        self._look_if_kept()

    def _settle(self, name):
        """What keyd was told of this name is on the disk."""
        self._gone.discard(name)
        self._refused.worked(name)
        if name in self._newer:
            self._newer.discard(name)
            self._save(name)
        else:
            del self._unsaved[name]

    def _value_came(self, message):
        self._parts.append(message.value)
        if message.more:
            return
        self._found.take(message.name, b"".join(self._parts))
        self._parts = []

    def _restored(self):
        then, found = self._restoring, self._found
        self._restoring, self._found = None, kept.Restored()
        self._say_all()
        if then is not None:
            then(found)

    def _restore_more(self):
        if self._restoring is not None:
            self._say(wire.RestoreMore())

    # -- Counters

    def ask_counters(self, answer):
        """Call answer({name: count}), or answer(None) if keyd is away."""
        if self.state != UP:
            answer(None)
            return
        self._after_counters.append(answer)
        self._say(wire.AskCounters())

    def _counted(self, message):
        try:
            counters = wire.counters(message.values)
        except Malformed:
            self._count("keyd_malformed")
            counters = None
        if self._after_counters:
            self._after_counters.pop(0)(counters)

    # -- The connection

    def deadline(self):
        return 0 if self._batch else self._connection.deadline()

    def late(self, now_ms):
        if self._batch:
            self._flush()
        elif self._connection.deadline() is not None:
            self._connection.late(now_ms)

    def connected(self):
        self._say(wire.Hello(wire.VERSION))

    def absent(self, why):
        self._trouble("keyd is not there: " + why)

    def packed(self, datagram):
        return datagram

    def lost(self, why, was_up):
        self._count("keyd_lost")
        self._forget_connection()
        loading, counters = self._after_loading, self._after_counters
        self._after_loading, self._after_counters = [], []
        for _, then in loading:
            then("careof-keyd does not answer")
        for answer in counters:
            answer(None)
        self._look_if_kept()
        if was_up:
            self._changed(False, why)

    def _forget_connection(self):
        """What was said to one keyd and came from it is nothing to the next."""
        self._batch, self._batch_size = [], 0
        self._arrived, self._taken = (), 0
        self._under_way, self._gone, self._newer = [], set(), set()
        self._to_say, self._found, self._parts = [], kept.Restored(), []

    def _say(self, message):
        """Into the datagram that leaves with the end of this turn. The message's number."""
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._add(wire.pack(message, self._number))
        return self._number

    def _add(self, octets):
        size = len(octets)
        if self._batch_size + size > wire.DATAGRAM_SIZE_MAX:
            self._flush()
        self._batch.append(octets)
        self._batch_size += size

    def _flush(self):
        batch, self._batch, self._batch_size = self._batch, [], 0
        if batch and self.state in (GREETED, UP):
            self._connection.send(b"".join(batch))

    def _greeted(self, message):
        if self.state != GREETED:
            return
        if message.version != wire.VERSION:
            self._connection.drop("speaks version %d, expected %d" % (message.version, wire.VERSION))
            return
        self._connection.greeted()
        self._forget_connection()
        for name, key in self._keys.items():
            self._add_key(name, key)
        if self._restoring is not None:
            self._say(wire.Restore())
        else:
            self._say_all()
        now_ms = self._loop.now_ms()
        self._forgot(now_ms)
        for token, question in list(self._questions.items()):
            self._say_question(token, question)
            self._count("keyd_questions_again")
        if self.state == UP:  # it may be gone again already
            self._changed(True, "%d keys in its file" % message.keys_of_file)

    def arrived(self, datagram):
        try:
            self._arrived, self._taken = wire.parts(bytes(datagram)), 0
        except Malformed:
            self._count("keyd_malformed")
            return
        self._take_on()

    def is_behind(self):
        return self._taken < len(self._arrived)

    def _take_on(self):
        """Do what keyd said, as long as this turn has time."""
        while self._taken < len(self._arrived):
            octets = self._arrived[self._taken]
            self._taken += 1  # before it is done: the connection may be lost by that
            try:
                self._take(wire.unpack_part(octets)[0])
            except Malformed:
                self._count("keyd_malformed")
            if not self._loop.has_time():
                break
        if self._taken < len(self._arrived):
            self._loop.again(self._take_on)
        else:
            self._arrived, self._taken = (), 0

    def _take(self, message):
        take = TAKE.get(type(message))
        if take is None:
            self._count("keyd_unexpected")
        else:
            take(self, message)

    def _done(self, message):
        """A refusal; or the file of keys was read."""
        text = printable(message.text)
        for index, (number, then) in enumerate(self._after_loading):
            if number == message.of_number:
                del self._after_loading[index]
                then(text if message.error else None)
                return
        self._count("keyd_refused")
        for index, (first, last, name) in enumerate(self._under_way):
            if _is_up_to(first, message.of_number) and _is_up_to(message.of_number, last):
                del self._under_way[index]
                self._gone.discard(name)
                self._newer.discard(name)
                if self._refused.why is None:
                    self._trouble(text + " (it is tried again)")
                self._refused.refused(name, text)
                self._look_if_kept()
                return
        self._trouble(text)

    def _disk_refuses(self, message):
        self._disk = printable(message.text)
        self._trouble(self._disk)


TAKE = {
    wire.HelloBack: KeydClient._greeted,
    wire.Authenticated: lambda client, m: client._answered(m, m.authenticator),
    wire.Verified: lambda client, m: client._answered(m, m.genuine == 1),
    wire.NoKey: lambda client, m: client._answered(m, None),
    wire.Saved: KeydClient._saved,
    wire.Trouble: KeydClient._disk_refuses,
    wire.Value: KeydClient._value_came,
    wire.RestorePause: lambda client, m: client._restore_more(),
    wire.RestoreEnd: lambda client, m: client._restored(),
    wire.Done: KeydClient._done,
    wire.Counters: KeydClient._counted,
}
