"""What strangers and faulty clients do to the server of scripts/ordeal: one flood a function, each bounded in time.

In: where the server is, how long. Out: how often each was tried. Nothing they do may touch what the books hold: the
hooligan writes to nobody, and the deaf one only hears.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit

from ordeal_people import Lost, Person, World

CROWD = 1_500  # more than the server may have files open
NOBODY = "nobody-at-all"
# They come from an address of their own: what the server holds against it does not concern people.
STRANGERS = "127.0.0.2"


class Flood:
    """What the functions below share: the world, a seed of their own, when it is over, and a count."""

    def __init__(self, world: World, hooligan: Person, deaf: Person, chance: random.Random, seconds: float) -> None:
        self.world, self.hooligan, self.deaf, self.chance = world, hooligan, deaf, chance
        self.until = asyncio.get_running_loop().time() + seconds
        self.tries = 0

    def left(self) -> float:
        return self.until - asyncio.get_running_loop().time()

    @asynccontextmanager
    async def connection(self, port: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that reads next to nothing by itself and ends without a word."""
        self.tries += 1
        where = urlsplit(self.world.addresses[port])
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(
                where.hostname, where.port, limit=1024, local_addr=(STRANGERS, 0)
            )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def crowd(self, count: int, one: Callable[[], Awaitable[None]], again: bool = True) -> None:
        """`count` of them at once; who is thrown out comes again, as those who flood do."""

        async def insist() -> None:
            while self.left() > 0:
                try:
                    async with asyncio.timeout(max(0.1, self.left())):
                        await one()
                except (OSError, EOFError, TimeoutError, Lost, asyncio.LimitOverrunError, ValueError):
                    pass
                await asyncio.sleep(0.5 if again else max(0.1, self.left()))

        await asyncio.gather(*(insist() for _ in range(count)))


