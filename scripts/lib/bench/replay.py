#!/usr/bin/env python3
"""From capture file to flow file: ours, its stages, and every other program that is here, in turn.

Called by scripts/bench, which builds what this runs. Prints Markdown; ends with 1 when a sum of
packets is wrong.
"""

import argparse
import os
import sys

import captures
import machine
import measure
import programs
import report

WORKLOADS = ("w1", "w2", "w3", "w4", "w5")
# At a hundredth of the size a cache of the usual bound would not be flooded.
FLOOD_BOUND = 1_000_000


def main():
    options = arguments()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    measure.adopt_orphans()
    bench = Bench(options)
    bench.store.check_room([(name, 1) for name in options.workloads] + bench.more_captures())
    print("## Speed of replays\n")
    print("\n".join(machine.describe([bench.ours, *bench.peers])))
    for peer in bench.absent:
        print(f"- {peer.name}: not here ({peer.package}; scripts/bench --install)")
    runs = "one run" if options.runs == 1 else f"the best of {options.runs} runs"
    print(f"- {runs} of each program, in turn; captures in the page cache\n")
    sys.stdout.flush()
    for name in options.workloads:
        bench.measure(name)
    bench.print_programs()
    bench.print_stages()
    if not options.programs:
        bench.measure_workers()
        bench.measure_flood()
        bench.measure_memory()
        bench.print_figures()
    return bench.verdict()


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--workloads", type=names_of(WORKLOADS), default=list(WORKLOADS))
    known = ("flowtap", *(peer.name for peer in programs.PEERS))
    parser.add_argument("--programs", type=names_of(known))
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.smoke else 3)
    options.scale = 100 if options.smoke else 1
    return options


