"""How each of the five components is made, started and asked. In: programs, ports, a folder. Out: commands and answers.

Nothing is started here: scripts/components does that. They are asked over plain sockets, as not all of them come with
a client. Standard library only.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import secrets
import socket
import struct
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER_SECONDS_MAX = 5
USER = "openim"


class NotYet(Exception):
    """It is there and cannot do what it was asked."""


@dataclass
class Folder:
    """Where all of them live: `ports` by name, one password for whoever has one."""

    path: Path
    ports: dict[str, int]
    password: str


class Component:
    """One of the five. `ports` are names, the first is that of its clients; `packages` what apt calls it."""

    name: str
    ports: tuple[str, ...]

    def data(self, folder: Folder) -> Path:
        return folder.path / self.name

    def configure(self, programs: dict[str, str], folder: Folder) -> None:
        """Writes its files before each start: a port may be another one."""

    def once(self, programs: dict[str, str], folder: Folder) -> Iterator[list[str]]:
        """Commands that make its data directory."""
        return iter(())

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        raise NotImplementedError

    def ask(self, folder: Folder) -> None:
        """One operation that a client would do; `NotYet` or an `OSError` if it is not answered."""
        raise NotImplementedError

    def address(self, folder: Folder) -> str:
        raise NotImplementedError

    def port(self, folder: Folder) -> int:
        return folder.ports[self.name]


class Kafka(Component):
    """One node of KRaft, with a small heap."""

    name = "kafka"
    ports = ("kafka", "kafka_controller")

    def configure(self, programs: dict[str, str], folder: Folder) -> None:
        client, controller = (f"127.0.0.1:{folder.ports[name]}" for name in self.ports)
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{client}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": f"{self.data(folder)}/log",
            # A topic that a client made by asking for it would have any number of partitions.
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # The default does not fit into the heap.
            "log.cleaner.dedupe.buffer.size": "8388608",
        }
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.data(folder) / "server.properties").write_text(lines)

    def once(self, programs: dict[str, str], folder: Folder) -> Iterator[list[str]]:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        yield [
            *self._java(programs), "kafka.tools.StorageTool", "format",
            f"--cluster-id={cluster}", "--config", f"{self.data(folder)}/server.properties",
        ]  # fmt: skip

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        return [*self._java(programs), "kafka.Kafka", f"{self.data(folder)}/server.properties"]

    @staticmethod
    def _java(programs: dict[str, str]) -> list[str]:
        return [
            programs["java"], "-Xms64m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", f"{programs['kafka']}/*",
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        """Who leads, and a number for an idempotent producer, as the first produce needs it."""
        with socket.create_connection(("127.0.0.1", self.port(folder)), ANSWER_SECONDS_MAX) as link:
            # Metadata v1 of no topic: brokers, then the id of the controller.
            answer = self._call(link, 3, 1, struct.pack(">i", 0))
            if struct.unpack_from(">i", answer)[0] == 0:
                raise NotYet("it knows no broker")
            # InitProducerId v0 without a transaction.
            answer = self._call(link, 22, 0, struct.pack(">hi", -1, 0))
            if error := struct.unpack_from(">h", answer, 4)[0]:
                raise NotYet(f"error {error}")

    @staticmethod
    def _call(link: socket.socket, what: int, version: int, body: bytes) -> bytes:
        head = struct.pack(">hhih", what, version, 1, -1)
        link.sendall(struct.pack(">i", len(head + body)) + head + body)
        return receive(link, struct.unpack(">i", receive(link, 4))[0])[4:]

    def address(self, folder: Folder) -> str:
        return f"127.0.0.1:{self.port(folder)}"


class MongoDb(Component):
    """A replica set of one: a standalone may lose what it acknowledged."""

    name = "mongodb"
    ports = ("mongodb",)

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        return [
            programs["mongod"], "--dbpath", str(self.data(folder)), "--bind_ip", "127.0.0.1",
            "--port", str(self.port(folder)), "--nounixsocket", "--replSet", "r0", "--wiredTigerCacheSizeGB", "0.25",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        """A write by a majority, once it is the primary; makes it one if need be."""
        with socket.create_connection(("127.0.0.1", self.port(folder)), ANSWER_SECONDS_MAX) as link:
            me = f"127.0.0.1:{self.port(folder)}"
            hello = self._call(link, {"hello": 1})
            if "setName" not in hello:
                members = [{"_id": 0, "host": me}]
                self._call(link, {"replSetInitiate": {"_id": "r0", "version": 1, "members": members}})
            if hello.get("me", me) != me or hello.get("info", "").startswith("Does not have a valid replica set"):
                self._move(link, me)
            if not hello.get("isWritablePrimary"):
                raise NotYet("it is no primary")
            durable = {"w": "majority", "j": True}
            note = self._call(link, {"appendOplogNote": 1, "data": {"asked": 1}, "writeConcern": durable})
            if note.get("ok") != 1:
                raise NotYet(str(note.get("errmsg")))

    def _move(self, link: socket.socket, me: str) -> None:
        """The set's only member has another port than before."""
        config = self._call(link, {"replSetGetConfig": 1}).get("config")
        if config and config["members"][0]["host"] != me:
            members = [{"_id": 0, "host": me}]
            config = {"_id": "r0", "version": config["version"] + 1, "members": members}
            self._call(link, {"replSetReconfig": config, "force": True})

    @staticmethod
    def _call(link: socket.socket, command: dict[str, Any]) -> dict[str, Any]:
        """One OP_MSG and its answer."""
        body = b"\0\0\0\0\0" + bson(command | {"$db": "admin"})
        link.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
        length = struct.unpack("<iiii", receive(link, 16))[0]
        return unbson(receive(link, length - 16)[5:])

    def address(self, folder: Folder) -> str:
        return f"mongodb://127.0.0.1:{self.port(folder)}/?directConnection=true"


