"""The payload of an image: the shared-secret envelope of 15.5.3 and the messages of 15.5.4."""

import cbor
import symmetric
from refusal import require

ROUNDS_MAX = 100000
MESSAGES_MAX = 256
CBOR_FORMAT = 60
PUT = 3


def seal(secret, plaintext, suite, key, salt, iv, rounds=1000):
    """The 7-item ARRAY; `key` is the content key, hidden under PBKDF2(secret)."""
    encrypted = symmetric.xor(symmetric.pbkdf2(secret, salt, rounds, len(key)), key)
    data, tag = symmetric.seal(suite, key, iv, plaintext)
    return cbor.encode([salt, rounds, encrypted, suite, iv, tag, data])


def unseal(secret, data):
    """The plaintext of a 15.5.3 ARRAY."""
    code = "payload-structure"
    parts = cbor.array(cbor.decode(data), code, 7)
    salt = cbor.octets(parts[0], code)
    rounds = cbor.uint(parts[1], code)
    encrypted = cbor.octets(parts[2], code)
    suite = cbor.uint(parts[3], code)
    iv, tag, sealed = (cbor.octets(part, code) for part in parts[4:])
    require(suite in symmetric.SUITES, "cipher-suite")
    _, key_size, iv_size, tag_size = symmetric.SUITES[suite]
    require(len(salt) == 16, "salt-length")
    require(len(encrypted) == key_size, "encrypted-secret-length")
    require(rounds >= 1, "rounds-zero")
    require(rounds <= ROUNDS_MAX, "rounds-too-many")
    require(len(iv) == iv_size, "iv-length")
    require(len(tag) == tag_size, "tag-length")
    key = symmetric.xor(symmetric.pbkdf2(secret, salt, rounds, key_size), encrypted)
    return symmetric.unseal(suite, key, iv, sealed, tag)


def _option(delta, value):
    """One CoAP option (RFC 7252 section 3.1)."""
    def nibble(number):
        if number < 13:
            return number, b""
        if number < 269:
            return 13, bytes([number - 13])
        return 14, (number - 269).to_bytes(2, "big")
    high, more_delta = nibble(delta)
    low, more_length = nibble(len(value))
    return bytes([high << 4 | low]) + more_delta + more_length + value


def message(index, path, content, code=PUT, kind=1, token=b"", message_id=None):
    """A stored CoAP message (A-ASSURE-98); `kind` 1 is NON."""
    number = index if message_id is None else message_id
    out = bytes([0x40 | kind << 4 | len(token), code]) + number.to_bytes(2, "big") + token
    last = 0
    for segment in path.strip("/").split("/"):
        out += _option(11 - last, segment.encode())
        last = 11
    if content is None:
        return out
    return out + _option(12 - last, bytes([CBOR_FORMAT])) + b"\xff" + content


def encode(messages):
    return cbor.encode(list(messages))


def decode(data):
    """The messages as {code, path, content_format, body}."""
    items = cbor.array(cbor.decode(data), "payload-messages")
    require(len(items) <= MESSAGES_MAX, "too-many-messages")
    return [read_message(cbor.octets(item, "payload-messages")) for item in items]


def read_message(data):
    """One stored message; type, token and message id do not count."""
    code = "coap-message"
    require(len(data) >= 4 and data[0] >> 6 == 1 and data[0] & 15 <= 8, code)
    require(1 <= data[1] <= 4, "coap-code")
    position, number = 4 + (data[0] & 15), 0
    require(position <= len(data), code)
    path, content_format, body = [], None, b""
    while position < len(data):
        if data[position] == 0xFF:
            body = data[position + 1:]
            require(body, code)
            break
        high, low = data[position] >> 4, data[position] & 15
        delta, position = _extended(data, position + 1, high)
        length, position = _extended(data, position, low)
        require(position + length <= len(data), code)
        number += delta
        value = data[position:position + length]
        position += length
        if number == 11:
            path.append(value.decode())
        elif number == 12:
            content_format = int.from_bytes(value, "big")
        else:
            require(number in (3, 7, 15), code)
    return {"code": data[1], "path": "/" + "/".join(path),
            "content_format": content_format, "body": body.hex()}


def _extended(data, position, nibble):
    require(nibble != 15, "coap-message")
    if nibble < 13:
        return nibble, position
    width, base = (1, 13) if nibble == 13 else (2, 269)
    require(position + width <= len(data), "coap-message")
    return int.from_bytes(data[position:position + width], "big") + base, position + width
