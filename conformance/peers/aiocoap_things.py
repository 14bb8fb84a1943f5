"""aiocoap, over DTLS by tinydtls, uses things: aiocoap_things.py PORT LOCK.

`panel` finds, reads, writes, calls and observes a lock; `other` and who has a wrong key do not: tinydtls as it comes
holds keys of 16 bytes at most, so names are short. Lines on standard output that begin with "do " are for whoever runs
the server. Ends with a line that says whether all were right.
"""

import asyncio
import json
import sys

import aiocoap.error
from aiocoap import CONTENT, GET, NOT_FOUND, POST, PUT, UNPROCESSABLE_ENTITY, Context, Message
from aiocoap.numbers import ContentFormat

PORT, LOCK = sys.argv[1], sys.argv[2]
AT = f"coaps://127.0.0.1:{PORT}"
WAIT = 30


async def guest(name, key):
    context = await Context.create_client_context(transports=["tinydtls"])
    context.client_credentials.load_from_dict(
        {f"{AT}/*": {"dtls": {"psk": {"ascii": key}, "client-identity": {"ascii": name}}}}
    )
    return context


def expect(said, wanted, what):
    if said != wanted:
        sys.exit(f"{what}: {said!r} and not {wanted!r}")
    print("ok", what, flush=True)


async def ask(context, code, path, value=None):
    message = Message(code=code, uri=f"{AT}{path}")
    if value is not None:
        message.payload = json.dumps(value).encode()
        message.opt.content_format = ContentFormat.JSON
    return await asyncio.wait_for(context.request(message).response, WAIT)


async def use(panel):
    at = f"/things/{LOCK}"
    links = await ask(panel, GET, "/.well-known/core")
    expect(links.opt.content_format, ContentFormat.LINKFORMAT, "links have their format")
    expect(f"</things/{LOCK}>" in links.payload.decode(), True, "the lock is found")
    told = await ask(panel, GET, at)
    # Who serves it here has no descriptions of its own making.
    expect((told.code, told.opt.content_format), (CONTENT, 432), "a description comes in its format")
    set_mode = await ask(panel, PUT, f"{at}/properties/mode", "away")
    expect(set_mode.code.is_successful(), True, "a value is taken")
    wrong = await ask(panel, PUT, f"{at}/properties/mode", "nowhere")
    expect(wrong.code, UNPROCESSABLE_ENTITY, "a value that does not fit is refused")
    opened = await ask(panel, POST, f"{at}/actions/unlock", {"seconds": 1})
    expect((opened.code, json.loads(opened.payload)), (CONTENT, "unlocked"), "an action is done")


async def observe(panel):
    """Values as they come, told apart by their versions."""
    request = panel.request(Message(code=GET, uri=f"{AT}/things/{LOCK}/properties/battery", observe=0))
    first = await asyncio.wait_for(request.response, WAIT)
    expect(first.opt.observe is not None, True, "a property is observed")
    told, coming = [first], aiter(request.observation)

    async def until(value):
        while not told[-1].payload or json.loads(told[-1].payload) != value:
            told.append(await anext(coming))

    for value in (41, 40):
        print(f"do report {value}", flush=True)
        await asyncio.wait_for(until(value), WAIT)
        print(f"ok {value} is told", flush=True)
    tags = [notification.opt.etag for notification in told if notification.code.is_successful()]
    expect(len(set(tags)), len(tags), "no version is told twice")
    request.observation.cancel()


async def main():
    panel = await guest("panel", "the key of panel")
    await use(panel)
    await observe(panel)
    await panel.shutdown()

    stranger = await guest("other", "the key of other")
    refused = await ask(stranger, GET, f"/things/{LOCK}/properties/battery")
    expect(refused.code, NOT_FOUND, "a stranger finds nothing")
    expect(json.loads(refused.payload)["code"], "not-here", "and hears it in the same word as everywhere")
    await stranger.shutdown()

    forger = await guest("panel", "another key")
    try:
        await ask(forger, GET, f"/things/{LOCK}/properties/battery")
    except (aiocoap.error.Error, TimeoutError) as error:
        print("ok a wrong key gets no answer:", type(error).__name__, flush=True)
    else:
        sys.exit("a wrong key was let in")


asyncio.run(main())
print("all right")
