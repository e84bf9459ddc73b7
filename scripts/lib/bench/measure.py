"""Runs programs and says what they took: time, processor, memory."""

import ctypes
import mmap
import os
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Usage:
    """What one run took; the memory is the largest resident set of any of its processes.

    It cannot be seen below that of this interpreter (see least_memory), which a child inherits.
    """

    wall: float
    cpu: float
    memory: int
    status: int


def least_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def adopt_orphans():
    """What a program's main process leaves behind is waited for, and so counted, as well."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command, log, stdin=None, patience=600.0):
    """Runs a command to its end, and to that of every process it started."""
    return Started(command, log, stdin).wait(patience)


class Started:
    """A program at work, in a process group of its own."""

    def __init__(self, command, log, stdin=None):
        with open(log, "wb") as output, open(stdin or os.devnull, "rb") as given:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                command, stdin=given, stdout=output, stderr=output, start_new_session=True
            )

    def has_ended(self):
        """Whether there is nothing left to stop; it can still be waited for."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, options) is not None

    def stop(self, patience=60.0):
        """Asks it to end, as a service manager would."""
        os.kill(self.process.pid, signal.SIGTERM)
        return self.wait(patience)

    def wait(self, patience=600.0):
        """Its end, and that of every process it started."""
        group = self.process.pid
        timer = threading.Timer(patience, _kill_group, [group])
        timer.start()
        try:
            _, status, usage = os.wait4(group, 0)
            ended = time.monotonic()
            self.process.returncode = os.waitstatus_to_exitcode(status)
            cpu, memory = _of(usage)
            for more_cpu, more_memory in _rest_of_group(group):
                ended = time.monotonic()
                cpu += more_cpu
                memory = max(memory, more_memory)
        finally:
            timer.cancel()
            _kill_group(group)
        return Usage(ended - self.began, cpu, memory, self.process.returncode)


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
    """Whether every page of a file lies in the page cache (mincore(2))."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:
        resident = (ctypes.c_ubyte * -(-len(pages) // mmap.PAGESIZE))()
        start = ctypes.c_char.from_buffer(pages)
        address, length = ctypes.byref(start), ctypes.c_size_t(len(pages))
        failed = ctypes.CDLL(None, use_errno=True).mincore(address, length, resident)
        # The mapping cannot be closed while something points into it.
        del start, address
        if failed:
            raise OSError(ctypes.get_errno(), "mincore", path)
        return all(page & 1 for page in resident)


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
