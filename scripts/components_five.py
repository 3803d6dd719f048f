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
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components_secure import SCRAM, Tls, kafka_listener, kafka_login, mongo_login

ANSWER_SECONDS_MAX = 5
USER = "openim"


class NotYet(Exception):
    """It is there and cannot do what it was asked."""


@dataclass
class Folder:
    """Where all of them live: `ports` by name, one password for whoever has one; with `tls` all have one, and no other way
    in than TLS."""

    path: Path
    ports: dict[str, int]
    password: str
    tls: Tls | None = None

    def connect(self, port: int) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS_MAX)
        return self.tls.over(link) if self.tls else link


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

    def settings(self, folder: Folder) -> dict[str, str]:
        """What a server must be told beyond the address, where there is TLS: its variables, without `OPENIM_`."""
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
        if folder.tls:
            settings["listeners"] = settings["listeners"].replace("PLAINTEXT", "CLIENT")
            settings["advertised.listeners"] = f"CLIENT://{client}"
            settings |= kafka_listener(folder.tls, USER, folder.password)
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.data(folder) / "server.properties").write_text(lines)

    def once(self, programs: dict[str, str], folder: Folder) -> Iterator[list[str]]:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        yield [
            *self._java(programs), "kafka.tools.StorageTool", "format",
            f"--cluster-id={cluster}", "--config", f"{self.data(folder)}/server.properties",
            *(f"--add-scram={name}=[name={USER},password={folder.password}]" for name in SCRAM if folder.tls),
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
        with folder.connect(self.port(folder)) as link:
            call = lambda what, version, body: self._call(link, what, version, body)
            if folder.tls and (why := kafka_login(call, USER, folder.password)):
                raise NotYet(why)
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

    def settings(self, folder: Folder) -> dict[str, str]:
        return {
            "KAFKA_WS2MSCHAT_ADDR": self.address(folder),
            "KAFKA_MS2PSCHAT_ADDR": self.address(folder),
            "KAFKA_TLS": "true",
            "KAFKA_USERNAME": USER,
            "KAFKA_PASSWORD": folder.password,
            "KAFKA_SASLMECHANISM": SCRAM[1],
            "KAFKA_REPLICAS": "1",
        }


class MongoDb(Component):
    """A replica set of one: a standalone may lose what it acknowledged."""

    name = "mongodb"
    ports = ("mongodb",)

    def configure(self, programs: dict[str, str], folder: Folder) -> None:
        # What members of a set show each other; without it nobody has to show anything.
        if folder.tls:
            self._members(folder).write_text(folder.password)

    def _members(self, folder: Folder) -> Path:
        return self.data(folder) / "members"

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        secure = [
            "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(folder.tls.both),
            "--tlsCAFile", str(folder.tls.ca), "--tlsAllowConnectionsWithoutCertificates",
            "--keyFile", str(self._members(folder)),
        ] if folder.tls else []  # fmt: skip
        return [
            programs["mongod"], "--dbpath", str(self.data(folder)), "--bind_ip", "127.0.0.1",
            "--port", str(self.port(folder)), "--nounixsocket", "--replSet", "r0", "--wiredTigerCacheSizeGB", "0.25",
            "--setParameter", "diagnosticDataCollectionEnabled=false", *secure,
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        """A write by a majority, once it is the primary; makes it one if need be."""
        with folder.connect(self.port(folder)) as link:
            me = f"127.0.0.1:{self.port(folder)}"
            hello = self._call(link, {"hello": 1})
            if "setName" not in hello:
                members = [{"_id": 0, "host": me}]
                self._call(link, {"replSetInitiate": {"_id": "r0", "version": 1, "members": members}})
            if folder.tls:
                self._log_in(link, folder, hello)
            if hello.get("me", me) != me or hello.get("info", "").startswith("Does not have a valid replica set"):
                self._move(link, me)
            if not hello.get("isWritablePrimary"):
                raise NotYet("it is no primary")
            durable = {"w": "majority", "j": True}
            note = self._call(link, {"appendOplogNote": 1, "data": {"asked": 1}, "writeConcern": durable})
            if note.get("ok") != 1:
                raise NotYet(str(note.get("errmsg")))

    def _log_in(self, link: socket.socket, folder: Folder, hello: dict[str, Any]) -> None:
        """As the one user; without any user whoever asks from this machine may make the first."""
        call = lambda command: self._call(link, command)
        why = mongo_login(call, USER, folder.password)
        if why and hello.get("isWritablePrimary"):
            call({"createUser": USER, "pwd": folder.password, "roles": ["root"]})
            why = mongo_login(call, USER, folder.password)
        if why:
            raise NotYet(why)

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

    def settings(self, folder: Folder) -> dict[str, str]:
        return {
            "MONGO_DBADDRESS": f"127.0.0.1:{self.port(folder)}",
            "MONGO_DBDIRECT": "true",
            "MONGO_TLS": "true",
            "MONGO_DBUSERNAME": USER,
            "MONGO_DBPASSWORD": folder.password,
        }


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
            *self._secure(folder),
        ]  # fmt: skip

    @staticmethod
    def _secure(folder: Folder) -> list[str]:
        if not folder.tls:
            return []
        tls = folder.tls
        return [
            f"--ssl-ca={tls.ca}", f"--ssl-cert={tls.certificate}", f"--ssl-key={tls.key}",
            "--require-secure-transport=ON",
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        command = [
            "mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={self.port(folder)}", f"--user={USER}",
            f"--connect-timeout={ANSWER_SECONDS_MAX}", "--execute=SELECT 1",
            *([f"--ssl-ca={folder.tls.ca}", "--ssl-verify-server-cert"] if folder.tls else []),
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

    def settings(self, folder: Folder) -> dict[str, str]:
        return {
            "MYSQL_DBADDRESS": f"127.0.0.1:{self.port(folder)}",
            "MYSQL_TLS": "true",
            "MYSQL_DBUSERNAME": USER,
            "MYSQL_DBPASSWORD": folder.password,
        }


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
        if folder.tls:
            del settings["requirepass"]
            settings |= {
                "port": "0",
                "tls-port": str(self.port(folder)),
                "tls-cert-file": str(folder.tls.certificate),
                "tls-key-file": str(folder.tls.key),
                "tls-ca-cert-file": str(folder.tls.ca),
                "tls-auth-clients": "no",
                "user default": "off",
                f"user {USER}": f"on >{folder.password} ~* &* +@all -@admin -@dangerous +info",
            }
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        (self.data(folder) / "redis.conf").write_text(lines)

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        return [programs["redis-server"], f"{self.data(folder)}/redis.conf"]

    def ask(self, folder: Folder) -> None:
        account = f"{USER} {folder.password}" if folder.tls else folder.password
        with folder.connect(self.port(folder)) as link:
            link.sendall(f"AUTH {account}\r\nPING\r\n".encode())
            wanted = b"+OK\r\n+PONG\r\n"
            answer = link.recv(len(wanted))
            while len(answer) < len(wanted) and (more := link.recv(len(wanted) - len(answer))):
                answer += more
            if answer != wanted:
                raise NotYet(answer.decode(errors="replace").strip())

    def address(self, folder: Folder) -> str:
        return f"redis://:{folder.password}@127.0.0.1:{self.port(folder)}"

    def settings(self, folder: Folder) -> dict[str, str]:
        return {
            "REDIS_DBADDRESS": f"127.0.0.1:{self.port(folder)}",
            "REDIS_TLS": "true",
            "REDIS_USERNAME": USER,
            "REDIS_DBPASSWORD": folder.password,
        }


class RedisNode(Redis):
    """One of three that are a Redis Cluster together: a third of the slots each, no replicas."""

    SLOTS = {"redis1": (0, 5_460), "redis2": (5_461, 10_922), "redis3": (10_923, 16_383)}

    def __init__(self, name: str) -> None:
        self.name, self.ports = name, (name, f"{name}_bus")

    def configure(self, programs: dict[str, str], folder: Folder) -> None:
        super().configure(programs, folder)
        settings = {
            "masterauth": folder.password,
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-port": str(folder.ports[self.ports[1]]),
            # A short look-out: a test waits for it.
            "cluster-node-timeout": "5000",
        }
        with (self.data(folder) / "redis.conf").open("a") as file:
            file.writelines(f"{key} {value}\n" for key, value in settings.items())

    def ask(self, folder: Folder) -> None:
        """Whether the cluster is whole; takes its slots and meets the others, which do the same."""
        super().ask(folder)
        first, last = self.SLOTS[self.name]
        # Refused where they have it already.
        self._tell(folder, f"CLUSTER ADDSLOTSRANGE {first} {last}")
        for other in self.SLOTS:
            port, bus = folder.ports.get(other), folder.ports.get(f"{other}_bus")
            if port is None or bus is None:
                raise NotYet(f"{other} has not been started")
            if other != self.name:
                self._tell(folder, f"CLUSTER MEET 127.0.0.1 {port} {bus}")
        info = self._tell(folder, "CLUSTER INFO")
        if "cluster_state:ok" not in info or f"cluster_size:{len(self.SLOTS)}" not in info:
            raise NotYet("the cluster is not whole")

    def _tell(self, folder: Folder, command: str) -> str:
        with folder.connect(self.port(folder)) as link:
            link.sendall(f"AUTH {folder.password}\r\n{command}\r\nQUIT\r\n".encode())
            return link.makefile().read()


class Etcd(Component):
    """A cluster of one."""

    name = "etcd"
    ports = ("etcd", "etcd_peer")

    def command(self, programs: dict[str, str], folder: Folder) -> list[str]:
        peer = f"http://127.0.0.1:{folder.ports[self.ports[1]]}"
        client = self.address(folder)
        # With an authority too it would want a certificate of every client.
        secure = ["--cert-file", str(folder.tls.certificate), "--key-file", str(folder.tls.key)] if folder.tls else []
        return [
            programs["etcd"], "--name", "n1", "--data-dir", f"{self.data(folder)}/n1",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"n1={peer}",
            *secure,
        ]  # fmt: skip

    def ask(self, folder: Folder) -> None:
        health = self._call(folder, "/health")
        if health.get("health") != "true":
            raise NotYet(str(health))
        if folder.tls:
            self._demand_accounts(folder)

    def _demand_accounts(self, folder: Folder) -> None:
        """Makes whoever may do all, and the user, who may do what a server does: keep keys below its schema."""
        login = {"name": USER, "password": folder.password}
        if "token" in self._call(folder, "/v3/auth/authenticate", login):
            return
        every_key = {"permType": "READWRITE", "key": "Lw==", "range_end": "MA=="}  # From / up to 0, which follows it.
        for path, body in (
            ("user/add", {"name": "root", "password": folder.password}),
            ("role/add", {"name": "root"}),
            ("user/grant", {"user": "root", "role": "root"}),
            ("user/add", login),
            ("role/add", {"name": USER}),
            ("role/grant", {"name": USER, "perm": every_key}),
            ("user/grant", {"user": USER, "role": USER}),
            ("enable", {}),
        ):
            self._call(folder, f"/v3/auth/{path}", body)
        if "token" not in (answer := self._call(folder, "/v3/auth/authenticate", login)):
            raise NotYet(str(answer))

    def _call(self, folder: Folder, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer, also where it is a refusal."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if folder.tls:
            handlers.append(urllib.request.HTTPSHandler(context=folder.tls.context()))
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(*handlers)
        try:
            with opener.open(f"{self.address(folder)}{path}", data, timeout=ANSWER_SECONDS_MAX) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())

    def address(self, folder: Folder) -> str:
        return f"{'https' if folder.tls else 'http'}://127.0.0.1:{self.port(folder)}"

    def settings(self, folder: Folder) -> dict[str, str]:
        return {
            "ETCD_ETCDADDR": f"127.0.0.1:{self.port(folder)}",
            "ETCD_TLS": "true",
            "ETCD_USERNAME": USER,
            "ETCD_PASSWORD": folder.password,
        }


FIVE: dict[str, Component] = {one.name: one for one in (Kafka(), MongoDb(), MySql(), Redis(), Etcd())}
# Started by name alone.
MORE: dict[str, Component] = {name: RedisNode(name) for name in RedisNode.SLOTS}


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
        elif isinstance(value, bytes):
            parts += b"\x05" + name + struct.pack("<i", len(value)) + b"\0" + value
        elif isinstance(value, list):
            parts += b"\x04" + name + bson({str(index): item for index, item in enumerate(value)})
        else:
            parts += b"\x03" + name + bson(value)
    return struct.pack("<i", len(parts) + 5) + parts + b"\0"


# The length of each kind of value that has a fixed one, and how it is read if that matters here.
FIXED = {0x01: (8, "<d"), 0x07: (12, ""), 0x08: (1, "<?"), 0x09: (8, "<q"), 0x0A: (0, ""), 0x10: (4, "<i"),
         0x11: (8, "<Q"), 0x12: (8, "<q")}  # fmt: skip


def unbson(data: bytes) -> dict[str, Any]:
    """What is not understood is left out."""
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
                document[key] = data[at + 5 : at + 5 + size]
                size += 5
            else:
                raise NotYet(f"an answer with a value of kind {kind}")
        at += size
    return document
