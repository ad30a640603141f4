"""Commands and services of a lab: run to their end, or kept running as procd keeps them on a router."""

import subprocess
import sys
import threading
import time

# A service that ran for a while is started again at once, one that ends at once after longer and longer.
RESPAWN_PAUSES_S, RAN_FOR_A_WHILE_S = (0.01, 0.2, 1), 1
RESPAWNS_A_SERVICE = 200
STOP_PATIENCE_S = 5


class CommandFailed(RuntimeError):
    """A command of the lab ended with another status than 0; the text is what it said."""


def run(*command, check=True, text=None):
    """Run a command to its end; its standard output. `text` goes to its standard input."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, input=text)
    if check and done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise CommandFailed(f"{' '.join(map(str, command))}: {said}")
    return done.stdout


class Service:
    """A process that is started again whenever it ends, until stop(). Its output goes to a log file.

    `start` makes the process (a Popen). `starts` has the time (time.time()) of every start.
    """

    def __init__(self, name, start, log_path):
        self.name, self.log_path, self.starts = name, log_path, []
        self._start, self._stopping = start, threading.Event()
        self.process = self._begin()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)
        self._thread.start()

    def _begin(self):
        self.starts.append(time.time())
        with open(self.log_path, "ab") as log:
            return self._start(stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _keep(self):
        short = 0  # times in a row that it ended at once
        while len(self.starts) <= RESPAWNS_A_SERVICE:
            self.process.wait()
            short = 0 if time.time() - self.starts[-1] > RAN_FOR_A_WHILE_S else short + 1
            if self._stopping.wait(RESPAWN_PAUSES_S[min(short, len(RESPAWN_PAUSES_S) - 1)]):
                return
            self.process = self._begin()
        print(f"lab: {self.name} ended {RESPAWNS_A_SERVICE} times: see {self.log_path}", file=sys.stderr)

    def kill(self):
        """kill -9, once; it is started again. Returns the time."""
        now = time.time()
        self.process.kill()
        return now

    def retire(self):
        """Never start it again; it may go on as it is."""
        self._stopping.set()

    def stop(self):
        """End it for good; harmless when that was done before."""
        self.retire()
        end(self.process)
        self._thread.join(STOP_PATIENCE_S)
        end(self.process)  # started again at the very moment of retiring

    def log(self):
        return self.log_path.read_text(errors="replace")


def end(process):
    """Terminate a process and wait for it; kill it when it does not go."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(true, timeout_s, what, pause_s=0.02):
    """Wait until true() is; its value. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(pause_s)
