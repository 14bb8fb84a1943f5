"""Eclipse Paho (Python) against a broker: every QoS, retained messages, wills, sessions, and what 5.0 adds.

paho_mqtt.py HOST PORT  prints one line per step and ends with a status that says whether all were right.
"""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST, PORT = sys.argv[1], int(sys.argv[2])
WAIT = 20


class Guest:
    """A client that notes what it hears."""

    def __init__(self, name, version, clean=True, expiry=0, will=None, password="secret"):
        self.version = version
        kind = {} if version == mqtt.MQTTv5 else {"clean_session": clean}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, protocol=version, **kind)
        self.client.username_pw_set("paho", password)
        self.news = threading.Condition()
        self.came, self.answers, self.connected, self.gone = [], [], None, None
        self.client.on_message = lambda _c, _u, message: self.note(self.came, message)
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self.note(self.answers, (mid, codes))
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        if will:
            self.client.will_set(*will)
        options = {}
        if version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            options = {"clean_start": clean, "properties": properties}
        self.client.connect(HOST, PORT, keepalive=30, **options)
        self.client.loop_start()
        self.until(lambda: self.connected is not None, f"{name} is answered")

    def note(self, where, what):
        with self.news:
            where.append(what)
            self.news.notify_all()

    def on_connect(self, _client, _data, flags, code, _properties):
        with self.news:
            self.connected = (code, flags.session_present)
            self.news.notify_all()

    def on_disconnect(self, _client, _data, _flags, code, _properties):
        with self.news:
            self.gone = code
            self.news.notify_all()

    def until(self, is_so, what):
        with self.news:
            if not self.news.wait_for(is_so, WAIT):
                sys.exit(f"not in time: {what}; came {[message.payload for message in self.came]}")

    def subscribe(self, *words, **named):
        _result, mid = self.client.subscribe(*words, **named)
        self.until(lambda: any(answer[0] == mid for answer in self.answers), f"SUBACK of {words}")
        return [code.value for answer in self.answers if answer[0] == mid for code in answer[1]]

    def publish(self, *words, **named):
        sent = self.client.publish(*words, **named)
        sent.wait_for_publish(WAIT)
        if not sent.is_published():
            sys.exit(f"not acknowledged: {words}")

    def texts(self, count):
        self.until(lambda: len(self.came) >= count, f"{count} messages")
        return [message.payload.decode() for message in self.came]

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def break_off(self):
        """Goes without farewell, and does not come back by itself."""
        self.client.loop_stop()
        self.client.socket().close()


def expect(is_so, what):
    if not is_so:
        sys.exit(f"wrong: {what}")
    print(f"ok {what}", flush=True)


def both(version, word):
    reader, writer = Guest("", version), Guest(f"{word}-writer", version)
    expect(reader.subscribe(f"{word}/#", 2) == [2], f"{word} SUBACK")
    for qos in (0, 1, 2):
        writer.publish(f"{word}/a/{qos}", f"{qos}", qos=qos)
    expect(sorted(reader.texts(3)) == ["0", "1", "2"], f"{word} every QoS")
    expect([message.qos for message in sorted(reader.came, key=lambda it: it.topic)] == [0, 1, 2], f"{word} with it")
    big = "x" * 300_000
    writer.publish(f"{word}/big", big, qos=2)
    expect(reader.texts(4)[3] == big, f"{word} a large message")
    reader.leave()

    writer.publish(f"{word}/kept", "last", qos=1, retain=True)
    late = Guest(f"{word}-late", version)
    late.subscribe(f"{word}/kept", 1)
    expect(late.texts(1) == ["last"] and late.came[0].retain, f"{word} retained")
    writer.publish(f"{word}/kept", "", qos=1, retain=True)
    late.leave()

    watcher = Guest(f"{word}-watcher", version)
    watcher.subscribe(f"{word}/will", 1)
    Guest(f"{word}-dying", version, will=(f"{word}/will", "gone", 1)).break_off()
    expect(watcher.texts(1) == ["gone"], f"{word} will")
    watcher.leave()

    first = Guest(f"{word}-session", version, clean=False, expiry=600)
    expect(not first.connected[1], f"{word} a new session")
    first.subscribe(f"{word}/away", 2)
    first.leave()
    for number in range(100):
        writer.publish(f"{word}/away", str(number), qos=1 + number % 2)
    second = Guest(f"{word}-session", version, clean=False, expiry=600)
    expect(second.connected[1], f"{word} the session is there")
    expect(sorted(map(int, second.texts(100))) == list(range(100)), f"{word} what was missed")
    third = Guest(f"{word}-session", version, clean=False, expiry=600)
    second.until(lambda: second.gone is not None, "taken over")
    expect(third.connected[1], f"{word} taken over")
    second.client.loop_stop()
    third.leave()

    wrong = Guest(f"{word}-wrong", version, password="wrong")
    expect(wrong.connected[0].is_failure, f"{word} a wrong password")
    wrong.client.loop_stop()
    writer.leave()


def five():
    version = mqtt.MQTTv5
    writer = Guest("five-writer", version)
    members = [Guest(f"five-member-{number}", version) for number in range(2)]
    for member in members:
        expect(member.subscribe("$share/group/five/shared", 1) == [1], "five shared SUBACK")
    for number in range(10):
        writer.publish("five/shared", str(number), qos=1)
    members[0].until(lambda: sum(len(member.came) for member in members) == 10, "shared messages")
    expect(sorted(len(member.came) for member in members) == [5, 5], "five shared in turn")

    reader = Guest("five-reader", version)
    identified = Properties(PacketTypes.SUBSCRIBE)
    identified.SubscriptionIdentifier = 7
    options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)
    reader.subscribe("five/props", options=options, properties=identified)
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType, properties.ResponseTopic, properties.CorrelationData = "text/plain", "five/answer", b"42"
    properties.MessageExpiryInterval, properties.PayloadFormatIndicator = 60, 1
    properties.UserProperty = [("name", "value"), ("name", "other")]
    writer.publish("five/props", "here", qos=1, properties=properties, retain=True)
    reader.publish("five/props", "own", qos=1)
    reader.texts(1)
    seen = reader.came[0].properties
    right = (seen.ContentType, seen.ResponseTopic, seen.CorrelationData) == ("text/plain", "five/answer", b"42")
    expect(right and seen.UserProperty == [("name", "value"), ("name", "other")], "five properties")
    expect(seen.SubscriptionIdentifier == [7] and seen.MessageExpiryInterval <= 60, "five identifier and expiry")
    expect(reader.came[0].retain and reader.texts(1) == ["here"], "five retain as published, no own messages")
    for filter_, code in (("things/#", 0x87), ("$SYS/#", 0x87), ("five/ok", 0)):
        expect(reader.subscribe(filter_, 0) == [code], f"five {filter_}")

    alias = Properties(PacketTypes.PUBLISH)
    alias.TopicAlias = 1
    reader.came.clear()
    reader.subscribe("five/alias", 1)
    writer.publish("five/alias", "named", qos=1, properties=alias)
    writer.publish("", "aliased", qos=1, properties=alias)
    expect(reader.texts(2) == ["named", "aliased"], "five topic alias")
    for guest in (*members, reader, writer):
        guest.leave()


both(mqtt.MQTTv311, "three")
both(mqtt.MQTTv5, "five")
five()
print("all right")
