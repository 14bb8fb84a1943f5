"""A CoAP server made with aiocoap, as a foreign peer for tests: aiocoap_server.py PORT.

Resources: /test, /large (3000 bytes), /stored (GET, PUT), /echo (POST), /separate, /obs (changes every 0.3 s).
Prints "ready" when it listens on 127.0.0.1.
"""
import asyncio
import sys

import aiocoap
import aiocoap.resource as resource


class Fixed(resource.Resource):
    def __init__(self, body):
        super().__init__()
        self.body = body

    async def render_get(self, request):
        return aiocoap.Message(payload=self.body)


class Stored(Fixed):
    async def render_put(self, request):
        self.body = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


class Echo(resource.Resource):
    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload)


class Separate(resource.Resource):
    async def render_get(self, request):
        await asyncio.sleep(0.7)
        return aiocoap.Message(payload=b"separate")


class Observed(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.changes = 0

    def start(self):
        asyncio.get_running_loop().call_later(0.3, self.change)

    def change(self):
        self.changes += 1
        self.updated_state()
        self.start()

    async def render_get(self, request):
        return aiocoap.Message(payload=b"state %d" % self.changes)


async def main(port):
    site = resource.Site()
    observed = Observed()
    observed.start()
    for name, one in [
        ("test", Fixed(b"test")),
        ("large", Fixed(bytes(97 + at // 64 % 26 for at in range(3000)))),
        ("stored", Stored(b"stored")),
        ("echo", Echo()),
        ("separate", Separate()),
        ("obs", observed),
    ]:
        site.add_resource([name], one)
    await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["simple6", "simplesocketserver"])
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main(int(sys.argv[1])))
