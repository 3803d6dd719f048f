"""The books of scripts/ordeal: what was sent, what was acknowledged, what every inbox shows, and whether they agree.

In: each send, each receipt, each message that a push or a pull shows. Out: faults. Never: talks to the server.
"""

from __future__ import annotations

import math
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SINGLE, GROUP = 1, 2
FAULTS_SHOWN = 40
TIPS_FROM = 200  # content types above it are notices of the server; they take a seq and are in no book


def content_of(client_msg_id: str) -> str:
    """The text of a message, by its id: short mostly, some of kilobytes, a few of tens of them."""
    chance = zlib.crc32(client_msg_id.encode())
    length = chance % 120 if chance % 10 < 8 else chance % 4_000 if chance % 100 < 98 else chance % 30_000
    return f"{client_msg_id} " + "é<&>\\\"" * (length // 6)


@dataclass(slots=True)
class Sent:
    """A message, with what became of it."""

    lane: "LaneBook"
    number: int
    age: int  # of the clock: a message of an older one is not repeated
    born: float
    server_id: str = ""
    acknowledged: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.lane.name}.{self.number}"


@dataclass(slots=True)
class LaneBook:
    """What one user sends to one receiver, one message after the other, so that its order is known."""

    name: str
    sender: str
    kind: int
    target: str
    holders: frozenset[str]  # whose inboxes must have it, the sender's among them
    sent: list[Sent] = field(default_factory=list)

    def new(self, age: int) -> Sent:
        message = Sent(self, len(self.sent), age, time.monotonic())
        self.sent.append(message)
        return message


@dataclass(slots=True)
class Guest:
    """A member who comes and goes. Times between which they were surely in, or surely out; else nobody knows."""

    uid: str
    group: str
    inside: list[tuple[float, float]] = field(default_factory=list)
    outside: list[tuple[float, float]] = field(default_factory=list)


