"""The captures that are replayed: made once, kept, and made again when their generator changes."""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import measure

# Octets of one packet in the file, on average; what there has to be room for.
OCTETS = {"w1": 112, "w2": 112, "w3": 385, "w4": 112, "w5": 432, "flows1m": 112, "flows10m": 112}
PACKETS = {
    "w1": 10_000_000,
    "w2": 10_000_000,
    "w3": 5_000_000,
    "w4": 10_000_000,
    "w5": 5_000_000,
    "flows1m": 2_000_000,
    "flows10m": 20_000_000,
}
# Beside the captures: the flows that the largest of them gives.
ROOM_FOR_OUTPUT = 4 << 30


@dataclass
class Capture:
    name: str
    packets: int
    path: str

    @property
    def octets(self):
        return os.path.getsize(self.path)


class Captures:
    """A folder of them, and the program that writes them."""

    def __init__(self, folder, generator, scale):
        self.folder, self.generator, self.scale = folder, generator, scale
        os.makedirs(folder, exist_ok=True)

    def packets(self, name, share=1):
        return PACKETS[name] // self.scale // share

    def ensure(self, name, share=1):
        """A capture, or so small a share of it."""
        packets = self.packets(name, share)
        path = os.path.join(self.folder, f"{name}-{packets}.pcap")
        mark = path + ".made-by"
        if _read(mark) != _generation():
            print(f"making {path}", file=sys.stderr)
            if os.path.exists(mark):
                os.remove(mark)
            subprocess.run([self.generator, name, path, "--packets", str(packets)], check=True)
            with open(mark, "w", encoding="utf-8") as file:
                file.write(_generation())
        return Capture(name, packets, path)

    def check_room(self, wanted):
        """Ends the program when the disk has no room for these, given as (name, share)."""
        missing = sum(
            self.packets(name, share) * OCTETS[name]
            for name, share in wanted
            if not os.path.exists(
                os.path.join(self.folder, f"{name}-{self.packets(name, share)}.pcap")
            )
        )
        needed = missing + ROOM_FOR_OUTPUT // self.scale
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            sys.exit(
                f"{self.folder} needs {needed / 1e9:.1f} GB and has {free / 1e9:.1f} GB: "
                "name another folder in FLOWTAP_WORKLOADS, or take --smoke"
            )


def warm(capture):
    """A run from the disk would measure the disk."""
    if not measure.cache(capture.path):
        sys.exit(f"{capture.path} does not stay in the page cache: not enough free memory")


def _generation():
    """A name for what the generator writes: that of its source."""
    digest = hashlib.sha256()
    for path in sorted(glob.glob("benches/workload/*.rs")):
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None
