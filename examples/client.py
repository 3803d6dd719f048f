#!/usr/bin/env python3
"""A chat client for openim in one file: Python 3.10 or later, the standard library, and `websockets`.

    pip install websockets
    python3 examples/client.py --secret-file data/secret --me alice --to bob

It logs in (and registers first if it must), shows what was missed, then what comes, and sends each line that is typed.
Ctrl-D ends it once everything is sent. Links may break and the server may restart meanwhile: every line arrives once,
in order. Messages go to standard output, everything else to standard error.

What it does is in docs/protocol.md. A real app differs in one thing: the server's secret stays on the app's own server,
which fetches tokens for its users.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import deque
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

NEWEST_SEQ, PULL, SEND, PUSH = 1001, 1002, 1003, 2001
SINGLE, GROUP = 1, 2
TEXT = 101
KICKS = (303, 203)  # of the June and the May generation
TOKEN_REFUSED = 202
UNAVAILABLE = 500

PAGE = 100  # messages in a pull: an answer comes whole, so this bounds its size
FRAME_BYTES_MAX = 64 << 20
REPLY_SECONDS_MAX = 10.0
PAUSE_SECONDS = (0.5, 30.0)  # before a reconnect: the first one, and the longest


class Again(Exception):
    """The link is of no use; a new one may be."""


class Kicked(Exception):
    """A newer login took this one's place: reconnecting would start a fight."""


def note(text: str) -> None:
    print(f"-- {text}", file=sys.stderr, flush=True)


class Account:
    """Who we are: fetches tokens over REST."""

    def __init__(self, url: str, secret: str, uid: str, platform: int) -> None:
        self.url, self.secret, self.uid, self.platform = url.rstrip("/"), secret, uid, platform

    def token(self) -> str:
        """A new token; registers the user if there is none yet."""
        who = {"secret": self.secret, "platform": self.platform, "uid": self.uid}
        answer = self._post("/auth/user_token", who)
        if answer["errCode"] != 0:
            answer = self._post("/auth/user_register", {**who, "name": self.uid})
        if answer["errCode"] == UNAVAILABLE:
            raise Again(f"cannot log in: {answer['errMsg']}")
        if answer["errCode"] != 0:
            raise SystemExit(f"cannot log in: {answer['errMsg']}")
        return answer["data"]["token"]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=REPLY_SECONDS_MAX) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:  # errors have a body too
            return json.loads(refused.read() or b'{"errCode": 500, "errMsg": "no answer"}')


class Client:
    def __init__(self, account: Account, ws: str, to: str, session_type: int) -> None:
        self.account, self.ws, self.to, self.session_type = account, ws, to, session_type
        self.token = ""
        # Everything up to this seq has been shown. The one number that makes reception lossless.
        self.seq = 0
        # Messages to send, oldest first. One leaves when the server has said that it holds it, so what stands
        # in front after a reconnect is sent again, with the clientMsgID it always had.
        self.outbox: deque[dict[str, Any]] = deque()
        self.typed = asyncio.Event()
        self.no_more_lines = False
        # Own messages come back in the inbox; these have been on this screen already.
        self.own: set[str] = set()
        self.incr = 0

    async def run(self) -> None:
        """Holds a link until all is said: connects, and connects again."""
        pause, longest = PAUSE_SECONDS
        while True:
            session = None
            try:
                self.token = self.token or await asyncio.to_thread(self.account.token)
                async with connect(self._address(), max_size=FRAME_BYTES_MAX) as link:
                    session = Session(self, link)
                    await session.run()
                    return
            except InvalidStatus as refused:
                if refused.response.status_code == 401:
                    self.token = ""  # expired, or ended by a login elsewhere
                note(f"refused with status {refused.response.status_code}")
            except (Again, ConnectionClosed, InvalidHandshake, OSError, asyncio.TimeoutError) as lost:
                note(f"no link: {lost or type(lost).__name__}")
            if session and session.caught_up.is_set():
                pause = PAUSE_SECONDS[0]  # that link had worked
            # With some chance in it, or all clients of a server come back in the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, longest)

    def _address(self) -> str:
        query = {"sendID": self.account.uid, "token": self.token, "platformID": self.account.platform}
        return f"{self.ws.rstrip('/')}/?{urllib.parse.urlencode(query)}"

    def say(self, line: str) -> None:
        """Puts a line into the outbox."""
        message_id = uuid.uuid4().hex
        self.own.add(message_id)
        self.outbox.append({
            "platformID": self.account.platform, "sessionType": self.session_type, "msgFrom": 100,
            "contentType": TEXT, "recvID": self.to, "content": line, "clientMsgID": message_id,
            "forceList": [], "options": {}, "offlineInfo": {},
        })  # fmt: skip
        self.typed.set()

    def end_of_lines(self) -> None:
        self.no_more_lines = True
        self.typed.set()

    def show(self, message: dict[str, Any]) -> None:
        if message["clientMsgID"] in self.own:
            self.own.discard(message["clientMsgID"])
            return
        where = message["recvID"].partition(" ")[2]  # in a group: "member group"
        sender = f"{where}/{message['sendID']}" if where else message["sendID"]
        print(f"{sender}: {message['content']}", flush=True)


