"""Eclipse Paho (Python) uses things: paho_things.py HOST PORT LOCK SENSOR.

As `panel` it observes, reads, writes and calls in 3.1.1 and 5.0; as `meter` it is the sensor. Lines on standard output
that begin with "do " are for whoever runs the server. Ends with a line that says whether all were right.
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

HOST, PORT, LOCK, SENSOR = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
WAIT = 20


class Guest:
    """A client that notes what it hears."""

    def __init__(self, name, version):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"{name}-{version}", protocol=version)
        self.client.username_pw_set(name, "secret")
        self.news = threading.Condition()
        self.came, self.codes, self.acks, self.connected = [], {}, {}, False
        self.client.on_connect = lambda *_: self.note(lambda: setattr(self, "connected", True))
        self.client.on_message = lambda _c, _u, message: self.note(lambda: self.came.append(message))
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self.note(lambda: self.codes.update({mid: codes[0]}))
        self.client.on_publish = lambda _c, _u, mid, code, _p: self.note(lambda: self.acks.update({mid: code}))
        self.client.connect(HOST, PORT, keepalive=30)
        self.client.loop_start()
        self.until(lambda: self.connected)

    def note(self, change):
        with self.news:
            change()
            self.news.notify_all()

    def until(self, done):
        with self.news:
            if not self.news.wait_for(done, WAIT):
                sys.exit("nothing came in time")

    def subscribe(self, topic, qos=1):
        mid = self.client.subscribe(topic, qos)[1]
        self.until(lambda: mid in self.codes)
        return self.codes[mid].value

    def publish(self, topic, payload, properties=None):
        mid = self.client.publish(topic, payload, 1, properties=properties).mid
        self.until(lambda: mid in self.acks)
        return self.acks[mid].value

    def next(self, *topics):
        """The next message, of one of these topics if any are named."""
        wanted = lambda: [message for message in self.came if not topics or message.topic in topics]
        self.until(wanted)
        message = wanted()[0]
        self.came.remove(message)
        return message


def expect(said, wanted, what):
    if said != wanted:
        sys.exit(f"{what}: {said!r} and not {wanted!r}")
    print("ok", what, flush=True)


def asked(topic):
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic, properties.CorrelationData = topic, b"\x01\x02"
    return properties


def use(version):
    panel, stranger = Guest("panel", version), Guest("stranger", version)
    at = f"things/{LOCK}"
    refused = 0x87 if version == mqtt.MQTTv5 else 0x80
    expect(stranger.subscribe(f"{at}/properties/battery"), refused, "a stranger observes nothing")
    expect(panel.subscribe(f"{at}/properties/battery"), 1, "a property is observed")
    print("do report 64", flush=True)
    while json.loads(panel.next(f"{at}/properties/battery").payload) != 64:
        pass
    print("ok its value came", flush=True)
    for rest, payload, wanted in [
        ("properties/mode/set", '"away"', {"outcome": "done"}),
        ("properties/battery/get", "", {"outcome": "done", "value": 64}),
        ("actions/unlock/call", '{"seconds": 1}', {"outcome": "done", "value": "unlocked"}),
    ]:
        if version == mqtt.MQTTv5:
            panel.subscribe("mine")
            expect(panel.publish(f"{at}/{rest}", payload, asked("mine")), 0, f"{rest} is taken")
            answer = panel.next("mine")
            expect(bytes(answer.properties.CorrelationData), b"\x01\x02", "the correlation data came back")
        else:
            panel.subscribe("answers/#")
            expect(panel.publish(f"{at}/{rest}/w1", payload), 0, f"{rest} is taken")
            answer = panel.next("answers/w1")
            expect(answer.topic, "answers/w1", "the answer has its word")
        expect(json.loads(answer.payload), wanted, f"{rest} is answered")
    if version == mqtt.MQTTv5:
        expect(panel.publish(f"{at}/properties/mode/set", '"x"'), 0x99, "a wrong value is refused")
        expect(stranger.publish(f"{at}/properties/mode/set", '"away"'), 0x87, "a stranger writes nothing")
    for guest in (panel, stranger):
        guest.client.disconnect()
        guest.client.loop_stop()


def be_a_sensor():
    meter, panel = Guest("meter", mqtt.MQTTv5), Guest("panel", mqtt.MQTTv5)
    at = f"things/{SENSOR}"
    expect(panel.subscribe(f"{at}/#"), 1, "all of a sensor is observed")
    expect(meter.publish(f"{at}/properties/battery", "12"), 0, "a sensor reports")
    expect(panel.next(f"{at}/properties/battery").payload, b"12", "its value came")
    expect(meter.publish(f"{at}/events/tamper", '"shaken"'), 0, "a sensor raises an event")
    expect(panel.next(f"{at}/events/tamper").payload, b'"shaken"', "its event came")
    expect(meter.subscribe(f"{at}/orders/#"), 1, "a sensor hears its orders")
    panel.subscribe("mine")
    expect(panel.publish(f"{at}/properties/mode/set", '"away"', asked("mine")), 0, "it is asked for a value")
    order = meter.next()
    expect(order.payload, b'"away"', "it hears of it")
    expect(meter.publish(order.properties.ResponseTopic, ""), 0, "it says yes")
    expect(json.loads(panel.next("mine").payload), {"outcome": "done"}, "whoever asked knows")
    print("do revoke", flush=True)
    expect(panel.next(at).payload, b"", "the end of an observation is heard")


for version in (mqtt.MQTTv311, mqtt.MQTTv5):
    use(version)
be_a_sensor()
print("all right")
