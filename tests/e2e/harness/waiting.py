"""Waiting for a condition with a deadline; never for a time."""
import time


def wait_for(condition, what, seconds=10.0, every=0.02):
    """Returns the condition's first true value; AssertionError naming `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}; last: {value!r}"
        time.sleep(every)
