#!/usr/bin/env python3
"""What a day of a probe needs beside it: a collector that stores what it gets, and those who compare.

    day.py collect ADDRESS FOLDER             stores each session over TCP as FOLDER/ADDRESS-NUMBER.ipfix
    day.py flood FLOWS SECONDS PAYLOAD        datagrams to the server, each of another flow
    day.py agree METRICS STATUS STATUS        metrics, page and `flowtap status` say the same
    day.py find PROCESS TEXT                  prints how often the text is in the memory of a process
    day.py books LEDGER PACKETS FOLDER        the ledger, and what everybody has got, against PACKETS on the wire

Exit status 1, and what is wrong, if something is not as it should be.
"""

import glob
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time


def check(is_so, what):
    if not is_so:
        sys.exit(f"NOT SO: {what}")


def equal(found, expected, what):
    check(found == expected, f"{what}: {found}, and not {expected}")


def collect(address, folder):
    """Stores every session. Told to end, it reads what has come, and closes in order."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    listener = socket.create_server((address, 4739))
    files, number = {}, 0
    while not told:
        for stream in select.select([listener, *files], [], [], 0.1)[0]:
            if stream is listener:
                session = listener.accept()[0]
                session.setblocking(False)
                # Not one of a collector before this one.
                files[session] = open(f"{folder}/{address}-{os.getpid():06}-{number:03}.ipfix", "xb", 0)
                number += 1
            elif not store(stream, files[stream]):
                stream.close()
                files[stream].close()
                files.pop(stream)
    listener.close()
    for stream, file in files.items():
        store(stream, file)
        # With nothing unread this is a FIN; otherwise it were a reset.
        stream.close()


def store(stream, file):
    """All that has come; whether more may come."""
    try:
        while octets := stream.recv(1 << 16):
            file.write(octets)
        return False
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def flood(flows, seconds, payload):
    flows, seconds = int(flows), float(seconds)
    began = time.monotonic()
    for number in range(flows):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(("192.0.2.10", 10_000 + number))
        sender.sendto(payload.encode(), ("192.0.2.80", 7))
        sender.close()
        time.sleep(max(0, began + number * seconds / flows - time.monotonic()))


def agree(metrics, *statuses):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    told = {}
    for family in text_string_to_metric_families(open(metrics).read()):
        for sample in family.samples:
            told[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    for status in (json.load(open(status)) for status in statuses):
        ledger = status["ledger"]
        expected = {
            ("received_packets", ()): ledger["received_packets"],
            ("received_bytes", ()): ledger["received_octets"],
            ("metered_packets", ()): ledger["metered_packets"],
            ("metered_bytes", ()): ledger["metered_octets"],
            ("exported_packets", ()): ledger["exported_packets"],
            ("exported_bytes", ()): ledger["exported_octets"],
            ("dropped_packets", (("place", "kernel"),)): ledger["kernel_dropped_packets"],
        }
        for count in ledger["ignored_packets"]:
            expected["ignored_packets", (("reason", count["name"]),)] = count["count"]
        for count in ledger["expired"]:
            expected["exported_records", (("reason", count["name"]),)] = count["count"]
        for interface in status["interfaces"]:
            of = (("direction", interface.get("direction") or ""), ("interface", interface["name"]))
            expected["interface_received_packets", of] = interface["packets"]
            expected["interface_received_bytes", of] = interface["octets"]
        for target in status["targets"]:
            of = (("kind", target["kind"]), ("target", target["label"]))
            expected["export_given_records", of] = target["given_flows"]
            expected["export_sent_records", of] = target["sent_flows"]
        for (name, labels), value in expected.items():
            equal(told.get((f"flowtap_{name}_total", labels)), value, f"{name} {dict(labels)}")
        equal(told["flowtap_healthy", ()], status["health"]["healthy"], "health")
        check(ledger["received_packets"] > 50, "there was traffic")


def find(process, text):
    """As often as it is anywhere in what the process has mapped and can read."""
    found = 0
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            if not rights.startswith("r") or "[v" in line:
                continue
            start, end = (int(number, 16) for number in bounds.split("-"))
            memory.seek(start)
            octets = bytearray()
            while len(octets) < end - start:
                try:
                    more = memory.read(min(1 << 22, end - start - len(octets)))
                except OSError:
                    break  # The file is shorter than its mapping.
                if not more:
                    break
                octets += more
            found += octets.count(text.encode())
    print(found)


def read_ipfix(files):
    """Records of flows as ipfixDump (libfixbuf) reads them: a dictionary each."""
    records = []
    for file in files:
        dump = subprocess.run(["ipfixDump", "--data", "--in", file], capture_output=True, text=True)
        equal((dump.returncode, dump.stderr), (0, ""), f"ipfixDump of {file}")
        for text in re.split(r"^--- data record \d+ ---$", dump.stdout, flags=re.M)[1:]:
            fields = re.findall(r"^\t[(\d/) S]+?\s+(\w+) : (.*)$", text, flags=re.M)
            record = dict(fields)
            if "packetDeltaCount" in record:
                records.append(record)
    return records


def sums(records):
    """Records, packets and octets, those of the ways back included."""
    total = [len(records), 0, 0]
    for record in records:
        for place, name in [(1, "packetDeltaCount"), (2, "octetDeltaCount")]:
            total[place] += int(record[name]) + int(record.get("reverse" + name[0].upper() + name[1:], 0))
    return total


def read_nfdump(folder):
    """The same of nfcapd; the way back of a biflow is "out" to it."""
    command = ["nfdump", "-R", folder, "-q", "-N", "-o", "fmt:%ipkt %opkt %ibyt %obyt"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [[int(word) for word in line.split()] for line in text.splitlines() if line.strip()]
    return [len(rows), sum(row[0] + row[1] for row in rows), sum(row[2] + row[3] for row in rows)]


def of(target, what):
    return [target[f"{what}_{unit}"] for unit in ("flows", "packets", "octets")]


def books(path, packets, folder):
    ledger = json.load(open(path))
    received, dropped = ledger["received_packets"], ledger["kernel_dropped_packets"]
    equal(received + dropped, int(packets), "packets received and dropped are those on the wire")
    ignored = sum(ledger["ignored_packets"].values())
    equal(received, ledger["metered_packets"] + ignored + ledger["filtered_packets"], "received")
    for unit in ("packets", "octets"):
        equal(ledger[f"exported_{unit}"], ledger[f"metered_{unit}"], f"{unit} exported")
    equal(sum(ledger["expired"].values()), ledger["exported_flows"], "records by the reason of their end")
    for reason in ("idle_timeout", "active_timeout", "end_of_flow_detected", "lack_of_resources"):
        check(ledger["expired"][reason] > 0, f"flows end by {reason}: {ledger['expired']}")
    check(ledger["cache_nearly_full"] > 0, "that the cache was nearly full is in the ledger")

    exported = [ledger[f"exported_{unit}"] for unit in ("flows", "packets", "octets")]
    targets = {target["target"].split("?")[0]: target for target in ledger["targets"]}
    equal(len(targets), len(ledger["targets"]), "targets")
    morning, evening = (targets[f"tcp://127.0.0.{number}:4739"] for number in (1, 2))
    nfcapd = targets["udp://127.0.0.1:9995"]
    (file,) = (target for name, target in targets.items() if name.startswith("file:"))
    for target in targets.values():
        equal(of(target, "sent"), of(target, "given"), f"sent to {target['target']}")
        equal(of(target, "lost") + of(target, "spooled"), [0] * 6, f"lost, {target['target']}")
    parts = [sum(pair) for pair in zip(of(morning, "given"), of(evening, "given"))]
    equal(parts, exported, "what was given to the collectors of morning and evening is everything")
    equal(of(file, "given"), exported, "and so is what was given to the files")

    sessions = {
        number: [read_ipfix([file]) for file in sorted(glob.glob(f"{folder}/127.0.0.{number}-*.ipfix"))]
        for number in (1, 2)
    }
    stored = {number: sum(records, []) for number, records in sessions.items()}
    for number, target in [(1, morning), (2, evening)]:
        equal(sums(stored[number]), of(target, "sent"), f"records that {target['target']} has")
        names = [(it.get("flowId"), it["flowStartMilliseconds"], it["flowEndMilliseconds"]) for it in stored[number]]
        equal(len(set(names)), len(names), f"records that {target['target']} has once only")
    # One that was only asked whether it is there has an empty file.
    lengths = {number: [len(records) for records in sessions[number] if records] for number in (1, 2)}
    check(len(lengths[1]) == 1 and len(lengths[2]) == evening["sessions"] == 2, f"sessions: {lengths}")
    check(min(lengths[1] + lengths[2]) > 10, f"there are records in each session: {lengths}")
    equal(sums(read_ipfix(sorted(glob.glob(f"{folder}/flows-*.ipfix")))), exported, "records in files")
    # It has a record for each direction.
    equal(read_nfdump(f"{folder}/nfcapd")[1:], of(nfcapd, "sent")[1:], "packets and octets that nfcapd has")
    equal(of(nfcapd, "sent")[1:], exported[1:], "what nfcapd was sent is everything")

    # Client and server, by both protocols. What belongs to nobody has no pseudonym (ff02::2).
    morning, evening = (
        {value for record in stored[number] for name, value in record.items() if name.endswith("Address")}
        for number in (1, 2)
    )
    talkers = {address for address in morning if re.match("192[.]0[.]2[.]|2001:", address)}
    equal(len(talkers), 4, f"addresses as they are in the morning: {talkers}")
    equal(evening & talkers, set(), "addresses as they are in the evening")
    print(f"{packets} packets in {exported[0]} records, and everybody has what is his")


if __name__ == "__main__":
    commands = {"collect": collect, "flood": flood, "agree": agree, "find": find, "books": books}
    commands[sys.argv[1]](*sys.argv[2:])
