"""`careof reload`: what is in force stays in force until all is read, and if anything is wrong.

idle --begin--> reading --all is read, and right--> taking over --done--> idle
   ^--- a mistake ---'
"""

from .system.options import ConfigError


class Reload:
    """read() makes a Reading, wanted(reading) what it comes to; both raise ConfigError with every mistake.
    take_over(reading, wanted, done) ends with done(names of the roles that changed), or done(None, what is
    wrong); it may take its time."""

    def __init__(self, clock, read, wanted, take_over):
        self._clock = clock
        self._read, self._wanted, self._take_over = read, wanted, take_over
        self._reading = None  # (Reading, reply)
        self._taking_over = False

    @property
    def is_reading(self):
        """Is there something to go_on() with?"""
        return self._reading is not None

    def begin(self, reply):
        """reply(answer=...) or reply(error=...) tells how it ended."""
        if self._reading is not None or self._taking_over:
            reply(error="reload: one is under way")
            return
        try:
            self._reading = (self._read(), reply)
        except ConfigError as e:
            reply(error=str(e))
            return
        self.go_on()

    def go_on(self):
        """A few milliseconds of it."""
        read, reply = self._reading
        try:
            if not read.work(self._clock):
                return
            wanted = self._wanted(read)
        except ConfigError as e:
            self._reading = None
            reply(error=str(e))
            return
        self._reading, self._taking_over = None, True

        def done(changed, wrong=None):
            self._taking_over = False
            if wrong is None:
                reply(answer={"changed": changed})
            else:
                reply(error=wrong)

        self._take_over(read, wanted, done)