class MySql(Component):
    """MariaDB, with a user who may do everything."""

    name = "mysql"
    ports = ("mysql",)

    def configure(self, programs: dict[str, str], folder: Folder) -> None:
        # One statement a line: of several on one only the first is run.
        who = f"'{USER}'@'127.0.0.1'"
        statements = [
            f"CREATE USER IF NOT EXISTS {who} IDENTIFIED BY '{folder.password}';",
            f"GRANT ALL PRIVILEGES ON *.* TO {who} WITH GRANT OPTION;",
        ]
        self._statements(folder).write_text("\n".join(statements) + "\n")
        # mysqld wants its data directory to itself.
        self._tables(folder).mkdir(exist_ok=True)

    def _statements(self, folder: Folder) -> Path:
        return self.data(folder) / "user.sql"

    def _tables(self, folder: Folder) -> Path:
        return self.data(folder) / "tables"

    def once(self, programs: dict[str, str], folder: Folder) -> Iterator[list[str]]:
        yield [
            programs["mariadb-install-db"], "--no-defaults", f"--user={getpass.getuser()}",
            f"--datadir={self._tables(folder)}", "--auth-root-authentication-method=socket", "--skip-test-db",
        ]  # fmt: skip

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        return [
            programs["mariadbd"], "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self._tables(folder)}",
            "--bind-address=127.0.0.1", f"--port={self.port(folder)}", "--skip-name-resolve",
            # Within the data directory: a path to a socket may have 107 bytes.
            "--socket=socket", f"--pid-file={self.data(folder)}/pid", f"--init-file={self._statements(folder)}",
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        command = [
            "mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={self.port(folder)}", f"--user={USER}",
            f"--connect-timeout={ANSWER_SECONDS_MAX}", "--execute=SELECT 1",
        ]  # fmt: skip
        environment = os.environ | {"MYSQL_PWD": folder.password}
        try:
            asked = subprocess.run(
                command, env=environment, capture_output=True, timeout=ANSWER_SECONDS_MAX, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise NotYet("timed out") from None
        if asked.returncode != 0:
            raise NotYet(asked.stderr.decode(errors="replace").strip())

    def address(self, folder: Folder) -> str:
        return f"mysql://{USER}:{folder.password}@127.0.0.1:{self.port(folder)}"


class Redis(Component):
    """Keeps what it is told in a file, behind a password."""

    name = "redis"
    ports = ("redis",)

    def configure(self, programs: dict[str, str], folder: Folder) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port(folder)),
            "dir": f'"{self.data(folder)}"',
            "requirepass": folder.password,
            "appendonly": "yes",
            "daemonize": "no",
        }
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        (self.data(folder) / "redis.conf").write_text(lines)

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        return [programs["redis-server"], f"{self.data(folder)}/redis.conf"]

    def ask(self, folder: Folder) -> None:
        with socket.create_connection(("127.0.0.1", self.port(folder)), ANSWER_SECONDS_MAX) as link:
            link.sendall(f"AUTH {folder.password}\r\nPING\r\n".encode())
            wanted = b"+OK\r\n+PONG\r\n"
            answer = link.recv(len(wanted))
            while len(answer) < len(wanted) and (more := link.recv(len(wanted) - len(answer))):
                answer += more
            if answer != wanted:
                raise NotYet(answer.decode(errors="replace").strip())

    def address(self, folder: Folder) -> str:
        return f"redis://:{folder.password}@127.0.0.1:{self.port(folder)}"


