#!/usr/bin/env python3
"""Live capture over a virtual cable: what arrives, what is lost, what a packet costs.

Called by scripts/bench live, as root. Two namespaces, a veth pair between them, our sender in one
and one meter after the other in the other. Prints Markdown; ends with 1 when ours loses a packet.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import machine
import measure
import programs
import report


class Run:
    def __init__(self, name, octets, rate):
        self.name, self.octets, self.rate = name, octets, rate


RUNS = (Run("L1", 64, None), Run("L2", 1_400, 600_000))
SECONDS = 10
FLOWS = 100_000
CPU_TO_REACH = 0.15


def main():
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("namespaces and packet sockets need root: sudo scripts/bench live")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    measure.adopt_orphans()
    build = os.environ["FLOWTAP_BUILD"]
    ours = programs.Flowtap(os.path.abspath(f"{build}/flowtap"), options=("--workers", "1"))
    known = [ours, *programs.PEERS]
    wanted = [one for one in known if not options.programs or one.name in options.programs]
    here = [program for program in wanted if not program.missing()]
    print("## Speed of live capture\n")
    print("\n".join(machine.describe(here)))
    for program in wanted:
        if program.missing():
            print(f"- {program.name}: not here ({program.package}; scripts/bench --install)")
    seconds = 1 if options.smoke else SECONDS
    print(f"- {seconds} s of {FLOWS:,} flows for each program, over a veth pair")
    print("- the sender on the last processor, the program on the others; one worker of ours\n")
    table = report.Table(
        "run",
        "program",
        "packets sent",
        "M packets/s",
        "told",
        "lost",
        "kernel drops",
        "CPU µs/packet",
        "peak MiB",
    )
    failures = []
    for run in RUNS:
        for program in here:
            print(f"{run.name}: {program.name}", file=sys.stderr)
            try:
                with programs.scratch(os.environ["FLOWTAP_WORKLOADS"]) as folder:
                    live = measure_one(run, program, folder, f"{build}/examples/sender", seconds)
            except (programs.Failed, subprocess.CalledProcessError) as failure:
                failures.append(f"{run.name}: {program.name}: {failure}")
                continue
            table.add(*row(run, program, live))
            lost = live.arrived - live.told.packets
            if program is ours and (lost or live.dropped):
                failures.append(f"{run.name}: flowtap lost {lost:,} packets")
    table.print()
    print("- lost: of what came to the interface, what no record tells of")
    print(f"- to reach: no loss, CPU of {CPU_TO_REACH} µs a packet\n")
    if failures:
        print("**Wrong:**\n")
        print("\n".join(f"- {line}" for line in failures))
        return 1
    return 0


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench live")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--programs", type=lambda text: text.split(","))
    return parser.parse_args()


def row(run, program, live):
    told = live.told.packets
    lost = live.arrived - told
    return (
        run.name,
        program.name,
        f"{live.sent:,}",
        f"{live.rate / 1e6:.2f}",
        f"{told:,}",
        f"{lost:,} ({lost / live.arrived:.2%})" if lost else "0",
        "" if live.dropped is None else f"{live.dropped:,}",
        f"{live.usage.cpu / told * 1e6:.3f}" if told else "",
        f"{live.usage.memory / 2**20:.0f}",
    )


def measure_one(run, program, folder, sender, seconds):
    with Wire(folder) as wire, program.capture(wire) as live:
        command = [*wire.outside, "taskset", "-c", str(last_processor()), os.path.abspath(sender)]
        command += ["-i", "src", "--octets", str(run.octets), "--flows", str(FLOWS)]
        command += ["--seconds", str(seconds)]
        if run.rate:
            command += ["--rate", str(run.rate)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        sent = json.loads(done.stdout)
        live.sent, live.rate = sent["sent"], sent["rate"]
        # Whoever reads in blocks or has fallen behind gets the time to see the rest.
        time.sleep(2)
        live.arrived = wire.arrived()
    return live


class Live:
    """A meter at work, and afterwards what came of it."""

    sent = rate = arrived = usage = told = dropped = None


class Wire:
    """Two namespaces and the cable between them. Nothing else is ever sent over it."""

    interface = "tap"

    def __init__(self, folder):
        self.folder = folder
        self.names = [f"flowtap-bench-{os.getpid()}-{end}" for end in ("src", "tap")]
        self.outside, self.inside = (("ip", "netns", "exec", name) for name in self.names)

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *error):
        self.remove()

    def build(self):
        for name in self.names:
            ip("netns", "add", name)
            quiet = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"
            subprocess.run(["ip", "netns", "exec", name, "sh", "-c", quiet], check=True)
            ip("-n", name, "link", "set", "lo", "up")
        source, tap = self.names
        ip("link", "add", "src", "netns", source, "type", "veth", "peer", "tap", "netns", tap)
        for name, interface in ((source, "src"), (tap, "tap")):
            ip("-n", name, "link", "set", interface, "arp", "off", "up")

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)

    def arrived(self):
        output = subprocess.run(
            [*self.inside, "cat", f"/sys/class/net/{self.interface}/statistics/rx_packets"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        return int(output)

    @contextlib.contextmanager
    def meter(self, command, stop=None, statuses=(0, -signal.SIGTERM, 128 + signal.SIGTERM)):
        """Runs a meter for the time of the `with` block, from when it captures.

        `stop` is a command that ends it; otherwise it gets a signal. Of `statuses` one must be its.
        """
        cores = ",".join(str(core) for core in range(max(1, last_processor())))
        log = os.path.join(self.folder, "log")
        started = measure.Started([*self.inside, "taskset", "-c", cores, *command], log)
        live = Live()
        try:
            self.wait_for_socket(started, log)
            yield live
        finally:
            if stop and not started.has_ended():
                subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                live.usage = started.wait(60)
            else:
                live.usage = started.stop()
        if live.usage.status not in statuses:
            raise programs.Failed(f"{command[0]} ended with {live.usage.status}: {tail(log)}")

    def wait_for_socket(self, started, log):
        """All of them capture by packet sockets, of which the kernel keeps a list."""
        for _ in range(200):
            if started.has_ended():
                break
            sockets = subprocess.run(
                [*self.inside, "cat", "/proc/net/packet"], stdout=subprocess.PIPE, text=True
            ).stdout
            if sockets.count("\n") > 1:
                # It is there before it is set up.
                time.sleep(1)
                return
            time.sleep(0.05)
        raise programs.Failed(f"it does not capture: {tail(log)}")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def tail(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return " / ".join(file.read().strip().splitlines()[-3:])


def last_processor():
    return max(os.sched_getaffinity(0))


if __name__ == "__main__":
    sys.exit(main())
