"""DER: the few types that SPKI, PKCS#8 and CMS need, written and strictly read."""

from refusal import require


def tlv(tag, content):
    """One element with the shortest definite length."""
    n = len(content)
    if n < 0x80:
        return bytes([tag, n]) + content
    width = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + n.to_bytes(width, "big") + content


def sequence(*parts):
    return tlv(0x30, b"".join(parts))


def set_of(*parts):
    """SET OF with its elements in the order DER asks for."""
    return tlv(0x31, b"".join(sorted(parts)))


def integer(value):
    """A non-negative INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octet_string(content):
    return tlv(0x04, content)


def bit_string(content, unused=0):
    return tlv(0x03, bytes([unused]) + content)


def null():
    return b"\x05\x00"


def oid(dotted):
    arcs = [int(a) for a in dotted.split(".")]
    out = bytes([arcs[0] * 40 + arcs[1]])
    for arc in arcs[2:]:
        groups = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return tlv(0x06, out)


def context(number, content, constructed=True):
    """Context-specific tag: explicit around an element, or implicit in its place."""
    return tlv((0xA0 if constructed else 0x80) | number, content)


class Reader:
    """Walks the elements of one constructed value; refuses with `code` on any deviation."""

    def __init__(self, data, code):
        self.data, self.position, self.code = data, 0, code

    def ended(self):
        return self.position == len(self.data)

    def peek(self):
        """Tag of the next element, or None at the end."""
        return None if self.ended() else self.data[self.position]

    def element(self, tag=None):
        """(tag, content, whole element) of the next element."""
        data, start = self.data, self.position
        require(start + 2 <= len(data), self.code)
        found, first = data[start], data[start + 1]
        require(found & 0x1F != 0x1F and first != 0x80, self.code)
        body = start + 2
        length = first
        if first > 0x80:
            width = first & 0x7F
            require(width <= 4 and body + width <= len(data), self.code)
            length = int.from_bytes(data[body:body + width], "big")
            body += width
            shortest = 0 if length < 0x80 else (length.bit_length() + 7) // 8
            require(shortest == width, self.code)
        end = body + length
        require(end <= len(data), self.code)
        require(tag is None or found == tag, self.code)
        self.position = end
        return found, data[body:end], data[start:end]

    def content(self, tag):
        return self.element(tag)[1]

    def inside(self, tag):
        """A reader of the constructed element that must come next."""
        return Reader(self.content(tag), self.code)

    def integer(self):
        content = self.content(0x02)
        require(len(content) > 0, self.code)
        redundant = len(content) > 1 and content[0] == 0 and content[1] < 0x80
        require(content[0] < 0x80 and not redundant, self.code)
        return int.from_bytes(content, "big")

    def finish(self):
        require(self.ended(), self.code)


def single(data, code):
    """A reader of the SEQUENCE that fills `data` to its last octet."""
    outer = Reader(data, code)
    inner = outer.inside(0x30)
    outer.finish()
    return inner
