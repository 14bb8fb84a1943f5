"""The Das: ticket, CONNECT password, the table of connections. docs/osap-secure.md section 12."""

from refusal import Refusal, require

from . import envelope
from .words import expand, extract, good_serial, mac, seal, text, unseal, untext

# name of a check: (CONNACK of MQTT 3.1.1, reason code of MQTT 5.0)
CONNACK = {"password": (4, 0x86), "session": (11, 0x9C), "not-authorized": (5, 0x87)}


def is_devid(client_id):
    return len(client_id) == 32 and all(c in b"0123456789abcdef" for c in client_id)


def ticket_plaintext(devid, serial, protocol, das_secret, epoch, issued, expiry, server_id):
    return (devid + bytes([len(serial)]) + serial + bytes([protocol]) + das_secret + epoch.to_bytes(4, "big")
            + issued.to_bytes(8, "big") + expiry.to_bytes(8, "big") + bytes([len(server_id)]) + server_id)


def _ticket_keys(ticket_key, salt, server_id):
    both = expand(extract(salt, ticket_key), b"osap-h1 das ticket\x00" + server_id, 44)
    return both[:32], both[32:]


def seal_ticket(key_id, ticket_key, salt, plaintext, server_id):
    """Octets before base64url."""
    head = b"\x01" + key_id + salt
    key, nonce = _ticket_keys(ticket_key, salt, server_id)
    return head + seal(key, nonce, plaintext, head)


def open_ticket(octets, ticket_keys, server_id):
    """The fields, or `session`. `ticket_keys` by key id."""
    require(len(octets) > 41 and octets[0] == 1, "session")
    head = octets[:25]
    require(head[1:9] in ticket_keys, "session")
    key, nonce = _ticket_keys(ticket_keys[head[1:9]], head[9:], server_id)
    plain = unseal(key, nonce, octets[25:], head, "session")
    return read_ticket(plain, server_id)


def read_ticket(plain, server_id):
    fields, place = {}, 0

    def take(count):
        nonlocal place
        require(place + count <= len(plain), "session")
        place += count
        return plain[place - count:place]
    fields["devid"] = take(32)
    fields["serial"] = take(take(1)[0])
    fields["protocol"] = take(1)[0]
    fields["das_secret"] = take(32)
    for name, count in (("epoch", 4), ("issued", 8), ("expiry", 8)):
        fields[name] = int.from_bytes(take(count), "big")
    fields["server_id"] = take(take(1)[0])
    require(place == len(plain) and fields["server_id"] == server_id, "session")
    require(good_serial(fields["serial"]) and is_devid(fields["devid"]) and fields["protocol"] in (2, 4, 8), "session")
    return fields


def password_mac(das_secret, server_id, serial, epoch, conn_no, conn_nonce, level, flags, keep_alive):
    message = (b"osap-h1 connect\x00" + server_id + b"\x00" + serial + b"\x00" + epoch.to_bytes(4, "big")
               + conn_no.to_bytes(4, "big") + conn_nonce + bytes([level, flags]) + keep_alive.to_bytes(2, "big"))
    return mac(expand(das_secret, b"osap-h1 das auth", 32), message)


def password(das_secret, server_id, serial, epoch, conn_no, conn_nonce, level, flags, keep_alive):
    proof = password_mac(das_secret, server_id, serial, epoch, conn_no, conn_nonce, level, flags, keep_alive)
    return text(conn_no.to_bytes(4, "big") + conn_nonce + proof)


class Das:
    """Tickets it opens, and who was here."""

    def __init__(self, server_id, ticket_keys, table_max=1000):
        self.server_id, self.ticket_keys, self.table_max = server_id, ticket_keys, table_max
        self.table, self.floor, self.blocked = {}, 0, set()

    def connect(self, packet, now):
        """The session's keys (serial, up, down receivers' secrets), or a refusal named in CONNACK."""
        user, given = untext(packet["user_name"], "password"), untext(packet["password"], "password")
        require(len(given) == 52 and is_devid(packet["client_id"]), "password")
        fields = open_ticket(user, self.ticket_keys, self.server_id)
        require(now < fields["expiry"], "session")
        require(packet["client_id"] == fields["devid"], "not-authorized")
        conn_no, conn_nonce = int.from_bytes(given[:4], "big"), given[4:20]
        proof = password_mac(fields["das_secret"], self.server_id, fields["serial"], fields["epoch"], conn_no,
                             conn_nonce, packet["level"], packet["flags"], packet["keep_alive"])
        require(proof == given[20:], "password")
        self._admit(fields, conn_no, now)
        require(fields["devid"] not in self.blocked, "not-authorized")
        connection = fields["epoch"].to_bytes(4, "big") + given[:20]
        if packet.get("will_topic"):
            self._open_will(fields, connection, packet)
        self._note(fields, conn_no)
        return fields, connection

    def replaced(self, devid, issued, epoch):
        """The Lbs gave out a newer ticket, for this Das or another one."""
        self.table[devid] = (issued, epoch, 0)

    def _admit(self, fields, conn_no, now):
        self.table = {d: e for d, e in self.table.items() if now < e[0] // 1000 + 86400}
        entry = self.table.get(fields["devid"])
        if entry is None:
            require(fields["issued"] > self.floor and conn_no > 0, "session")
        elif entry[1] == fields["epoch"] and entry[0] == fields["issued"]:
            require(conn_no > entry[2], "session")
        else:
            require(fields["issued"] > entry[0], "session")

    def _open_will(self, fields, connection, packet):
        require(packet["will_topic"].startswith(b"/iot/" + fields["serial"] + b"/"), "not-authorized")
        secret = envelope.hello_secret(fields["das_secret"], "up", connection)
        try:
            envelope.open_will(secret, packet["will_topic"], packet["will_payload"])
        except Refusal:
            raise Refusal("not-authorized") from None

    def _note(self, fields, conn_no):
        self.table[fields["devid"]] = (fields["issued"], fields["epoch"], conn_no)
        while len(self.table) > self.table_max:
            oldest = min(self.table, key=lambda devid: self.table[devid][0])
            self.floor = max(self.floor, self.table.pop(oldest)[0])