class Etcd(Component):
    """A cluster of one."""

    name = "etcd"
    ports = ("etcd", "etcd_peer")

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        client, peer = (f"http://127.0.0.1:{folder.ports[name]}" for name in self.ports)
        return [
            programs["etcd"], "--name", "n1", "--data-dir", f"{self.data(folder)}/n1",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"n1={peer}",
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.address(folder)}/health", timeout=ANSWER_SECONDS_MAX) as answer:
            health = json.loads(answer.read())
        if health.get("health") != "true":
            raise NotYet(str(health))

    def address(self, folder: Folder) -> str:
        return f"http://127.0.0.1:{self.port(folder)}"


FIVE: dict[str, Component] = {one.name: one for one in (Kafka(), MongoDb(), MySql(), Redis(), Etcd())}


def receive(link: socket.socket, count: int) -> bytes:
    """Exactly so many bytes."""
    parts = b""
    while len(parts) < count:
        part = link.recv(count - len(parts))
        if not part:
            raise NotYet("it closed the connection")
        parts += part
    return parts


def bson(document: dict[str, Any]) -> bytes:
    """Only the kinds of values that are sent here."""
    parts = b""
    for key, value in document.items():
        name = key.encode() + b"\0"
        if isinstance(value, bool):
            parts += b"\x08" + name + bytes([value])
        elif isinstance(value, int):
            parts += b"\x10" + name + struct.pack("<i", value)
        elif isinstance(value, str):
            text = value.encode() + b"\0"
            parts += b"\x02" + name + struct.pack("<i", len(text)) + text
        elif isinstance(value, list):
            parts += b"\x04" + name + bson({str(index): item for index, item in enumerate(value)})
        else:
            parts += b"\x03" + name + bson(value)
    return struct.pack("<i", len(parts) + 5) + parts + b"\0"


# The length of each kind of value that has a fixed one, and how it is read if that matters here.
FIXED = {0x01: (8, "<d"), 0x07: (12, ""), 0x08: (1, "<?"), 0x09: (8, "<q"), 0x0A: (0, ""), 0x10: (4, "<i"),
         0x11: (8, "<Q"), 0x12: (8, "<q")}  # fmt: skip


def unbson(data: bytes) -> dict[str, Any]:
    """What is not understood is left out; bytes are."""
    document: dict[str, Any] = {}
    at = 4
    while data[at]:
        kind = data[at]
        end = data.index(0, at + 1)
        key, at = data[at + 1 : end].decode(), end + 1
        if kind in FIXED:
            size, form = FIXED[kind]
            if form:
                document[key] = struct.unpack_from(form, data, at)[0]
        else:
            size = struct.unpack_from("<i", data, at)[0]
            if kind in (0x03, 0x04):
                value = unbson(data[at : at + size])
                document[key] = value if kind == 0x03 else list(value.values())
            elif kind == 0x02:
                document[key] = data[at + 4 : at + 3 + size].decode()
                size += 4
            elif kind == 0x05:
                size += 5
            else:
                raise NotYet(f"an answer with a value of kind {kind}")
        at += size
    return document
