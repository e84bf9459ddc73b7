"""The programs that are run, each as its manual says it is used for this."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

import measure


@dataclass
class Told:
    """What a program says it has metered."""

    packets: int
    records: int
    # Flows in the cache at its fullest, where that is known.
    peak_flows: int | None = None


@dataclass
class Run:
    usage: measure.Usage
    told: Told


class Failed(Exception):
    """A run that did not end well."""


class TooSlow(Failed):
    """A run that was ended because it took too long."""


class Program:
    """Something that takes a capture file and says how many packets were in it."""

    name = ""
    package = ""
    binaries = ()
    # Why fewer packets than there are would be no surprise.
    may_lose = None
    # What the reader of its figures should know.
    note = None

    def missing(self):
        return [name for name in self.binaries if not _which(name)]

    def version(self):
        return _debian_version(self.package)

    def replay(self, capture, folder, max_flows):
        raise NotImplementedError

    def capture(self, wire):
        """Live capture, from here until the end of the `with` block: see live.py."""
        raise NotImplementedError


class Flowtap(Program):
    """Ours. Everything is the default, but what the arguments say."""

    def __init__(self, binary, name="flowtap", target="file", options=()):
        self.binary, self.name, self.target, self.options = binary, name, target, options

    def missing(self):
        return []

    def version(self):
        return _output(self.binary, "--version").split()[-1]

    def replay(self, capture, folder, max_flows):
        summary = os.path.join(folder, "ledger.json")
        target = "null:" if self.target == "null" else f"file:{folder}/flows.ipfix"
        bound = [] if max_flows is None else ["--max-flows", str(max_flows)]
        usage = _run(
            [self.binary, "replay", capture.path, "--export", target, "--quiet"]
            + ["--summary", summary, *bound, *self.options],
            folder,
        )
        ledger = _read_json(summary)
        flows = sum(target["sent_flows"] for target in ledger["targets"])
        if flows != ledger["exported_flows"]:
            raise Failed(f"{ledger['exported_flows']} records, but {flows} of them sent")
        return Run(usage, Told(ledger["exported_packets"], flows, ledger["peak_flows"]))

    @contextlib.contextmanager
    def capture(self, wire):
        summary = os.path.join(wire.folder, "ledger.json")
        with wire.meter(
            [self.binary, "capture", "-i", wire.interface, "--quiet", "--summary", summary]
            + ["--export", f"file:{wire.folder}/flows.ipfix", *self.options]
        ) as live:
            yield live
        ledger = _read_json(summary)
        live.dropped = ledger["kernel_dropped_packets"]
        live.told = Told(ledger["exported_packets"], ledger["exported_flows"])


class Stage(Program):
    """A replay that goes no further than this stage."""

    def __init__(self, binary, stage, name):
        self.binary, self.stage, self.name = binary, stage, name

    def missing(self):
        return []

    def replay(self, capture, folder, max_flows):
        bound = [] if max_flows is None else ["--max-flows", str(max_flows)]
        usage = _run([self.binary, self.stage, capture.path, *bound], folder)
        told = json.loads(_log(folder))
        return Run(usage, Told(told["packets"], told["records"]))


class Nfpcapd(Program):
    name = "nfpcapd"
    package = "nfdump"
    binaries = ("nfpcapd", "nfdump")

    def replay(self, capture, folder, max_flows):
        flows = os.path.join(folder, "nfpcapd")
        os.mkdir(flows)
        command = ["nfpcapd", "-r", capture.path, "-w", flows, "-e", "300,30"]
        return Run(_run(command, folder), count_nfdump(flows))

    @contextlib.contextmanager
    def capture(self, wire):
        flows = os.path.join(wire.folder, "nfpcapd")
        os.mkdir(flows)
        command = ["nfpcapd", "-i", wire.interface, "-w", flows, "-e", "300,30"]
        with wire.meter(command) as live:
            yield live
        live.told = count_nfdump(flows)


class Argus(Program):
    name = "argus"
    package = "argus-server"
    binaries = ("argus", "racount")
    note = "waits for a second at the end: compare CPU"

    def replay(self, capture, folder, max_flows):
        flows = os.path.join(folder, "argus.out")
        command = ["argus", "-F", "/dev/null", "-X", "-S", "300", "-r", capture.path, "-w", flows]
        return Run(_run(command, folder), count_argus(flows))

    @contextlib.contextmanager
    def capture(self, wire):
        flows = os.path.join(wire.folder, "argus.out")
        command = ["argus", "-F", "/dev/null", "-X", "-S", "300", "-i", wire.interface]
        with wire.meter([*command, "-w", flows]) as live:
            yield live
        live.told = count_argus(flows)


class Softflowd(Program):
    name = "softflowd"
    package = "softflowd"
    binaries = ("softflowd", "nfcapd", "nfdump")
    may_lose = "datagrams that the listener did not get"

    def replay(self, capture, folder, max_flows):
        with Collector(folder) as collector:
            command = ["softflowd", "-r", capture.path, "-v", "10", "-d", "-m", "2000000"]
            command += ["-n", f"127.0.0.1:{collector.port}", "-c", "none"]
            command += ["-p", os.path.join(folder, "softflowd.pid")]
            usage = _run(command, folder)
        return Run(usage, collector.told)

    @contextlib.contextmanager
    def capture(self, wire):
        # Only by its control socket does it end with what it has; the path must be short.
        with (
            tempfile.TemporaryDirectory() as short,
            Collector(wire.folder, wire.inside) as collector,
        ):
            control = os.path.join(short, "control")
            command = ["softflowd", "-i", wire.interface, "-v", "10", "-d", "-m", "2000000"]
            command += ["-n", f"127.0.0.1:{collector.port}", "-c", control]
            command += ["-p", os.path.join(short, "pid")]
            timeouts = "general=30 tcp=30 udp=30 tcp.fin=30 tcp.rst=30 maxlife=300 expint=5"
            for timeout in timeouts.split():
                command += ["-t", timeout]
            # It ends with 1 then.
            shutdown = ["softflowctl", "-c", control, "shutdown"]
            with wire.meter(command, shutdown, statuses=(1,)) as live:
                yield live
        live.told = collector.told


class Pmacctd(Program):
    name = "pmacctd"
    package = "pmacct"
    binaries = ("pmacctd", "nfcapd", "nfdump")
    note = "waits for some seconds at the end: compare CPU"
    may_lose = "datagrams that the listener did not get"

    def replay(self, capture, folder, max_flows):
        with Collector(folder) as collector:
            config = os.path.join(folder, "pmacctd.conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(pmacctd_config(f"pcap_savefile: {capture.path}", collector.port))
            usage = _run(["pmacctd", "-f", config], folder)
        return Run(usage, collector.told)

    @contextlib.contextmanager
    def capture(self, wire):
        with Collector(wire.folder, wire.inside) as collector:
            config = os.path.join(wire.folder, "pmacctd.conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(pmacctd_config(f"pcap_interface: {wire.interface}", collector.port))
            with wire.meter(["pmacctd", "-f", config]) as live:
                yield live
        live.told = collector.told


class Fprobe(Program):
    name = "fprobe"
    package = "fprobe"
    binaries = ("fprobe", "nfcapd", "nfdump")
    note = "waits for two seconds at the end: compare CPU; NetFlow 5, IPv4 only"
    may_lose = "IPv6, what is behind a tag, and what the listener did not get"

    def replay(self, capture, folder, max_flows):
        with Collector(folder) as collector:
            command = ["fprobe", "-i", "-", "-d", "30", "-e", "300", "-s", "1", "-n", "5"]
            command += ["-q", "1000000", "-l", "2:", f"127.0.0.1:{collector.port}"]
            usage = _run(command, folder, stdin=capture.path)
        return Run(usage, collector.told)

    @contextlib.contextmanager
    def capture(self, wire):
        with Collector(wire.folder, wire.inside) as collector:
            command = ["fprobe", "-i", wire.interface, "-d", "30", "-e", "300", "-s", "1"]
            command += ["-n", "5", "-q", "1000000", "-l", "2:", f"127.0.0.1:{collector.port}"]
            with wire.meter(command) as live:
                yield live
        live.told = collector.told


PEERS = (Nfpcapd(), Softflowd(), Pmacctd(), Argus(), Fprobe())


def pmacctd_config(source, port):
    """Keys and counters of a flow as the others have them."""
    return f"""daemonize: false
{source}
plugins: nfprobe
aggregate: src_host,dst_host,src_port,dst_port,proto,tcpflags,tos
nfprobe_receiver: 127.0.0.1:{port}
nfprobe_version: 10
nfprobe_timeouts: tcp=30:tcp.rst=30:tcp.fin=30:udp=30:icmp=30:general=30:maxlife=300:expint=5
nfprobe_maxflows: 1000000
plugin_buffer_size: 10240
plugin_pipe_size: 10240000
"""


class Collector:
    """nfcapd, for those that only send. Without a listener every second send would fail."""

    def __init__(self, folder, inside=()):
        self.inside = inside
        self.flows = os.path.join(folder, "collector")
        self.log = os.path.join(folder, "collector.log")
        self.told = None

    def __enter__(self):
        os.mkdir(self.flows)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*self.inside, "nfcapd", "-w", self.flows, "-b", "127.0.0.1", "-p", str(self.port)]
                + ["-B", "8000000", "-t", "3600"],
                stdout=log,
                stderr=log,
            )
        for _ in range(100):
            if "Startup" in _read(self.log):
                return self
            time.sleep(0.05)
        self.process.kill()
        raise Failed(f"nfcapd does not start: {_read(self.log)}")

    def __exit__(self, kind, error, traceback):
        # Until it has read what waits in its socket.
        before = -1
        while kind is None and before != (before := _processor_time(self.process.pid)):
            time.sleep(0.2)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if kind is None:
            self.told = count_nfdump(self.flows)


def count_nfdump(folder):
    """The sums that the files of nfdump hold in their ends."""
    output = _output("nfdump", "-I", "-R", folder)
    sums = dict(re.findall(r"^(Packets|Flows): (\d+)$", output, re.M))
    if len(sums) != 2:
        raise Failed(f"nfdump does not say how many packets there are: {output.strip()}")
    return Told(int(sums["Packets"]), int(sums["Flows"]))


def count_argus(file):
    match = re.search(r"^\s*sum\s+(\d+)\s+(\d+)", _output("racount", "-r", file), re.M)
    if not match:
        raise Failed("racount does not say how many packets there are")
    return Told(int(match[2]), int(match[1]))


@contextlib.contextmanager
def scratch(parent):
    """A folder for the output of one run."""
    folder = os.path.join(parent, f"run-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Seconds that a replay may take: ten times what most need on a slow day.
PATIENCE = 240.0


def _run(command, folder, stdin=None):
    log = os.path.join(folder, "log")
    usage = measure.run(command, log, stdin, PATIENCE)
    if usage.wall >= PATIENCE:
        raise TooSlow(f"ended after {PATIENCE:.0f} s, unfinished")
    if usage.status != 0:
        last = _read(log).strip().splitlines()[-3:]
        raise Failed(f"{command[0]} ended with {usage.status}: {' / '.join(last)}")
    return usage


def _log(folder):
    return _read(os.path.join(folder, "log"))


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _processor_time(pid):
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _output(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


def _debian_version(package):
    return _output("dpkg-query", "--show", "--showformat=Debian's ${Version}", package)
