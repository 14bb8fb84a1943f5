"""Shape of a vector and of a file; every byte string is lower-case hex."""

import json

FORMAT = 1


def plain(value):
    """JSON form: bytes become hex, tuples lists."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def accepted(name, **fields):
    return {"name": name, "accept": True, **fields}


def refused(name, reason, **fields):
    return {"name": name, "accept": False, "reason": reason, **fields}


def judged(name, expected, result, **fields):
    """A vector whose verdict the oracle's own reader confirms.

    `expected` is None for accept or a reason code; `result` is (accepted, value).
    """
    good, value = result
    found = None if good else value
    assert found == expected, "%s: expected %s, the reader says %s" % (name, expected, found)
    return accepted(name, **fields) if good else refused(name, expected, **fields)


def file_octets(about, entries, **extra):
    """The octets of one vector file."""
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
    document = {"format": FORMAT, "about": about, **plain(extra), "vectors": plain(entries)}
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()
