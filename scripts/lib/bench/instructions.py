#!/usr/bin/env python3
"""Instructions a packet, counted by callgrind: the same on a busy machine as on a quiet one.

Called by scripts/bench instructions. Two sizes of each capture are run and the difference is divided
by the packets that one has more, so that what a start costs does not count. Compares with
benches/instructions.txt; more than a twentieth above is a failure.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

import captures
import report

RECORD = "benches/instructions.txt"
MARGIN = 1.05
WORKLOADS = ("w1", "w3")
# Enough for the flows of W3 to have their lives.
SIZES = (100_000, 300_000)
FUNCTIONS = 12


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench instructions")
    parser.add_argument("--accept", action="store_true")
    options = parser.parse_args()
    build = os.environ["FLOWTAP_BUILD"]
    store = captures.Captures(os.environ["FLOWTAP_WORKLOADS"], f"{build}/examples/workload", 1)
    counted, functions = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in WORKLOADS:
            samples = [store.ensure(name, captures.PACKETS[name] // size) for size in SIZES]
            for stage, command in stages(build, folder).items():
                print(f"{name}: {stage}", file=sys.stderr)
                few, many = (count(command, sample.path, folder) for sample in samples)
                packets = samples[1].packets - samples[0].packets
                each = {
                    function: (many.get(function, 0) - few.get(function, 0)) / packets
                    for function in many
                }
                counted[name, stage] = sum(each.values())
                functions[name] = each
    compiler = first_line("rustc", "--version")
    recorded_by, recorded = read_record()
    print(f"## Instructions a packet\n\n- counted by {first_line('valgrind', '--version')}")
    print(f"- built by {compiler}\n")
    worse = print_stages(counted, recorded)
    for name in WORKLOADS:
        print_functions(name, functions[name])
    if options.accept:
        write_record(compiler, counted)
        print(f"These are on record now: {RECORD}.")
        return 0
    if recorded_by != compiler:
        print(f"Not compared: {RECORD} was counted with {recorded_by or 'nothing'}.")
        return 0
    if worse:
        print(f"**More than {MARGIN - 1:.0%} above the record:** {', '.join(worse)}.")
        print("If that is what it costs: scripts/bench instructions --accept.")
        return 1
    print("Within the record.")
    return 0


def stages(build, folder):
    """Commands that take a capture as their last argument; the last one is the whole program."""
    stage = [f"{build}/examples/stages"]
    replay = [f"{build}/flowtap", "replay", "--quiet", "--export"]
    return {
        "walk": [*stage, "walk"],
        "walk+decode": [*stage, "decode"],
        "walk+decode+meter": [*stage, "meter"],
        "replay, records dropped": [*replay, "null:"],
        "replay into a file": [*replay, f"file:{folder}/flows.ipfix"],
    }


def count(command, capture, folder):
    """Instructions of a run by function, without what they call."""
    output = os.path.join(folder, "callgrind.out")
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", *command, capture],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{command[0]} under callgrind ended with {done.returncode}:\n{done.stderr}")
    return read_costs(output)


def read_costs(path):
    """The self costs in a profile, by function (callgrind's format, version 1)."""
    names, costs, function, skip = {}, {}, None, False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("fn="):
                number, _, name = line[3:].strip().partition(" ")
                if name:
                    names[number] = name
                function = names.get(number, number)
            elif line.startswith("cfn="):
                number, _, name = line[4:].strip().partition(" ")
                if name:
                    names[number] = name
            elif line.startswith("calls="):
                # The next line is what the call cost: the cost of others.
                skip = True
            elif line[0].isdigit() or line[0] in "+-*":
                if skip:
                    skip = False
                elif function:
                    costs[function] = costs.get(function, 0) + int(line.split()[-1])
    return costs


def print_stages(counted, recorded):
    print("Each stage with those before it:\n")
    worse = []
    table = report.Table("workload", "stage", "instructions a packet", "on record", "change")
    for (name, stage), each in counted.items():
        before = recorded.get((name, stage))
        change = f"{each / before - 1:+.1%}" if before else ""
        if before and each > before * MARGIN:
            worse.append(f"{name} {stage}")
            change = f"**{change}**"
        table.add(name.upper(), stage, f"{each:.1f}", f"{before:.1f}" if before else "", change)
    table.print()
    return worse


def print_functions(name, each):
    print(f"{name.upper()}, replay into a file, by function (with what was inlined into it):\n")
    table = report.Table("instructions a packet", "function")
    for function, cost in sorted(each.items(), key=lambda entry: -entry[1])[:FUNCTIONS]:
        table.add(f"{cost:.1f}", f"`{shortened(function)}`")
    table.print()


def shortened(function):
    """Without hash, type parameters' paths, and the like."""
    function = re.sub(r"::h[0-9a-f]{16}$", "", re.sub(r"'\d+$", "", function))
    return function if len(function) <= 90 else function[:87] + "..."


def read_record():
    compiler, recorded = None, {}
    try:
        with open(RECORD, encoding="utf-8") as file:
            for line in file:
                if line.startswith("# rustc"):
                    compiler = line[2:].strip()
                elif not line.startswith("#"):
                    name, stage, each = line.rstrip("\n").split("\t")
                    recorded[name, stage] = float(each)
    except FileNotFoundError:
        pass
    return compiler, recorded


def write_record(compiler, counted):
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write("# Instructions a packet: workload, stage with those before it, count.\n")
        file.write("# Written by scripts/bench instructions --accept; true for one compiler only.\n")
        file.write(f"# {compiler}\n")
        for (name, stage), each in counted.items():
            file.write(f"{name}\t{stage}\t{each:.1f}\n")


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0]
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not installed: scripts/bench instructions --install")


if __name__ == "__main__":
    sys.exit(main())
