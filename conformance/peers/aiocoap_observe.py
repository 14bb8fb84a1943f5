"""Observes a resource with aiocoap, as a foreign peer for tests: aiocoap_observe.py URI COUNT.

Prints COUNT notifications, one a line as "sequence body", then deregisters.
"""
import asyncio
import sys

from aiocoap import GET, Context, Message


async def main(uri, count):
    context = await Context.create_client_context()
    request = context.request(Message(code=GET, uri=uri, observe=0))
    await request.response
    async for notification in request.observation:
        print(notification.opt.observe, notification.payload.decode(), flush=True)
        count -= 1
        if count == 0:
            break
    request.observation.cancel()
    await context.shutdown()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
