#!/usr/bin/env python3
"""A small VLAN switch over AF_PACKET sockets, for kernels without 802.1Q devices.

    trunk.py TRUNK PORT[=TPID:VID[,TPID:VID]]...

Frames from a PORT leave on TRUNK with the tags of the port in front, outermost first; frames from
TRUNK with exactly those tags leave on the port without them. A PORT without tags is untagged.
"""

import select
import socket
import struct
import sys

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 1 << 4
AUXDATA = struct.Struct("=IIIHHHH")
VLAN_ETHERTYPES = (0x8100, 0x88A8)


def open_port(name):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    port.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    port.bind((name, 0))
    return port


def receive(port):
    """One frame as it was on the wire: the outer tag, which the kernel strips, is put back."""
    frame, ancillary, _, _ = port.recvmsg(65536, socket.CMSG_SPACE(AUXDATA.size))
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(data)
            if status & TP_STATUS_VLAN_VALID:
                frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


def split_tags(frame):
    """The tags of a frame, outermost first, and the frame without them."""
    tags, rest = [], frame[12:]
    while len(rest) >= 4 and int.from_bytes(rest[:2], "big") in VLAN_ETHERTYPES:
        tpid, tci = struct.unpack("!HH", rest[:4])
        tags.append((tpid, tci & 0x0FFF))
        rest = rest[4:]
    return tuple(tags), frame[:12] + rest


def main(arguments):
    trunk = open_port(arguments[0])
    tags_of, port_of = {}, {}
    for argument in arguments[1:]:
        name, _, stack = argument.partition("=")
        tags = tuple(
            (int(tpid, 0), int(vid)) for tpid, vid in (tag.split(":") for tag in stack.split(",") if tag)
        )
        port = open_port(name)
        tags_of[port], port_of[tags] = tags, port
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([trunk, *tags_of], [], [])
        for source in readable:
            frame = receive(source)
            if source is trunk:
                tags, bare = split_tags(frame)
                if tags in port_of:
                    port_of[tags].send(bare)
            else:
                stack = b"".join(struct.pack("!HH", *tag) for tag in tags_of[source])
                trunk.send(frame[:12] + stack + frame[12:])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"trunk.py: {error}")