class Books:
    def __init__(self) -> None:
        self.lanes: dict[str, LaneBook] = {}
        self.inboxes: dict[str, dict[int, tuple[str, str]]] = {}
        self.times: dict[str, int] = {}  # when each message was sent, as the first inbox has it
        self.guests: list[Guest] = []
        # Whether a message's members are looked up behind the log, later than it is acknowledged: whoever is let in or
        # removed again meanwhile may or may not get it. It was by when somebody was shown it.
        self.expands_late = False
        self.shown: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def fault(self, text: str) -> None:
        self.counts["faults"] += 1
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(text[:600])

    def lane(self, sender: str, kind: int, target: str, holders: set[str]) -> LaneBook:
        lane = LaneBook(f"{sender}-{target}", sender, kind, target, frozenset(holders | {sender}))
        return self.lanes.setdefault(lane.name, lane)

    def find(self, client_msg_id: str) -> Sent | None:
        name, _, number = client_msg_id.rpartition(".")
        lane = self.lanes.get(name)
        if lane is None or not number.isdigit() or int(number) >= len(lane.sent):
            return None
        return lane.sent[int(number)]

    def receipt(self, message: Sent, data: dict[str, Any]) -> None:
        """The server has said that the message is on its disk."""
        if data.get("clientMsgID") != message.id or not data.get("serverMsgID"):
            self.fault(f"the receipt of {message.id} is {data}")
        if message.server_id not in ("", data["serverMsgID"]):
            self.fault(f"{message.id} has two receipts: {message.server_id}, {data['serverMsgID']}")
        message.server_id = data["serverMsgID"]
        message.acknowledged = time.monotonic()
        self.counts["acknowledged"] += 1

    def seen(self, uid: str, message: dict[str, Any], how: str) -> None:
        """An inbox has shown a message: under this seq it stays for ever."""
        seq, ids = message["seq"], (message["serverMsgID"], message["clientMsgID"])
        inbox = self.inboxes.setdefault(uid, {})
        known = inbox.setdefault(seq, ids)
        self.counts[how] += 1
        self.shown.setdefault(ids[1], time.monotonic())
        if known != ids:
            self.fault(f"{how} of {uid}: seq {seq} was {known} and is now {ids}")
        elif message["contentType"] <= TIPS_FROM and (sent := self.find(ids[1])) is not None:
            receiver = sent.lane.target if sent.lane.kind == SINGLE else f"{uid} {sent.lane.target}"
            shown = (message["sendID"], message["recvID"], message["content"])
            if shown != (sent.lane.sender, receiver, content_of(sent.id)):
                self.fault(f"{how} of {uid}: {sent.id} is altered: {str(shown)[:300]}")
            if (time_ := self.times.setdefault(ids[1], message["sendTime"])) != message["sendTime"]:
                self.fault(f"{how} of {uid}: {sent.id} was sent at {message['sendTime']}, elsewhere at {time_}")

    def audit_inbox(self, uid: str, first: int, newest: int, pulled: dict[int, dict[str, Any]]) -> None:
        """Compares a whole inbox, as pulled at the end, with everything that is known."""
        if (first, newest) != (1, len(pulled)) or sorted(pulled) != list(range(1, newest + 1)):
            missing = sorted(set(range(1, newest + 1)) - set(pulled))
            self.fault(f"{uid}: minSeq {first}, maxSeq {newest}, {len(pulled)} pulled, missing {missing[:10]}")
        gone = sorted(set(self.inboxes.get(uid, {})) - set(pulled))
        if gone:
            self.fault(f"{uid}: {len(gone)} seqs were shown once and are gone, such as {gone[:10]}")
        for message in pulled.values():
            self.seen(uid, message, "audited")
        mine = [message for _, message in sorted(pulled.items()) if message["contentType"] <= TIPS_FROM]
        for client_msg_id, times in Counter(message["clientMsgID"] for message in mine).items():
            if times > 1:
                self.fault(f"{uid}: {client_msg_id} is there {times} times")
        self._audit_order(uid, mine)
        self._audit_presence(uid, mine)

    def _audit_order(self, uid: str, mine: list[dict[str, Any]]) -> None:
        """A lane waits for each receipt before it goes on, so acknowledged numbers only rise."""
        highest: dict[str, int] = {}
        for message in mine:
            sent = self.find(message["clientMsgID"])
            if sent is None or uid not in sent.lane.holders | {guest.uid for guest in self.guests}:
                self.fault(f"{uid}: has {message['clientMsgID']}, which nobody sent them")
            elif sent.acknowledged:
                if message["serverMsgID"] != sent.server_id:
                    self.fault(f"{uid}: {sent.id} is {message['serverMsgID']}, its receipt said {sent.server_id}")
                if sent.number < highest.get(sent.lane.name, -1):
                    self.fault(f"{uid}: {sent.id} comes after {highest[sent.lane.name]} of that lane")
                highest[sent.lane.name] = max(sent.number, highest.get(sent.lane.name, -1))

    def _audit_presence(self, uid: str, mine: list[dict[str, Any]]) -> None:
        have = {message["clientMsgID"] for message in mine}
        for lane in self.lanes.values():
            due = [sent.id for sent in lane.sent if sent.acknowledged] if uid in lane.holders else []
            lost = [name for name in due if name not in have]
            if lost:
                self.fault(f"{uid}: {len(lost)} acknowledged messages of {lane.name} are not there: {lost[:5]}")
        for guest in self.guests:
            if guest.uid == uid:
                self._audit_guest(guest, have)

    def _audit_guest(self, guest: Guest, have: set[str]) -> None:
        """In while it was sent: has it. Out from before it was sent until it was decided who gets it: has it not."""
        for lane in self.lanes.values():
            for sent in lane.sent if lane.target == guest.group else []:
                decided = self.shown.get(sent.id, math.inf) if self.expands_late else sent.acknowledged
                within = [sent.acknowledged and a <= sent.born and decided <= b for a, b in guest.inside]
                beyond = [sent.acknowledged and a <= sent.born and decided <= b for a, b in guest.outside]
                self.counts["while the guest was in"] += any(within)
                self.counts["while the guest was out"] += any(beyond)
                if any(within) and sent.id not in have:
                    self.fault(f"{guest.uid}: was a member and has not {sent.id}")
                if any(beyond) and sent.id in have:
                    self.fault(f"{guest.uid}: was removed and has {sent.id}")

    def audit_archive(self, archived: Counter[str]) -> None:
        """`openim archive` prints each acknowledged message exactly once, and none twice."""
        for lane in self.lanes.values():
            for sent in lane.sent:
                times = archived[sent.id]
                if times > 1 or (sent.acknowledged and times == 0):
                    self.fault(f"the archive has {sent.id} {times} times")
