"""payload.json: the shared-secret envelope in all nine suites, and the stored CoAP messages."""

import cbor
import labels
import payload
import symmetric
import worlds
from refusal import outcome
from vectors import accepted, file_octets, judged

ABOUT = ("'kind' sealed: the 7-item ARRAY of 15.5.3 under 'secret'; messages: the payload of 15.5.4; message: one "
         "stored CoAP message; body: CBOR bodies that the messages carry. Layouts 2.8, 2.9; A-ASSURE-95, -98; G 18.")
SECRET = labels.octets("payload/secret", 32)
PLAIN = payload.encode([payload.message(0, "/v1/channels/1", worlds.channel_definition(
    labels.uuid("payload/device"), labels.uuid("payload/ms")))])


def build():
    return {"payload.json": file_octets(ABOUT, _suites() + _sealed_bad() + _messages() + _single() + _bodies())}


def _parts(suite, label=""):
    path = "payload/%d%s" % (suite, label)
    _, key_size, iv_size, _ = symmetric.SUITES[suite]
    return (labels.octets(path + "/cek", key_size), labels.octets(path + "/salt", 16),
            labels.octets(path + "/iv", iv_size))


def _sealed(name, data, expected=None, **fields):
    good, value = outcome(payload.unseal, SECRET, data)
    if good:
        fields["plaintext"] = value
    return judged(name, expected, (good, value), kind="sealed", secret=SECRET, bytes=data, **fields)


def _suites():
    rows = []
    for suite, (mode, key_size, _, _) in symmetric.SUITES.items():
        key, salt, iv = _parts(suite)
        data = payload.seal(SECRET, PLAIN, suite, key, salt, iv)
        rows.append(_sealed("suite %d: AES-%d %s" % (suite, key_size * 8, mode.upper()), data, suite=suite,
                            rounds=1000, content_key=key, salt=salt, iv=iv))
        data = payload.seal(SECRET, b"", suite, key, salt, iv)
        rows.append(_sealed("suite %d, empty plaintext" % suite, data, suite=suite, rounds=1000,
                            content_key=key, salt=salt, iv=iv))
    for rounds in (1, 100000):
        key, salt, iv = _parts(3)
        data = payload.seal(SECRET, PLAIN, 3, key, salt, iv, rounds)
        rows.append(_sealed("%d rounds" % rounds, data, suite=3, rounds=rounds, content_key=key, salt=salt, iv=iv))
    return rows


def _sealed_bad():
    rows = []

    def fields(suite, label=""):
        key, salt, iv = _parts(suite, label)
        return cbor.decode(payload.seal(SECRET, PLAIN, suite, key, salt, iv)).plain()

    def change(suite, place, value):
        items = fields(suite)
        items[place] = value
        return cbor.encode(items)

    good = fields(3)
    rows += [_sealed("3: " + name, data, reason) for name, data, reason in (
        ("salt of 15 octets", change(3, 0, good[0][:15]), "salt-length"),
        ("salt of 17 octets", change(3, 0, good[0] + b"\x00"), "salt-length"),
        ("salt empty", change(3, 0, b""), "salt-length"),
        ("no rounds", change(3, 1, 0), "rounds-zero"), ("100001 rounds", change(3, 1, 100001), "rounds-too-many"),
        ("another count of rounds", change(3, 1, 1001), "payload-decryption"),
        ("negative rounds", change(3, 1, -1), "payload-structure"),
        ("encrypted secret of 15 octets", change(3, 2, good[2][:15]), "encrypted-secret-length"),
        ("encrypted secret of 17 octets", change(3, 2, good[2] + b"\x00"), "encrypted-secret-length"),
        ("encrypted secret of 32 octets", change(3, 2, good[2] * 2), "encrypted-secret-length"),
        ("suite 9", change(3, 3, 9), "cipher-suite"), ("suite 6 instead", change(3, 3, 6), "iv-length"),
        ("nonce of 12 octets", change(3, 4, good[4][:12]), "iv-length"),
        ("nonce flipped", change(3, 4, _flip(good[4])), "payload-decryption"),
        ("tag of 8 octets", change(3, 5, good[5][:8]), "tag-length"),
        ("tag empty", change(3, 5, b""), "tag-length"),
        ("tag flipped", change(3, 5, _flip(good[5])), "payload-decryption"),
        ("data flipped", change(3, 6, _flip(good[6])), "payload-decryption"),
        ("data cut", change(3, 6, good[6][:-1]), "payload-decryption"),
        ("six items", cbor.encode(good[:6]), "payload-structure"),
        ("eight items", cbor.encode(good + [b""]), "payload-structure"),
        ("iv and tag swapped", cbor.encode(good[:4] + [good[5], good[4], good[6]]), "iv-length"),
        ("data as text", change(3, 6, "text"), "payload-structure"),
        ("trailing octet", cbor.encode(good) + b"\x00", "cbor-trailing"))]
    for suite in (1, 2, 4, 5, 6, 7, 8):
        items = fields(suite)
        for off in (-1, 1):
            cut = items[2][:-1] if off < 0 else items[2] + b"\x00"
            rows.append(_sealed("%d: encrypted secret of %d octets" % (suite, len(cut)), change(suite, 2, cut),
                                "encrypted-secret-length"))
    for suite in (6, 7, 8):
        items = fields(suite)
        rows.append(_sealed("%d: tag flipped" % suite, change(suite, 5, _flip(items[5])), "payload-decryption"))
        rows.append(_sealed("%d: IV of 13 octets" % suite, change(suite, 4, items[4] + b"\x00"), "iv-length"))
    for suite in (0, 1, 2):
        items = fields(suite)
        key, salt, iv = _parts(suite)
        rows.append(_sealed("%d: CBC with a tag" % suite, change(suite, 5, b"\x00" * 16), "tag-length"))
        rows.append(_sealed("%d: IV of 12 octets" % suite, change(suite, 4, items[4][:12]), "iv-length"))
        rows.append(_sealed("%d: no whole block" % suite, change(suite, 6, items[6][:-1]), "payload-decryption"))
        rows.append(_sealed("%d: empty data" % suite, change(suite, 6, b""), "payload-decryption"))
        for name, last in (("padding octet 0", b"\x00" * 16), ("padding octet 17", b"\x11" * 16),
                           ("padding octets unlike", b"\x01" * 14 + b"\x02\x03")):
            bad = symmetric.cbc_encrypt(key, iv, b"\x80" * 16 + last)
            rows.append(_sealed("%d: %s" % (suite, name), change(suite, 6, bad), "payload-decryption"))
    return rows


