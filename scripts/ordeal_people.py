"""The people of scripts/ordeal: each holds a link, sends in lanes, pulls what is missing, and begins again when it ends.

In: where the server is, the books. Out: entries in the books. A person does what docs/protocol.md tells a client to do.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any
from urllib.parse import urlencode, urlsplit

from ordeal_books import GROUP, SINGLE, Books, LaneBook, Sent, content_of
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

NEWEST_SEQ, PULL, SEND, PUSH = 1001, 1002, 1003, 2001
KICK = 303
FRAME_BYTES_MAX = 64 << 20
REPLY_SECONDS_MAX = 20.0
PAUSE_SECONDS = (0.1, 2.0)
PAGE = 200
# Tokens that are refused one after the other, right after they were given, by a server that is up.
REFUSALS_MAX = 20


class Lost(Exception):
    """No answer: whether the server has done it, nobody knows."""


class World:
    """What people know: where the server is, who they are, and whether it is time to go home."""

    def __init__(self, seed: int, secret: str, messages_per_s: float) -> None:
        self.random = random.Random(seed)
        self.secret, self.messages_per_s = secret, messages_per_s
        self.addresses: dict[str, str] = {}
        self.gateways: list[dict[str, str]] = []  # addresses of each, where there are several
        self.repeated = 0.0  # of the acknowledged messages, how many are sent once more all the same
        self.books = Books()
        self.closing = False  # no new messages
        self.over = False  # no new links either
        self.clock_age = 0  # grows when the clock jumps: unanswered messages are given up then
        self.lanes = 0

    def websocket(self, chance: random.Random) -> str:
        """Where a link goes: to whichever gateway, as a load balancer has it."""
        return (chance.choice(self.gateways) if self.gateways else self.addresses)["websocket"]

    async def think(self, chance: random.Random) -> None:
        """So long that all lanes together send at the rate wanted."""
        await asyncio.sleep(chance.expovariate(self.messages_per_s / max(1, self.lanes)))

    async def post(self, path: str, body: dict[str, Any], token: str = "") -> tuple[int, dict[str, Any]]:
        """Status and answer of a REST call; Lost when there is none."""
        where = urlsplit(self.addresses["rest"])
        data = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\ntoken: {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(REPLY_SECONDS_MAX):
                reader, writer = await asyncio.open_connection(where.hostname, where.port)
                try:
                    writer.write(head.encode() + data)
                    return await read_answer(reader)
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as cause:
            raise Lost(f"{path}: {type(cause).__name__}") from None


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    words = (await reader.readline()).split()
    if len(words) < 2:
        raise EOFError("closed without an answer")
    status = int(words[1])
    headers: dict[bytes, bytes] = {}
    while (line := (await reader.readline()).strip()) != b"":
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    if headers.get(b"transfer-encoding", b"") == b"chunked":
        text = b""
        while (size := int(await reader.readline(), 16)) > 0:
            text += (await reader.readexactly(size + 2))[:-2]
    else:
        text = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    return status, json.loads(text) if text.startswith(b"{") else {"errCode": -1, "errMsg": repr(text[:200])}


class Person:
    """A user with one terminal: `live` holds the link, each lane sends on it, and over REST now and then."""

    def __init__(self, world: World, uid: str, platform: int) -> None:
        self.world, self.uid, self.platform = world, uid, platform
        self.books = world.books
        self.random = random.Random(world.random.random())
        self.token = ""
        self.link: ClientConnection | None = None
        self.up = asyncio.Event()
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.behind = asyncio.Event()
        self.seq = 0  # everything up to it has been seen
        self.newest = 0
        self.incr = 0
        self.refusals = 0

    async def login(self) -> None:
        """A new token, which ends the one before, and with it the link that another login holds."""
        call = {"secret": self.world.secret, "platform": self.platform, "uid": self.uid}
        status, answer = await self.world.post("/auth/user_token", call)
        if answer["errCode"] not in (0, 500, 503) and status != 503:
            self.books.fault(f"{self.uid}: login was answered {status} {answer}")
        if answer["errCode"] != 0:
            raise Lost(f"login: {answer}")
        self.token = answer["data"]["token"]
        self.books.counts["logins"] += 1

    async def live(self) -> None:
        pause, longest = PAUSE_SECONDS
        while not self.world.over:
            try:
                if not self.token:
                    await self.login()
                await self._hold_link()
                pause = PAUSE_SECONDS[0]
            except InvalidStatus as refused:
                self._refused(refused.response.status_code)
            except (Lost, ConnectionClosed, InvalidHandshake, OSError, EOFError, TimeoutError):
                self.books.counts["links lost or refused"] += 1
            await asyncio.sleep(pause * self.random.uniform(0.5, 1.0))
            pause = min(pause * 2, longest)

    def _refused(self, status: int) -> None:
        self.books.counts[f"handshakes answered {status}"] += 1
        if status == 401:
            self.token, self.refusals = "", self.refusals + 1
            if self.refusals == REFUSALS_MAX:
                self.books.fault(f"{self.uid}: {REFUSALS_MAX} new tokens in a row were refused")
        elif status != 503:
            self.books.fault(f"{self.uid}: the handshake was answered {status}")

    async def _hold_link(self) -> None:
        query = urlencode({"sendID": self.uid, "token": self.token, "platformID": self.platform})
        address = f"{self.world.websocket(self.random)}/?{query}"
        async with connect(
            address, max_size=FRAME_BYTES_MAX, open_timeout=15, close_timeout=2, ping_timeout=60, proxy=None
        ) as link:
            self.link, self.refusals = link, 0
            tasks = [asyncio.ensure_future(part) for part in (self._read(link), self._catch_up())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.link = None
                self.up.clear()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for reply in self.waiting.values():
                    if not reply.done():
                        reply.set_exception(Lost("the link ended"))
                        reply.exception()  # it may have no reader any more
                self.waiting.clear()
            for task in done:
                task.result()

    async def _read(self, link: ClientConnection) -> None:
        while True:
            frame = json.loads(await link.recv())
            if frame.get("reqIdentifier") == PUSH:
                self._pushed(frame["data"])
            elif (reply := self.waiting.pop(frame.get("msgIncr"), None)) is not None and not reply.done():
                reply.set_result(frame)

    def _pushed(self, message: dict[str, Any]) -> None:
        if message["seq"] == 0:
            if message["contentType"] == KICK:
                self.books.counts["kicks"] += 1
            return
        self.books.seen(self.uid, message, "pushed")
        self.newest = max(self.newest, message["seq"])
        if message["seq"] == self.seq + 1:
            self.seq += 1
        elif message["seq"] > self.seq:
            self.behind.set()

    async def request(self, number: int, data: dict[str, Any] | None) -> dict[str, Any]:
        """A request on the link, and its reply; Lost when there is no link or no reply."""
        link = self.link
        if link is None:
            raise Lost("no link")
        self.incr += 1
        incr = self.incr
        reply = self.waiting[incr] = asyncio.get_running_loop().create_future()
        frame = {
            "reqIdentifier": number, "token": self.token, "sendID": self.uid, "operationID": f"{self.uid}.{incr}",
            "msgIncr": incr, "data": data,
        }  # fmt: skip
        try:
            await link.send(json.dumps(frame))
            answer = await asyncio.wait_for(reply, REPLY_SECONDS_MAX)
        except (ConnectionClosed, TimeoutError) as cause:
            self.waiting.pop(incr, None)
            self.books.counts["requests without a reply"] += 1
            raise Lost(type(cause).__name__) from None
        if answer["errCode"] == 202:
            self.token = ""
            await link.close()
            raise Lost("the token was refused")
        return answer

    async def _catch_up(self) -> None:
        """What was missed, and then whatever a gap shows."""
        known = self.newest
        answer = await self.request(NEWEST_SEQ, None)
        if answer["errCode"] != 0:
            raise Lost(f"newest seq: {answer}")
        if answer["data"]["maxSeq"] < known:
            self.books.fault(f"{self.uid}: maxSeq fell from {known} to {answer['data']['maxSeq']}")
        self.newest = max(self.newest, answer["data"]["maxSeq"])
        self.up.set()
        while True:
            self.behind.clear()
            while self.seq < self.newest:
                begin, end = self.seq + 1, min(self.seq + PAGE, self.newest)
                pulled = await self.pull(begin, end)
                if sorted(pulled) != list(range(begin, end + 1)):
                    self.books.fault(f"{self.uid}: pulled {begin} to {end}, got {len(pulled)}: {sorted(pulled)[:10]}")
                self.seq = max(self.seq, end)
            await self.behind.wait()

    async def pull(self, begin: int, end: int, by_rest: bool = False) -> dict[int, dict[str, Any]]:
        """The messages of a range by seq."""
        data = {"seqBegin": begin, "seqEnd": end}
        while True:
            if by_rest:
                answer = await self.rest(PULL, "/chat/pull_msg", data)
            else:
                answer = await self.request(PULL, data)
            if answer["errCode"] == 0:
                break
            if answer["errCode"] not in (1, 500, 503):
                self.books.fault(f"{self.uid}: pull {begin} to {end} was answered {answer['errCode']} {answer['errMsg']}")
            await asyncio.sleep(0.5)
            if self.world.over:
                raise Lost("the end")
        lists = answer["data"]["single"] + answer["data"]["group"]
        messages = {message["seq"]: message for one in lists for message in one["list"]}
        for message in messages.values():
            self.books.seen(self.uid, message, "pulled")
        return messages

    async def rest(self, number: int, path: str, data: dict[str, Any] | None) -> dict[str, Any]:
        """The same request over REST."""
        self.incr += 1
        call = {
            "reqIdentifier": number, "platformID": self.platform, "sendID": self.uid, "msgIncr": self.incr,
            "operationID": f"{self.uid}.{self.incr}",
        }  # fmt: skip
        status, answer = await self.world.post(path, call | ({"data": data} if data else {}), self.token)
        if status == 400 and answer["errCode"] == 400:
            raise Lost("the token was refused")  # a newer login has ended it; the link fetches a new one
        return answer

    async def send(self, message: Sent, by_rest: bool) -> dict[str, Any]:
        lane = message.lane
        data = {
            "sessionType": lane.kind, "msgFrom": 100, "contentType": 101, "recvID": lane.target,
            "content": content_of(message.id), "clientMsgID": message.id, "forceList": [], "options": {},
            "offlineInfo": {},
        }  # fmt: skip
        if not by_rest:
            await asyncio.wait_for(self.up.wait(), REPLY_SECONDS_MAX)
            return await self.request(SEND, {"platformID": self.platform, **data})
        return await self.rest(SEND, "/chat/send_msg", data)

    async def work(self, lane: LaneBook) -> None:
        """Sends one message after the other until it is time to go home."""
        self.world.lanes += 1
        while not self.world.closing:
            await self.world.think(self.random)
            if not self.world.closing:
                await self._deliver(lane.new(self.world.clock_age))

    async def _deliver(self, message: Sent) -> None:
        """Until it is acknowledged, with the same id every time, whatever happens meanwhile."""
        while message.age == self.world.clock_age and not self.world.over:
            try:
                answer = await self.send(message, by_rest=self.random.random() < 0.1)
            except (Lost, TimeoutError):
                self.books.counts["sends repeated"] += 1
                await asyncio.sleep(self.random.uniform(0.1, 0.6))
                continue
            if answer["errCode"] == 0:
                again = not message.server_id and self.random.random() < self.world.repeated
                self.books.receipt(message, answer["data"])
                if again:
                    continue
                return None
            if answer["errCode"] not in (500, 503):
                return self.books.fault(f"{message.id} was answered {answer['errCode']} {answer.get('errMsg')}")
            self.books.counts["sends refused for now"] += 1
            await asyncio.sleep(self.random.uniform(0.2, 1.0))
        self.books.counts["sends given up"] += 1

    async def wander(self) -> None:
        """Logs in anew, pulls here and there, breaks the link: what people do all day."""
        while not self.world.closing:
            await asyncio.sleep(self.random.expovariate(1 / 15))
            try:
                match self.random.randrange(4):
                    case 0:
                        await self.login()
                    case 1 if self.link is not None:
                        self.link.transport.abort()
                    case _ if self.seq > 0:
                        begin = self.random.randint(1, self.seq)
                        end = min(self.seq, begin + self.random.randint(0, PAGE))
                        pulled = await self.pull(begin, end, by_rest=self.random.random() < 0.5)
                        if sorted(pulled) != list(range(begin, end + 1)):
                            self.books.fault(f"{self.uid}: pulled {begin} to {end}, got {len(pulled)}")
            except (Lost, TimeoutError, KeyError):
                self.books.counts["wanderings cut short"] += 1

    async def audit(self, by_rest: bool) -> None:
        """Pulls the whole inbox and compares it with the books."""
        answer = await self.rest(NEWEST_SEQ, "/chat/newest_seq", None)
        if answer["errCode"] != 0:
            raise Lost(f"newest seq: {answer}")
        first, newest = answer["data"]["minSeq"], answer["data"]["maxSeq"]
        pulled: dict[int, dict[str, Any]] = {}
        for begin in range(1, newest + 1, PAGE):
            pulled |= await self.pull(begin, min(begin + PAGE - 1, newest), by_rest)
        self.books.audit_inbox(self.uid, first, newest, pulled)


async def befriend(world: World, people: list[Person], others: list[Person]) -> tuple[str, str]:
    """Registers everybody and makes two groups of the people: one that stays, one whose guest comes and goes."""
    for person in (*people, *others):
        call = {"secret": world.secret, "platform": person.platform, "uid": person.uid, "name": person.uid}
        _, answer = await world.post("/auth/user_register", call)
        person.token = answer["data"]["token"]

    async def group(owner: Person, members: list[Person]) -> str:
        listed = [{"uid": person.uid, "setRole": 0} for person in members]
        call = {"operationID": "ordeal", "groupName": "ordeal", "memberList": listed}
        _, answer = await world.post("/group/create_group", call, owner.token)
        return answer["data"]["groupID"]

    return await group(people[0], people[1:-1]), await group(people[0], people[1:4])


__all__ = ["GROUP", "SINGLE", "Lost", "Person", "World", "befriend"]
