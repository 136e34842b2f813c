"""A program on a terminal of its own, as a person has it."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time


class Terminal:
    """with Terminal(command, env) as t: t.type("ls\\n"); t.expect("bin"); t.resize(40, 100)"""

    def __init__(self, command, env, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.seen = b""
        self._at = 0
        self.resize(rows, columns)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(command, env={**env, "TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave,
                                        preexec_fn=own_terminal)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def resize(self, rows, columns):
        """Sets the window; the kernel sends SIGWINCH to the program in the foreground."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def expect(self, pattern, seconds=15.0):
        """Reads until the pattern appears after what was expected before; returns the match."""
        deadline = time.monotonic() + seconds
        expression = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        while True:
            match = expression.search(self.seen, self._at)
            if match:
                self._at = match.end()
                return match
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} on the terminal; seen: {self.seen[self._at:]!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    part = os.read(self.master, 65536)
                except OSError:  # the program has closed the terminal
                    part = b""
                assert part, f"the program ended without {pattern!r}; seen: {self.seen[self._at:]!r}"
                self.seen += part

    def wait(self, seconds=15.0):
        """Drains the terminal until the program ends; its exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"the program does not end; seen: {self.seen[self._at:]!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    pass
        return self.process.returncode
