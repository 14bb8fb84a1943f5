"""cbor.json: what a deterministic reader takes and refuses."""

import cbor
import labels
from refusal import outcome
from vectors import file_octets, judged

ABOUT = ("Deterministic CBOR: one item per vector. 'value' is diagnostic notation. "
         "A-ASSURE-18, layouts 2 and G 4, row ASSURE-7.1-01.")

GOOD = [
    ("zero", "00", "0"), ("twenty-three", "17", "23"), ("twenty-four", "1818", "24"),
    ("255", "18ff", "255"), ("256", "190100", "256"), ("65535", "19ffff", "65535"),
    ("65536", "1a00010000", "65536"), ("u32 max", "1affffffff", "4294967295"),
    ("2^32", "1b0000000100000000", "4294967296"),
    ("u64 max", "1bffffffffffffffff", "18446744073709551615"),
    ("minus one", "20", "-1"), ("minus 25", "3818", "-25"),
    ("most negative", "3bffffffffffffffff", "-18446744073709551616"),
    ("empty bytes", "40", "h''"), ("three bytes", "43010203", "h'010203'"),
    ("empty text", "60", '""'), ("two-octet utf-8", "62c3a4", '"\\u00e4"'),
    ("empty array", "80", "[]"), ("array of three", "83010203", "[1, 2, 3]"),
    ("empty map", "a0", "{}"), ("two keys in order", "a200010102", "{0: 1, 1: 2}"),
    ("short keys first", "a21818016101f4", '{24: 1, "\\u0001": false}'),
    ("false", "f4", "false"), ("true", "f5", "true"), ("null", "f6", "null"),
    ("eight arrays deep", "8181818181818180", "[[[[[[[[]]]]]]]]"),
    ("maps and arrays eight deep", "81a10081a10081a10081a0",
     "[{0: [{0: [{0: [{}]}]}]}]"),
]

BAD = [
    ("nothing", "", "cbor-truncated"),
    ("two items", "0000", "cbor-trailing"),
    ("array and one octet", "8000", "cbor-trailing"),
    ("23 in two octets", "1817", "cbor-not-shortest"),
    ("255 in three octets", "1900ff", "cbor-not-shortest"),
    ("65535 in five octets", "1a0000ffff", "cbor-not-shortest"),
    ("u32 max in nine octets", "1b00000000ffffffff", "cbor-not-shortest"),
    ("minus one in two octets", "3800", "cbor-not-shortest"),
    ("bytes length not shortest", "580100", "cbor-not-shortest"),
    ("text length not shortest", "780161", "cbor-not-shortest"),
    ("array length not shortest", "980100", "cbor-not-shortest"),
    ("map length not shortest", "b8010000", "cbor-not-shortest"),
    ("indefinite bytes", "5f4100ff", "cbor-indefinite"),
    ("indefinite text", "7f6161ff", "cbor-indefinite"),
    ("indefinite array", "9f00ff", "cbor-indefinite"),
    ("indefinite map", "bf0000ff", "cbor-indefinite"),
    ("break alone", "ff", "cbor-indefinite"),
    ("indefinite inside", "819fff", "cbor-indefinite"),
    ("reserved 28", "1c", "cbor-reserved"), ("reserved 29", "5d", "cbor-reserved"),
    ("reserved 30", "9e", "cbor-reserved"),
    ("integer cut", "19ff", "cbor-truncated"), ("bytes cut", "4201", "cbor-truncated"),
    ("text cut", "6261", "cbor-truncated"), ("array cut", "820000"[:4], "cbor-truncated"),
    ("map without value", "a100", "cbor-truncated"),
    ("length of 4 GiB in five octets", "5affffffff", "cbor-truncated"),
    ("array of 2^32-1 items in six octets", "9affffffff00", "cbor-truncated"),
    ("map of 2^63 pairs", "bb800000000000000000", "cbor-truncated"),
    ("duplicate integer key", "a200000001", "cbor-duplicate-key"),
    ("duplicate bytes key", "a2410000410001", "cbor-duplicate-key"),
    ("duplicate key not adjacent", "a3000001000000", "cbor-duplicate-key"),
    ("nine arrays deep", "818181818181818180", "cbor-nesting"),
    ("nine maps deep", "a100" * 8 + "a0", "cbor-nesting"),
    ("ten thousand arrays deep", "81" * 10000 + "80", "cbor-nesting"),
    ("tag", "c100", "cbor-tag"), ("self-described tag", "d9d9f700", "cbor-tag"),
    ("half float", "f93c00", "cbor-simple"), ("single float", "fa3f800000", "cbor-simple"),
    ("double float", "fb3ff0000000000000", "cbor-simple"),
    ("undefined", "f7", "cbor-simple"), ("simple 0", "e0", "cbor-simple"),
    ("simple 32", "f820", "cbor-simple"), ("false in two octets", "f814", "cbor-simple"),
    ("text not utf-8", "61ff", "cbor-utf8"), ("utf-8 surrogate", "63eda080", "cbor-utf8"),
    ("utf-8 overlong", "62c080", "cbor-utf8"),
]

KEY_ORDER = [("keys not in order", "a201000000"), ("long key first", "a21818000000")]


def build():
    entries = [judged(name, None, outcome(cbor.decode, bytes.fromhex(data)), bytes=data, value=value)
               for name, data, value in GOOD]
    entries += [judged(name, reason, outcome(cbor.decode, bytes.fromhex(data)), bytes=data)
                for name, data, reason in BAD]
    entries += [judged(name, "cbor-key-order", outcome(cbor.decode, bytes.fromhex(data)),
                       bytes=data, reading="R-02")
                for name, data in KEY_ORDER]
    entries += _fields()
    return {"cbor.json": file_octets(ABOUT, entries)}


def _fields():
    """Integers and byte strings as the fields of the structures read them."""
    def u32(data):
        return cbor.uint(cbor.decode(data), "timestamp")

    def key_id(data):
        return cbor.octets(cbor.decode(data), "key-id", 16)

    rows = []
    for name, value, good in (("u32 0", 0, True), ("u32 max", 2**32 - 1, True),
                              ("u32 2^32", 2**32, False), ("u32 minus one", -1, False)):
        data = cbor.encode(value)
        rows.append(judged("field " + name, None if good else "timestamp", outcome(u32, data),
                           bytes=data, field="u32"))
    for size in (0, 15, 16, 17):
        data = cbor.encode(labels.octets("cbor/id", size))
        rows.append(judged("field id of %d octets" % size, None if size == 16 else "key-id",
                           outcome(key_id, data), bytes=data, field="id16"))
    text = cbor.encode("x" * 16)
    rows.append(judged("field id as text", "key-id", outcome(key_id, text), bytes=text, field="id16"))
    return rows
