"""All that careofd reads before it can serve: the configuration, the files of nodes that it names, the keys.

Long files are read a few milliseconds at a time. What comes of it is whole, or a ConfigError with every
mistake: nothing is taken into use before.
"""

from ..limits import READ_WORK_MS
from . import options
from .keys_file import KeysFile
from .nodes_file import NodesFile


class Reading:
    """keys_path: a file of keys, or None. provider: see KeysFile; it gets the configuration's keys too.
    make_provider: makes it for the configuration."""

    def __init__(self, config_path, keys_path, make_provider):
        """Raises ConfigError."""
        self.configuration = options.load(config_path)
        self.provider = provider = make_provider(self.configuration.globals.key_provider)
        self.tables = {}  # name of a home agent -> NodeTable
        self._files, self._done = [], 0
        for agent in self.configuration.home_agent:
            if agent.nodes_file is not None:
                file = NodesFile(agent.nodes_file, self.configuration, bool(agent.address_pool))
                self.tables[agent.name] = file.table
                self._files.append(file)
        if keys_path is not None and self.configuration.globals.key_provider == "keyd":
            raise options.ConfigError(["%s: with key_provider keyd, careof-keyd reads the file" % keys_path])
        if keys_path is not None:
            self._files.append(KeysFile(keys_path, provider))
        for association in options.associations(self.configuration).values():
            if association.key is None:
                continue  # careof-keyd has it
            try:
                provider.add_key(association.name, association.algorithm, association.key)
            except ValueError as e:
                raise options.ConfigError(["%s: %s" % (config_path, e)])

    def work(self, clock):
        """Read on for a moment; is all done? Raises ConfigError when all was read and something is wrong."""
        end_ms = clock.now_ms() + READ_WORK_MS
        while self._done < len(self._files):
            while not self._files[self._done].step():
                if clock.now_ms() >= end_ms:
                    return False
            self._done += 1
        mistakes = [mistake for file in self._files for mistake in file.mistakes]
        if mistakes:
            raise options.ConfigError(mistakes)
        return True