def names_of(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    return parse


class Bench:
    """All that was run, and what came of it."""

    def __init__(self, options):
        self.options = options
        build = os.environ["FLOWTAP_BUILD"]
        binary, stages = f"{build}/flowtap", f"{build}/examples/stages"
        folder = os.environ["FLOWTAP_WORKLOADS"]
        self.folder = folder
        self.store = captures.Captures(folder, f"{build}/examples/workload", options.scale)
        self.binary = binary
        self.ours = programs.Flowtap(binary)
        self.stages = [
            programs.Stage(stages, "walk", "walk"),
            programs.Stage(stages, "decode", "walk, decode"),
            programs.Stage(stages, "meter", "walk, decode, meter"),
            programs.Flowtap(binary, "flowtap, records dropped", target="null"),
        ]
        wanted = options.programs
        peers = [peer for peer in programs.PEERS if not wanted or peer.name in wanted]
        self.peers = [peer for peer in peers if not peer.missing()]
        self.absent = [peer for peer in peers if peer.missing()]
        # Of each workload, by the name of the program: its runs.
        self.runs = {}
        self.sizes = {}
        self.wrong = []
        self.too_slow = []
        self.figures = []

    def more_captures(self):
        if self.options.programs:
            return []
        return [("w4", 4), ("flows1m", 1), ("flows10m", 1)]

    def measure(self, name):
        capture = self.store.ensure(name)
        self.sizes[name] = capture
        everything = [*self.stages, self.ours, *self.peers]
        self.runs[name] = self.in_turn(capture, everything, self.bound(name))

    def bound(self, name):
        """The default, which the flood reaches; in proportion when it is small."""
        return FLOOD_BOUND // self.options.scale if name == "w4" else None

    def in_turn(self, capture, everything, max_flows=None):
        """Runs of every program, by name, each as often as the others."""
        runs = {}
        everything = list(everything)
        for _ in range(self.options.runs):
            for program in list(everything):
                captures.warm(capture)
                run = self.run(program, capture, max_flows)
                if run:
                    runs.setdefault(program.name, []).append(run)
                else:
                    # It would not do better the next time.
                    everything.remove(program)
        return runs

    def run(self, program, capture, max_flows):
        try:
            with programs.scratch(self.folder) as folder:
                run = program.replay(capture, folder, max_flows)
        except programs.Failed as failure:
            slow = isinstance(failure, programs.TooSlow) and program in self.peers
            text = f"{capture.name}: {program.name}: {failure}"
            (self.too_slow if slow else self.wrong).append(text)
            print(text, file=sys.stderr)
            return None
        usage = run.usage
        print(
            f"{capture.name}: {program.name}: {usage.wall:.2f} s, {usage.cpu:.2f} s CPU",
            file=sys.stderr,
        )
        if run.told.packets != capture.packets:
            text = f"{capture.name}: {program.name}: {run.told.packets} of {capture.packets} packets"
            if program.may_lose and run.told.packets < capture.packets:
                print(f"{text} (it may lose {program.may_lose})", file=sys.stderr)
            else:
                self.wrong.append(text)
        return run

    def best(self, name, program):
        runs = self.runs.get(name, {}).get(program)
        return min(runs, key=lambda run: run.usage.wall) if runs else None

    def rate(self, name, program):
        """Packets a second, those that were lost not counted."""
        best = self.best(name, program)
        return best.told.packets / best.usage.wall if best else None

    def thrift(self, name, program):
        """Packets a second of processor time: what wanders less when the machine is busy."""
        best = self.best(name, program)
        return best.told.packets / best.usage.cpu if best else None

    def print_programs(self):
        print("### From capture to flow file, by program\n")
        table = report.Table(
            "workload",
            "program",
            "M packets/s",
            "× nfpcapd",
            "of walk",
            "CPU s",
            "CPU ns/packet",
            "× nfpcapd, CPU",
            "peak MiB",
            "records",
            "octets a flow",
            "packets told",
        )
        for name, capture in self.sizes.items():
            for program in [self.ours, *self.peers]:
                runs = self.runs[name].get(program.name)
                if runs:
                    table.add(*self.row(name, capture, program, runs))
        table.print()
        for program in self.peers:
            if program.note:
                print(f"- {program.name} {program.note}")
        for text in self.too_slow:
            print(f"- {text}")
        least = measure.least_memory() / 2**20
        print(f"- peak MiB: the resident set, {least:.0f} MiB at least, which is that of the script\n")

    def row(self, name, capture, program, runs):
        best = self.best(name, program.name)
        memory = max(run.usage.memory for run in runs)
        told = best.told
        share = told.packets / capture.packets
        return (
            name.upper(),
            program.name,
            report.millions(self.rate(name, program.name)),
            report.ratio(self.rate(name, program.name), self.rate(name, "nfpcapd")),
            report.percent(self.rate(name, program.name), self.rate(name, "walk")),
            f"{best.usage.cpu:.2f}",
            f"{best.usage.cpu / told.packets * 1e9:.0f}" if told.packets else "",
            report.ratio(self.thrift(name, program.name), self.thrift(name, "nfpcapd")),
            f"{memory / 2**20:.0f}",
            f"{told.records:,}",
            f"{memory / told.peak_flows:.0f}" if told.peak_flows else "",
            "all" if told.packets == capture.packets else f"**{share:.2%}**",
        )

    def print_stages(self):
        print("### Where the time goes: ns a packet, each stage with those before it\n")
        stages = [*self.stages, self.ours]
        table = report.Table("workload", *(stage.name for stage in stages))
        for name, capture in self.sizes.items():
            bests = [self.best(name, stage.name) for stage in stages]
            cells = [f"{b.usage.wall / capture.packets * 1e9:.1f}" if b else "" for b in bests]
            table.add(name.upper(), *cells)
        table.print()

    def measure_workers(self):
        """From memory into nothing: what a second worker adds."""
        for name in ("w1", "w2", "w3"):
            if name not in self.sizes:
                continue
            pair = [
                programs.Flowtap(self.binary, f"{count}", "null", ("--workers", f"{count}"))
                for count in (1, 2)
            ]
            runs = self.in_turn(self.sizes[name], pair)
            if len(runs) == 2:
                one, two = (min(run.usage.wall for run in runs[key]) for key in ("1", "2"))
                self.figures.append(
                    (f"{name.upper()}, two workers against one", f"{one / two:.2f} ×", 1.7, one / two)
                )

    def measure_flood(self):
        """Memory must not grow with the number of flows that have been."""
        if "w4" not in self.sizes:
            return
        part = self.store.ensure("w4", 4)
        whole, few = self.sizes["w4"], self.in_turn(part, [self.ours], self.bound("w4"))
        many = self.runs["w4"].get(self.ours.name)
        if not few or not many:
            return
        few, many = (
            max(run.usage.memory for run in runs) / 2**20 for runs in (few[self.ours.name], many)
        )
        rate = self.rate("w4", self.ours.name) / 1e6
        self.figures.append(("W4, M new flows/s", f"{rate:.2f}", 4, rate))
        self.figures.append(
            (
                f"W4, peak memory after {part.packets:,} and {whole.packets:,} flows",
                f"{few:.0f} and {many:.0f} MiB",
                "flat",
                many <= few * 1.05,
            )
        )

    def measure_memory(self):
        """Everything resident, divided by the flows that are in the cache at once."""
        for name in ("flows1m", "flows10m"):
            capture = self.store.ensure(name)
            captures.warm(capture)
            run = self.run(self.ours, capture, capture.packets // 2)
            if not run or not run.told.peak_flows:
                continue
            each = run.usage.memory / run.told.peak_flows
            self.figures.append(
                (
                    f"memory at {run.told.peak_flows:,} flows",
                    f"{run.usage.memory / 2**20:,.0f} MiB, {each:.0f} octets a flow",
                    "≤ 200",
                    each <= 200,
                )
            )

    def print_figures(self):
        figures = []
        for name, least, times in (("w1", 15, 25), ("w2", 10, 35), ("w3", 6, 20)):
            rate = self.rate(name, self.ours.name)
            if not rate:
                continue
            wire = self.sizes[name].octets / self.sizes[name].packets - 16
            told = f"{rate / 1e6:.2f}"
            if name == "w3":
                told += f" ({rate * wire * 8 / 1e9:.1f} Gbit/s)"
            figures.append((f"{name.upper()}, M packets/s", told, least, rate / 1e6))
            peer = self.rate(name, "nfpcapd")
            if peer:
                figures.append((f"{name.upper()}, × nfpcapd", f"{rate / peer:.1f}", times, rate / peer))
        with_tunnels, without = (self.rate(name, self.ours.name) for name in ("w5", "w3"))
        if with_tunnels and without:
            share = with_tunnels / without
            figures.append(("W5 against W3", f"{share:.0%}", "≥ 60 %", share >= 0.6))
        print("### Against the figures to reach\n")
        if self.options.smoke:
            print("At a hundredth of the size these only show that they can be measured.\n")
        table = report.Table("figure", "measured", "to reach", "")
        for what, measured, least, value in figures + self.figures:
            reached = value if isinstance(value, bool) else value >= least
            wanted = least if isinstance(least, str) else f"≥ {least}"
            verdict = "reached" if reached else "missed"
            table.add(what, measured, wanted, "" if self.options.smoke else verdict)
        table.print()

    def verdict(self):
        if self.wrong:
            print("**Wrong:**\n")
            print("\n".join(f"- {line}" for line in self.wrong))
            return 1
        print("The sums of packets agree, but where a share is printed instead.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
