"""Runs programs and says what they took: time, processor, memory."""

import ctypes
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Usage:
    """What one run took; the memory is the largest resident set of any of its processes.

    It cannot be seen below that of this interpreter, some 12 MiB, which a child inherits.
    """

    wall: float
    cpu: float
    memory: int
    status: int


def adopt_orphans():
    """What a program's main process leaves behind is waited for, and so counted, as well."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command, log, stdin=None, patience=600.0):
    """Runs a command to its end, and to that of every process it started."""
    with open(log, "wb") as output, open(stdin or os.devnull, "rb") as given:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=given, stdout=output, stderr=output, start_new_session=True
        )
        timer = threading.Timer(patience, _kill_group, [process.pid])
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            ended = time.monotonic()
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu, memory = _of(usage)
            for more_cpu, more_memory in _rest_of_group(process.pid):
                ended = time.monotonic()
                cpu += more_cpu
                memory = max(memory, more_memory)
        finally:
            timer.cancel()
            _kill_group(process.pid)
    return Usage(ended - started, cpu, memory, process.returncode)


def _of(usage):
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _rest_of_group(group):
    """The orphans: their group is that of the process that started them."""
    while True:
        try:
            _, _, usage = os.wait4(-group, 0)
        except ChildProcessError:
            return
        yield _of(usage)


def _kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def is_cached(path):
    """Whether every page of a file lies in the page cache."""
    found = json.loads(
        subprocess.run(
            ["fincore", "--json", "--bytes", "--output", "RES,SIZE", path],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )["fincore"][0]
    # The last page is counted whole.
    return int(found["res"]) >= int(found["size"])


def cache(path):
    """Brings a file into the page cache; false when it does not fit there."""
    for _ in range(2):
        if is_cached(path):
            return True
        with open(path, "rb", buffering=0) as file:
            buffer = bytearray(1 << 22)
            while file.readinto(buffer):
                pass
    return is_cached(path)