def _flip(octets):
    return octets[:-1] + bytes([octets[-1] ^ 1])


def _many(count):
    return payload.encode([payload.message(i, "/v1/app/n", cbor.encode(i)) for i in range(count)])


def _messages():
    rows = []
    a = payload.message(0, "/v1/keys/" + labels.uuid_text(labels.uuid("payload/c")), cbor.encode([0]))
    for name, data, reason in (
            ("none", b"\x80", None), ("one", PLAIN, None), ("three", _many(3), None), ("256", _many(256), None),
            ("257", _many(257), "too-many-messages"), ("key and channel", payload.encode([a, a]), None),
            ("no ARRAY", cbor.encode(a), "payload-messages"), ("MAP", b"\xa0", "payload-messages"),
            ("an item as text", cbor.encode([a, "x"]), "payload-messages"),
            ("nested ARRAY", cbor.encode([[a]]), "payload-messages"),
            ("empty item", cbor.encode([b""]), "coap-message"), ("trailing octet", PLAIN + b"\x00", "cbor-trailing"),
            ("empty", b"", "cbor-truncated")):
        good, value = outcome(payload.decode, data)
        fields = {"messages": value} if good and len(value) < 10 else {"count": len(value)} if good else {}
        rows.append(judged("messages: " + name, reason, (good, value), kind="messages", bytes=data, **fields))
    return rows


def _single():
    """Only code, Uri options and payload count."""
    body = cbor.encode(True)
    usual = payload.message(7, "/v1/walled-garden", body)
    cases = [
        ("PUT", usual, None), ("CON instead of NON", payload.message(7, "/v1/walled-garden", body, kind=0), None),
        ("with a token", payload.message(7, "/v1/walled-garden", body, token=b"\x01\x02"), None),
        ("another message id", payload.message(7, "/v1/walled-garden", body, message_id=0xFFFF), None),
        ("GET", payload.message(0, "/v1/info", None, code=1), None),
        ("POST", payload.message(0, "/v1/channels", body, code=2), None),
        ("DELETE", payload.message(0, "/v1/channels/3", None, code=4), None),
        ("segment of 12 octets", payload.message(0, "/v1/" + "a" * 12, body), None),
        ("segment of 13 octets", payload.message(0, "/v1/" + "a" * 13, body), None),
        ("segment of 255 octets", payload.message(0, "/v1/" + "a" * 255, body), None),
        ("message id 258", payload.message(258, "/v1/walled-garden", body), None),
        ("code empty", payload.message(0, "/v1/x", body, code=0), "coap-code"),
        ("response code 2.04", payload.message(0, "/v1/x", body, code=0x44), "coap-code"),
        ("code 0.05", payload.message(0, "/v1/x", body, code=5), "coap-code"),
        ("version 0", b"\x10" + usual[1:], "coap-message"), ("version 2", b"\x90" + usual[1:], "coap-message"),
        ("token length 9", b"\x59" + usual[1:], "coap-message"),
        ("three octets", usual[:3], "coap-message"),
        ("token cut", b"\x58" + usual[1:6], "coap-message"),
        ("option cut", usual[:6], "coap-message"), ("option delta 15", usual[:4] + b"\xf1\x00", "coap-message"),
        ("option length 15", usual[:4] + b"\xbf\x00", "coap-message"),
        ("payload marker and nothing", usual[:-1], "coap-message")]
    rows = []
    for name, data, reason in cases:
        good, value = outcome(payload.read_message, data)
        fields = {"message": value} if good else {}
        rows.append(judged("message: " + name, reason, (good, value), kind="message", bytes=data, **fields))
    return rows


def _bodies():
    """Exact bodies of the first messages (layouts 2.8)."""
    world, public = worlds.SharedWorld("ss"), worlds.ec_world()
    secret, key = world.channel_secret(world.owner_a)
    rows = [accepted("body: keys PUT of the channel secret c", kind="body", bytes=key, key_id=secret.key_id,
                     secret=secret.secret, reference=world.owner_a.party.key_id)]
    for name, local, peer in (("shared secret", secret.key_id, b""),
                              ("public key", public.uuid, public.owner_a.party.key_id)):
        rows.append(accepted("body: channels/1, " + name, kind="body",
                             bytes=worlds.channel_definition(local, peer), local_key_id=local, peer_key_id=peer,
                             address=worlds.ADDRESS, port=worlds.PORT))
    for name, messages in (("shared secret", world.messages(world.owner_a)),
                           ("public key", public.messages(public.owner_a))):
        data = payload.encode(messages)
        rows.append(accepted("first payload, " + name, kind="messages", bytes=data, messages=payload.decode(data)))
    return rows
