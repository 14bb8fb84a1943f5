"""Deterministic CBOR: a writer of Python values and a strict reader (A-ASSURE-18, G 4).

Reader: definite lengths, shortest heads, no duplicate or unsorted map keys, no
trailing octets, at most eight arrays and maps inside each other, no tags, no
floats; of the simple values only false, true and null. Strings are UTF-8.
"""

from refusal import Refusal, require

NESTING_MAX = 8


class Raw(bytes):
    """Octets that are already CBOR and are written as they stand."""


def head(major, number):
    """Initial octet and argument in shortest form."""
    if number < 24:
        return bytes([major << 5 | number])
    for extra, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * width:
            return bytes([major << 5 | extra]) + number.to_bytes(width, "big")
    raise ValueError("number needs more than 64 bits")


def encode(value):
    """Canonical CBOR of None, bool, int, bytes, str, list/tuple, dict, Raw."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, (bytes, bytearray)):
        return head(2, len(value)) + bytes(value)
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        pairs = sorted(((encode(k), encode(v)) for k, v in value.items()), key=_key_order)
        return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)
    raise TypeError(type(value))


def _key_order(pair):
    """RFC 7049 section 3.9: shorter keys first, then octet by octet."""
    return len(pair[0]), pair[0]


class Item:
    """One decoded item: `kind`, `value` and where it stood in the input."""

    def __init__(self, kind, value, source, start, end):
        self.kind, self.value = kind, value
        self.source, self.start, self.end = source, start, end

    @property
    def raw(self):
        """The octets of this item exactly as received."""
        return self.source[self.start:self.end]

    def plain(self):
        """The value as plain Python."""
        if self.kind == "array":
            return [item.plain() for item in self.value]
        if self.kind == "map":
            return {k.plain(): v.plain() for k, v in self.value}
        return self.value


def decode(data):
    """The one item that `data` holds; refuses anything else."""
    item = _item(data, 0, 0)
    require(item.end == len(data), "cbor-trailing")
    return item


def _item(data, start, depth):
    require(start < len(data), "cbor-truncated")
    major, info = data[start] >> 5, data[start] & 31
    position = start + 1
    if major == 7:
        simple = {20: ("bool", False), 21: ("bool", True), 22: ("null", None)}
        require(info != 31, "cbor-indefinite")
        require(info in simple, "cbor-simple")
        return Item(*simple[info], data, start, position)
    require(info != 31, "cbor-indefinite")
    require(info < 28, "cbor-reserved")
    number = info
    if info >= 24:
        width = 1 << (info - 24)
        require(position + width <= len(data), "cbor-truncated")
        number = int.from_bytes(data[position:position + width], "big")
        require(len(head(0, number)) == 1 + width, "cbor-not-shortest")
        position += width
    if major == 0:
        return Item("uint", number, data, start, position)
    if major == 1:
        return Item("negative", -1 - number, data, start, position)
    if major in (2, 3):
        require(position + number <= len(data), "cbor-truncated")
        content = data[position:position + number]
        if major == 2:
            return Item("bytes", content, data, start, position + number)
        try:
            return Item("text", content.decode(), data, start, position + number)
        except UnicodeDecodeError:
            raise Refusal("cbor-utf8") from None
    require(major != 6, "cbor-tag")
    return _container(data, start, position, number, major, depth + 1)


def _container(data, start, position, number, major, depth):
    require(depth <= NESTING_MAX, "cbor-nesting")
    require(number <= len(data) - position, "cbor-truncated")
    items = []
    for _ in range(number * (major - 3)):
        child = _item(data, position, depth)
        items.append(child)
        position = child.end
    if major == 4:
        return Item("array", items, data, start, position)
    pairs = list(zip(items[::2], items[1::2]))
    keys = [key.raw for key, _ in pairs]
    require(len(set(keys)) == len(keys), "cbor-duplicate-key")
    require(keys == sorted(keys, key=lambda k: (len(k), k)), "cbor-key-order")
    return Item("map", pairs, data, start, position)


def uint(item, code, bits=32):
    """An unsigned integer of at most `bits` bits, else refuses with `code`."""
    require(item.kind == "uint" and item.value < 1 << bits, code)
    return item.value


def octets(item, code, length=None):
    """A byte string, of `length` octets if given."""
    require(item.kind == "bytes", code)
    require(length is None or len(item.value) == length, code)
    return item.value


def array(item, code, length=None):
    """The items of an array, `length` of them if given."""
    require(item.kind == "array", code)
    require(length is None or len(item.value) == length, code)
    return item.value
