"""Train in a forked child that is killed with SIGKILL; start it again until it ends.

``python -m tests.support.killing random FOLDER SEED KILLS`` kills at random moments, ``... calls
FOLDER`` right before and right after each call that makes something lasting. Every folder in FOLDER
is then a run that was killed and went on; the first, ``whole``, never was.
"""

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import torch

torch.set_num_threads(1)  # before the first fork

from tests.support.small import train  # noqa: E402

LASTING = ("fsync", "replace", "truncate", "mkdir", "open")


def child(directory, prepare=lambda: None, **options):
    """Fork a training; return its process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            warnings.simplefilter("error")
            prepare()
            train(directory, **options)
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid):
    """Wait for a child: True when it finished, False when it was killed."""
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the training raised"
    return True


def die_at(number, after):
    """Kill this process at its n-th lasting call."""
    calls = 0

    def counted(function):
        def wrapper(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            due = calls == number
            try:
                return function(*args, **kwargs)
            finally:
                if due:
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapper

    for name in LASTING:
        setattr(os, name, counted(getattr(os, name)))


def at_random_moments(folder, seed, kills):
    """Kill one training that saves at every step, again and again."""
    draw = random.Random(seed)
    start = time.perf_counter()
    assert ended(child(folder / "whole", checkpoint_steps=1))
    length = time.perf_counter() - start
    done, killed, number = False, 0, 0
    while killed < kills or not done:
        if done:
            number += 1
        pid = child(folder / f"killed-{number}", checkpoint_steps=1)
        if killed < kills:
            time.sleep(draw.uniform(0, length / 2))
            os.kill(pid, signal.SIGKILL)
        done = ended(pid)
        killed += not done
    print(killed)


def at_lasting_calls(folder):
    """For every n, a training of its own that is killed at its n-th lasting call."""
    assert ended(child(folder / "whole", epochs=1))
    number, done = 0, False
    while not done:
        number += 1
        for after in (False, True):
            directory = folder / f"{number:03}-{'after' if after else 'before'}"
            done = ended(child(directory, lambda n=number, a=after: die_at(n, a), epochs=1))
            assert done or ended(child(directory, epochs=1))
    print(number - 1)


if __name__ == "__main__":
    how, folder, *numbers = sys.argv[1:]
    train(epochs=1)  # what torch loads at first use, the children have from here
    if how == "random":
        at_random_moments(Path(folder), *map(int, numbers))
    else:
        at_lasting_calls(Path(folder))
