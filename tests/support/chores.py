"""Runs that workers can import: some work, some fail, some kill the process they are in."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.support import small


@dataclass(frozen=True)
class Chore:
    number: int
    how: str = "works"


def starts(directory):
    """One line for each time that the run was started: the process and how far it had come."""
    path = Path(directory, "starts")
    return path.read_text().splitlines() if path.exists() else []


def note_start(directory, found=""):
    with Path(directory, "starts").open("a") as file:
        file.write(f"{os.getpid()} {found}\n")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def do(run, directory):
    """Do what the run says; return its number and its process's threads."""
    first = not starts(directory)
    note_start(directory)
    if run.how == "diverges":
        raise FloatingPointError("the loss is nan at step 7")
    if run.how == "raises" or (run.how == "raises at first" and first):
        raise OSError("the disk is full")
    if run.how == "returns nan":
        return {"loss": float("nan")}
    if run.how == "exits":
        sys.exit(3)
    if run.how == "kills" or (run.how == "kills at first" and first):
        die()
    if run.how == "never ends":
        time.sleep(600)
    return [run.number, torch.get_num_threads()]


def undo(run, directory):
    return -run.number


def fail(run, directory):
    raise AssertionError("this was done already")


class Slow(small.Sequences):
    """Data that takes its time, so that there is time to kill."""

    def __init__(self, data, seconds):
        self.__dict__.update(data.__dict__)
        self.seconds = seconds

    def collate(self, indices):
        time.sleep(self.seconds)
        return super().collate(indices)


def train(run, directory, seconds=0.0):
    """A real training that saves at every step; its last weights and its metrics."""
    found = Path(directory, "checkpoint.pt").exists()
    note_start(directory, "goes on" if found else "begins")
    data = Slow(small.sentences(61, seed=run.number), seconds)
    trained, model = small.train(directory, data=data, seed=run.number, checkpoint_steps=1)
    sums = [param.detach().double().sum().item() for param in model.parameters()]
    return {"weights": sums, "metrics": trained.metrics}


def slow_train(run, directory):
    return train(run, directory, seconds=0.04)
