"""On what, and with what, it was measured."""

import os
import platform
import re
import subprocess


def describe(programs):
    """Lines for the reader of the figures."""
    yield f"- machine: {_model()}, {os.cpu_count()} processors, {_memory()} GiB of memory"
    yield f"- kernel: {platform.system()} {platform.release()}, governor {_governor()}"
    yield f"- load before the start: {os.getloadavg()[0]:.1f}"
    yield f"- built by {_first_line('rustc', '--version')}, from {_revision()}"
    for program in programs:
        yield f"- {program.name}: {program.version()}"


def _model():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _governor():
    try:
        path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "unknown (virtual machine)" if _is_virtual() else "unknown"


def _is_virtual():
    return bool(re.search(r"^flags\b.*\bhypervisor\b", open("/proc/cpuinfo").read(), re.M))


def _revision():
    revision = _first_line("git", "describe", "--always", "--dirty")
    return f"revision {revision}" if revision else "a source tree without revision"


def _first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0]