class Session:
    """One link: three tasks, and the requests that wait for their replies."""

    def __init__(self, client: Client, link: ClientConnection) -> None:
        self.client, self.link = client, link
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pushes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.caught_up = asyncio.Event()

    async def run(self) -> None:
        """Ends when all is said; whatever ends one task early ends the session."""
        tasks = [asyncio.ensure_future(part()) for part in (self.read, self.receive, self.send)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        faults = [task.exception() for task in done if task.exception()]
        for fault in sorted(faults, key=lambda fault: not isinstance(fault, Kicked)):
            raise fault  # a kick, if there is one: the close behind it says less

    async def read(self) -> None:
        """Hands each frame to whom it is for. Pings are answered by the library, which sends some of its own and
        so notices a server that is gone without a word."""
        while True:
            frame = json.loads(await self.link.recv())
            if frame.get("reqIdentifier") == PUSH:
                if frame["data"]["seq"] == 0 and frame["data"]["contentType"] in KICKS:
                    raise Kicked
                self.pushes.put_nowait(frame["data"])
            elif frame.get("msgIncr") in self.waiting:
                self.waiting.pop(frame["msgIncr"]).set_result(frame)

    async def request(self, number: int, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a request and waits for its reply."""
        self.client.incr += 1
        incr = self.client.incr
        reply = self.waiting[incr] = asyncio.get_running_loop().create_future()
        frame = {
            "reqIdentifier": number, "token": self.client.token, "sendID": self.client.account.uid,
            "operationID": f"{time.time_ns()}", "msgIncr": incr, "data": data,
        }  # fmt: skip
        await self.link.send(json.dumps(frame))
        answer = await asyncio.wait_for(reply, REPLY_SECONDS_MAX)
        if answer["errCode"] == TOKEN_REFUSED:
            self.client.token = ""
            raise Again(answer["errMsg"])
        return answer

    async def receive(self) -> None:
        """What was missed, then what comes. The link was open before the question for the newest seq, so nothing
        falls between the two: at worst something comes twice, and its seq tells."""
        answer = await self.request(NEWEST_SEQ)
        if answer["errCode"] != 0:
            raise Again(answer["errMsg"])
        # What lies below minSeq is too old to be pulled: gone for everybody.
        self.client.seq = max(self.client.seq, answer["data"]["minSeq"] - 1)
        await self.pull(answer["data"]["maxSeq"])
        note(f"connected as {self.client.account.uid}, all shown up to seq {self.client.seq}")
        self.caught_up.set()
        while True:
            push = await self.pushes.get()
            seq = push["seq"]
            if seq == 0:
                self.client.show(push)  # stored nowhere
            elif seq == self.client.seq + 1:
                self.client.seq = seq
                self.client.show(push)
            elif seq > self.client.seq:
                # A gap. Mostly our own messages: they are in the inbox, but are not pushed to where they came from.
                await self.pull(seq)

    async def pull(self, newest: int) -> None:
        """Shows everything above `seq`, up to `newest`."""
        while self.client.seq < newest:
            end = min(self.client.seq + PAGE, newest)
            answer = await self.request(PULL, {"seqBegin": self.client.seq + 1, "seqEnd": end})
            if answer["errCode"] != 0:
                raise Again(answer["errMsg"])
            conversations = answer["data"]["single"] + answer["data"]["group"]
            messages = [message for conversation in conversations for message in conversation["list"]]
            for message in sorted(messages, key=lambda message: message["seq"]):
                self.client.seq = message["seq"]
                self.client.show(message)
            self.client.seq = end

    async def send(self) -> None:
        """Sends one message after the other: each waits for the receipt of the one before, so their order holds also
        when one has to be repeated."""
        await self.caught_up.wait()
        client = self.client
        while client.outbox or not client.no_more_lines:
            if not client.outbox:
                client.typed.clear()
                await client.typed.wait()
                continue
            answer = await self.request(SEND, client.outbox[0])
            if answer["errCode"] == UNAVAILABLE:
                raise Again(answer["errMsg"])  # and repeat it, with the same clientMsgID
            message = client.outbox.popleft()
            if answer["errCode"] != 0:
                client.own.discard(message["clientMsgID"])
                note(f"not sent, {answer['errMsg']}: {message['content']}")


def read_lines(loop: asyncio.AbstractEventLoop, client: Client) -> None:
    """Runs on a thread of its own, because reading a terminal cannot be awaited."""
    for line in sys.stdin:
        if line.strip():
            loop.call_soon_threadsafe(client.say, line.rstrip("\n"))
    loop.call_soon_threadsafe(client.end_of_lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Chat with somebody, or with a group.")
    parser.add_argument("--url", default="http://127.0.0.1:10000", help="REST (default: %(default)s)")
    parser.add_argument("--ws", default="ws://127.0.0.1:7777", help="websocket (default: %(default)s)")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--secret", help="the server's secret")
    secret.add_argument("--secret-file", type=Path, help="where it is: the file `secret` in the data directory")
    parser.add_argument("--me", required=True, help="our uid")
    parser.add_argument("--platform", type=int, default=7, choices=range(1, 8), metavar="1-7",
                        help="1 iOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux (default)")  # fmt: skip
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--to", help="whom to write to")
    to.add_argument("--group", help="the id of the group to write to")
    return parser.parse_args()


async def main() -> None:
    given = arguments()
    secret = given.secret or given.secret_file.read_text().strip()
    account = Account(given.url, secret, given.me, given.platform)
    client = Client(account, given.ws, given.to or given.group, SINGLE if given.to else GROUP)
    # A daemon: it may still wait for a line when the client ends.
    lines = threading.Thread(target=read_lines, args=(asyncio.get_running_loop(), client), daemon=True)
    lines.start()
    await client.run()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Kicked:
        raise SystemExit("logged in elsewhere: a newer link of this user and platform took over") from None
    except KeyboardInterrupt:
        pass
