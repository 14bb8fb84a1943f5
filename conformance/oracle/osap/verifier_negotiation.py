"""The second opinion on first messages and on the recorded dialogues. Shares nothing with the maker."""

import json

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

NUMBERS = {"malformed": 3, "bad-point": 16, "rematch": 20, "no-common-type": 21, "suite": 22, "kdf": 23, "later": 24, "ticket": 25}
RUN = {"plain": {1, 2}, "tls": {4}, "mutual": {4, 8}}
BAD_SERIAL = set(b'"#+/\\')


def split_length(raw):
    """Body of one message, or None."""
    length = 0
    for place, octet in enumerate(raw[1:5]):
        length += (octet % 128) << (7 * place)
        if octet < 128:
            body = raw[place + 2:]
            long_enough = place == 0 or octet != 0
            return body if long_enough and len(body) == length <= 256 else None
    return None


def is_point(octets):
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets)
    except ValueError:
        return False
    return octets[0] == 4


def judge(raw, port, connection):
    """(reason or None, (type, extra) of the answer) by sections 2, 3 and 10, as far as octets alone decide."""
    body = split_length(raw) if raw[:1] == b"\x1a" else None
    if body is None:
        return "closed", None
    if len(body) < 2 or not 1 <= body[1] <= 14 or len(body) < 2 + body[1]:
        return "malformed", None
    asked, group = body[0], list(body[2:2 + body[1]])
    if 0 in group or len(group) != len(set(group)) or asked not in group:
        return "malformed", None
    if asked not in port or asked not in RUN[connection]:
        common = sorted(set(port) & set(group))
        return ("rematch", common[-1]) if common else ("no-common-type", max(port))
    return fields(body[2 + body[1]:]), asked


def fields(rest):
    if len(rest) < 5 or rest[:3] != b"\x01\x10\x00" or rest[3] > 1:
        return "malformed"
    count = rest[4]
    serial, tail = rest[5:5 + count], rest[5 + count:]
    if not 1 <= count <= 71 or len(serial) < count or any(c < 0x21 or c > 0x7E or c in BAD_SERIAL for c in serial) or len(tail) < 3:
        return "malformed"
    suite, kind, kdf = tail[:3]
    if kind not in (1, 2, 3, 4) or len(tail) != 3 + 32 + 65 + {3: 32, 4: 16}.get(kind, 0):
        return "malformed"
    if suite != 1:
        return "suite"
    if kdf not in ({1, 2} if kind == 1 else {0}):
        return "kdf"
    return None if is_point(tail[35:100]) else "bad-point"


def negotiation(book, rows):
    for row in rows:
        if row.get("kind") == "first":
            known = {"16": "tls", "1a": "h1", "12": "compat", "70": "compat"}.get(row["octet"])
            book.same("negotiation " + row["name"], known, row.get("taken_as"))
        elif row.get("kind") == "choice":
            choice(book, row)
        else:
            reason, told = judge(bytes.fromhex(row["h1_i"]), row["server_group"], row["connection"])
            book.same("negotiation " + row["name"], reason, row.get("reason"))
            if reason in ("rematch", "no-common-type"):
                group = bytes([len(row["server_group"]), *row["server_group"]])
                body = bytes([told]) + group + b"\1\2\0" + bytes([NUMBERS[reason]])
                book.same("negotiation answer " + row["name"], b"\x2a" + bytes([len(body)]) + body, row["answer"])
            elif reason and reason != "closed":
                answer = bytes.fromhex(row["answer"])
                book.same("negotiation answer " + row["name"], answer[-4:], "011000%02x" % NUMBERS[reason])


def choice(book, row):
    name = "choice " + row["name"]
    if "asked" in row:
        answer = bytes.fromhex(row["answer"])
        told, good = answer[2], answer[-4:] == b"\1\2\0\x14"
        good = good and told in row["group"] and told != row["asked"] and told >= 2 and told >= row["min_type"]
        book.same(name, told if good else None, row["then"])
    elif "ran" in row:
        common = [t for t in row["group"] if t in row["srv_group"] and t > row["ran"]]
        book.same(name, max([row["min_type"], *common]), row["min_type_after"])
    elif "json" in row:
        told = json.loads(bytes.fromhex(row["json"]))
        more = set(told.get("SrvGroup", ())) & set(row["group"]) - {1}
        book.same(name, not more and told.get("DevGroup", row["group"]) == row["group"], row["accept"])
    else:
        book.same(name, row["min_type"] == 1 and not row["seen_h1"] and not row["hold"], row["accept"])


def first_answers(book, rows):
    """H1-I of attacks.json that get H1-II with a result: shape and number."""
    for row in rows:
        if row["side"] == "lbs" and "h1_i" in row and "answer" in row and "h1_iii" not in row:
            extra = {"kdf": 1, "later": 2}.get(row["reason"], 0)
            answer = bytes.fromhex(row["answer"])
            body = b"\2\3\2\4\x08\1\x10\0" + bytes([NUMBERS[row["reason"]]]) + answer[len(answer) - extra:]
            book.same("attacks answer " + row["name"], b"\x2a" + bytes([len(body)]) + body, row["answer"])


def uncbc(key, data):
    context = Cipher(algorithms.AES(key), modes.CBC(b"01234567" + bytes(8))).decryptor()
    plain = context.update(data) + context.finalize()
    return plain[:-plain[-1]]


def transcript(book, rows):
    for row in rows:
        raw, fields_, name = bytes.fromhex(row["bytes"]), row["fields"], "transcript " + row["name"]
        place = 2 if raw[1] < 128 else 3
        body = raw[place:]
        if row["message"] == "publish":
            topic = body[2:2 + int.from_bytes(body[:2], "big")]
            sealed = body[2 + len(topic) + (2 if fields_["qos"] else 0):]
            plain = uncbc(bytes.fromhex(fields_["session_key"]), sealed)
            count = int.from_bytes(plain[:2], "big")
            book.same(name, [topic.decode(), plain[2:2 + count].decode(), plain[2 + count:].decode()],
                      [fields_["topic"], fields_["general"], fields_["application"]])
        elif row["message"] in ("ask", "told"):
            sealed = body[3 if row["message"] == "ask" else 4:]
            book.same(name, uncbc(bytes.fromhex(fields_["session_key"]), sealed).decode(), fields_["json"])
        elif row["message"] == "connect":
            book.same(name, fields_["will_topic"].encode() in body and body[7] == fields_["flags"], True)


def verify(book, files):
    negotiation(book, files["negotiation.json"]["vectors"])
    first_answers(book, files["attacks.json"]["vectors"])
    transcript(book, files["transcript.json"]["vectors"])
