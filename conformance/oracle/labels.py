"""Deterministic octets from labels: every "random" value of the vectors comes from here.

A label is a human readable path ("ec/owner-a/key"). The same label always gives
the same octets, so a second run of the oracle writes the same files.
"""

import hashlib
import hmac

_MASTER = b"thingstead assure oracle, format 1"


def octets(label, count):
    """`count` octets: HMAC-SHA256(master, label || 00 || u32 counter) in counter mode."""
    out = b""
    counter = 0
    while len(out) < count:
        message = label.encode() + b"\x00" + counter.to_bytes(4, "big")
        out += hmac.new(_MASTER, message, hashlib.sha256).digest()
        counter += 1
    return out[:count]


def uuid(label):
    """A version 4 UUID as 16 raw octets (RFC 4122 bits set)."""
    raw = bytearray(octets("uuid/" + label, 16))
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    return bytes(raw)


def uuid_text(raw):
    """Lower-case hyphenated text form (A-ASSURE-17)."""
    h = raw.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def scalar(label, order):
    """A number in 1..order-1, with 8 spare octets against bias."""
    width = (order.bit_length() + 7) // 8 + 8
    return int.from_bytes(octets(label, width), "big") % (order - 1) + 1