def handshake(uid: str, token: str, platform: int) -> bytes:
    query = urlencode({"sendID": uid, "token": token, "platformID": platform})
    return (
        f"GET /?{query} HTTP/1.1\r\nHost: ordeal\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def frame(payload: bytes, first: int = 0x81, mask: bool = True) -> bytes:
    size, bit = len(payload), 0x80 if mask else 0
    head = bytes([first]) + (
        bytes([bit | size]) if size < 126 else
        bytes([bit | 126]) + struct.pack(">H", size) if size < 65_536 else
        bytes([bit | 127]) + struct.pack(">Q", size)
    )  # fmt: skip
    return head + (b"\0\0\0\0" if mask else b"") + payload


def call(path: str, body: bytes, more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: ordeal\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def idle_connections(flood: Flood) -> None:
    """Connections that say nothing, half to each port."""

    async def one() -> None:
        async with flood.connection(flood.chance.choice(["rest", "websocket"])) as (reader, _):
            await reader.read()

    await flood.crowd(CROWD, one)


async def half_handshakes(flood: Flood) -> None:
    """A part of a handshake, and then nothing."""
    whole = handshake(NOBODY, "a.b.c", 1)

    async def one() -> None:
        async with flood.connection("websocket") as (reader, writer):
            writer.write(whole[: flood.chance.randrange(1, len(whole) - 1)])
            await reader.read()

    await flood.crowd(CROWD, one)


async def slow_heads(flood: Flood) -> None:
    """Heads and bodies of REST calls, a byte at a time."""
    text = call("/auth/user_token", b'{"secret":"not it","platform":1,"uid":"x"}')

    async def one() -> None:
        async with flood.connection("rest") as (_, writer):
            for at in range(flood.chance.randrange(len(text))):
                writer.write(text[at : at + 1])
                await asyncio.sleep(flood.chance.uniform(0.1, 1.0))

    await flood.crowd(300, one)


async def unread_answers(flood: Flood) -> None:
    """One profile, asked for a thousand times in each of many calls, and no answer read."""
    text = call("/user/get_user_info", json.dumps({"operationID": "o", "uidList": [flood.deaf.uid] * 1000}).encode())

    async def one() -> None:
        async with flood.connection("rest") as (_, writer):
            for _ in range(50):
                writer.write(text)
                await writer.drain()
            await asyncio.sleep(max(0.1, flood.left()))

    await flood.crowd(200, one)


async def unread_pulls(flood: Flood) -> None:
    """A link that is pushed to, pulls its inbox again and again, and reads nothing."""
    deaf = flood.deaf
    if not deaf.token:
        await deaf.login()

    async def one() -> None:
        async with flood.connection("websocket") as (_, writer):
            writer.write(handshake(deaf.uid, deaf.token, deaf.platform))
            for incr in range(1, 40):
                pull = {
                    "reqIdentifier": 1002, "token": deaf.token, "sendID": deaf.uid, "operationID": "o",
                    "msgIncr": incr, "data": {"seqBegin": 1, "seqEnd": 100_000},
                }  # fmt: skip
                writer.write(frame(json.dumps(pull).encode()))
                await writer.drain()
            await asyncio.sleep(max(0.1, flood.left()))

    await flood.crowd(3, one)


async def garbage_frames(flood: Flood) -> None:
    """A link whose frames break every rule there is, and one whose JSON nearly means something."""
    hooligan, chance = flood.hooligan, flood.chance
    if not hooligan.token:
        await hooligan.login()
    data = {
        "platformID": 1, "sessionType": 1, "msgFrom": 100, "contentType": 101, "recvID": NOBODY, "content": "x",
        "clientMsgID": "x", "forceList": [], "options": {}, "offlineInfo": {},
    }  # fmt: skip
    good = {
        "reqIdentifier": 1003, "token": hooligan.token, "sendID": hooligan.uid, "operationID": "o", "msgIncr": 1,
        "data": data,
    }  # fmt: skip

    def bad() -> bytes:
        near = dict(good, data=dict(data))
        spoiled = chance.choice([near, near["data"]])
        key = chance.choice([name for name in spoiled if name not in ("recvID", "data")])
        spoiled[key] = chance.choice([None, -1, "", "\0\n", [], {}, 2**70, "é" * 30_000, {"a": [[[[]]]]}])
        text = json.dumps(near).encode()
        return chance.choice([
            frame(text), frame(text, first=0x82), frame(text[: chance.randrange(len(text))]),
            frame(text, first=0x01), frame(text, first=0xF1), frame(text, mask=False), frame(b"[" * 60_000),
            frame(b"\xff\xfe" * 9), frame(b"x" * 126, first=0x89), frame(b"\x03\xe8\xff", first=0x88),
            frame(b"y" * 70_000), os.urandom(0) + chance.randbytes(200), bytes([0x81, 0xFF]) + b"\xff" * 8,
        ])  # fmt: skip

    async def one() -> None:
        async with flood.connection("websocket") as (reader, writer):
            writer.write(handshake(hooligan.uid, hooligan.token, chance.randint(1, 7)))
            for _ in range(30):
                writer.write(bad())
                await writer.drain()
            while await reader.read(1024):
                pass

    await flood.crowd(20, one)


async def refused_tokens(flood: Flood) -> None:
    """Handshakes with tokens that are none, logins with secrets that are none."""
    chance = flood.chance

    async def one() -> None:
        if chance.random() < 0.5:
            async with flood.connection("websocket") as (reader, writer):
                token = chance.choice(["", "a.b.c", flood.hooligan.token[:-4] + "AAAA", "x" * 3000])
                writer.write(handshake(flood.deaf.uid, token, 1))
                await reader.read(1024)
        else:
            async with flood.connection("rest") as (reader, writer):
                body = {"secret": f"guess{chance.random()}", "platform": 1, "uid": flood.deaf.uid}
                writer.write(call("/auth/user_token", json.dumps(body).encode()))
                await reader.read(1024)

    await flood.crowd(40, one)


async def garbage_calls(flood: Flood) -> None:
    """REST calls that are none."""
    chance = flood.chance

    def bad() -> bytes:
        return chance.choice([
            chance.randbytes(500), b"GET / HTTP/9.9\r\n\r\n", b"POST /auth/user_token HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
            b"POST /chat/send_msg HTTP/1.1\r\nHost: o\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST /chat/send_msg HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n",
            b"POST /chat/send_msg HTTP/1.1\r\nHost: o\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nabcde",
            call("/user/get_user_info", b"[" * 100_000), call("/auth/user_token", b'{"secret":1e999}'),
            call("/chat/pull_msg", b"{}", f"token: {'x' * 9000}\r\n"), call("/" + "a" * 60_000, b""),
        ])  # fmt: skip

    async def one() -> None:
        async with flood.connection("rest") as (reader, writer):
            for _ in range(10):
                writer.write(bad())
                await writer.drain()
            while await reader.read(1024):
                pass

    await flood.crowd(40, one)


async def come_and_go(flood: Flood) -> None:
    """Links of one user that take each other's place and break in every state."""
    hooligan = flood.hooligan
    if not hooligan.token:
        await hooligan.login()

    async def one() -> None:
        async with flood.connection("websocket") as (_, writer):
            writer.write(handshake(hooligan.uid, hooligan.token, flood.chance.randint(1, 3)))
            await asyncio.sleep(flood.chance.expovariate(20))

    await flood.crowd(60, one)


FLOODS = (
    idle_connections, half_handshakes, slow_heads, unread_answers, unread_pulls, garbage_frames, refused_tokens,
    garbage_calls, come_and_go,
)  # fmt: skip
