"""Eclipse Paho (Python) publishes to a broker that is killed again and again: paho_killed.py PORT_FILE NAME PASSWORD ID COUNT.

The file has the port, which changes. Prints one line for each message that was acknowledged to it, and ends when all
were: QoS 1 and 2 by turns.

Paho forgets at the second attempt to connect that a message of QoS 2 was released already, and sends it anew. So it is
had to try only when somebody listens; when an attempt fails all the same, the line "unsure" says so.
"""

import socket
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PLACE, NAME, PASSWORD, ID, COUNT = sys.argv[1:5] + [int(sys.argv[5])]
AT_ONCE = 5


def port():
    with open(PLACE, encoding="utf-8") as file:
        return int(file.read())


def main():
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, ID, protocol=mqtt.MQTTv5)
    client.username_pw_set(NAME, PASSWORD)
    waiting, done = {}, 0
    # In the program's own words: what was acknowledged before its identifier was known.
    early = set()
    state = {"is_connected": False}

    def on_connect(_client, _data, _flags, code, _properties):
        state["is_connected"] = not code.is_failure

    def on_publish(_client, _data, mid, code, _properties):
        nonlocal done
        # At the end of QoS 2 a broker that was killed between its two last steps knows the identifier no more.
        if code.is_failure and code.value != 0x92:
            sys.exit(f"refused: {code}")
        if mid not in waiting:
            early.add(mid)
            return
        done += 1
        print(waiting.pop(mid), flush=True)

    client.on_connect, client.on_publish = on_connect, on_publish
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    number = 0
    while done < COUNT:
        state["is_connected"] = False
        at = port()
        try:
            socket.create_connection(("127.0.0.1", at), timeout=5).close()
        except OSError:
            time.sleep(0.05)
            continue
        try:
            client.connect("127.0.0.1", at, keepalive=30, clean_start=False, properties=properties)
        except OSError:
            print("unsure", flush=True)
            continue
        while done < COUNT and client.loop(timeout=0.05) == mqtt.MQTT_ERR_SUCCESS:
            while state["is_connected"] and number < COUNT and len(waiting) < AT_ONCE:
                qos = 1 + number % 2
                text = f"q{qos} {ID} {number}"
                mid = client.publish("all", text, qos).mid
                number += 1
                if mid in early:
                    done += 1
                    print(text, flush=True)
                else:
                    waiting[mid] = text
        if not state["is_connected"]:
            print("unsure", flush=True)
    client.disconnect()


main()
