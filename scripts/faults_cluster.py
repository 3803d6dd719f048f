"""A cluster of its own for scripts/faults: the five components, and processes of each role.

In: a folder, the built program (feature `cluster`). Out: roles that can be killed, stopped, paused and started again,
components that can be killed, stalled and started again. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from faults_disk import SmallDisk
from under_test import ROOT, SECRET, Server, free_ports

FIVE = ("kafka", "mongodb", "mysql", "redis", "etcd")
# Few enough that each is busy, more than there are transfers.
PARTITIONS = 8
# How many processes of each role there are.
ROLES = {"api": 1, "gateway": 2, "transfer": 2}


class Components:
    """The five, with their data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> str:
        """What it printed; a failure ends this script."""
        with self.begin(*arguments) as begun:
            shown, complaint = begun.communicate()
        if begun.returncode != 0:
            raise SystemExit(f"scripts/components {' '.join(arguments)}:\n{shown}{complaint}")
        return shown

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "scripts/components"), *arguments]
        environment = os.environ | {"OPENIM_COMPONENTS_DIR": str(self.folder)}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, text=True, stdout=pipe, stderr=pipe)

    def stall(self, name: str, seconds: float) -> subprocess.Popen[str]:
        """It stands still when this returns, and goes on when the process that is returned has ended."""
        begun = self.begin("stall", str(seconds), name)
        if "stopped" not in (line := begun.stdout.readline() if begun.stdout else ""):
            raise SystemExit(f"scripts/components stall {name}: {line}{begun.communicate()[1]}")
        return begun

    def data(self, name: str) -> Path:
        return self.folder / name

    def is_up(self, name: str) -> bool:
        """Whether it runs and answers."""
        with self.begin("status", name) as begun:
            begun.communicate()
        return begun.returncode == 0

    def says(self, name: str, what: re.Pattern[str], since: int = 0) -> str:
        """The first line of its log, behind so many bytes, in which this is found."""
        with (self.folder / f"{name}.log").open("rb") as log:
            log.seek(since)
            lines = log.read().decode(errors="replace").splitlines()
        return next((line for line in lines if what.search(line)), "")

    def log_bytes(self, name: str) -> int:
        return (self.folder / f"{name}.log").stat().st_size

    def archived(self, settings: dict[str, str], prefix: str) -> tuple[Counter[str], list[str]]:
        """How often each message whose id begins so is in the archive, and why messages are not."""
        host, _, port = settings["OPENIM_MYSQL_DBADDRESS"].rpartition(":")
        asked = f"SELECT client_msg_id FROM chat_log WHERE client_msg_id LIKE '{prefix}%'; SELECT '', reason FROM dead_letter"
        command = [
            "mariadb", "--no-defaults", f"--host={host}", f"--port={port}", "--batch", "--skip-column-names", "--quick",
            f"--user={settings['OPENIM_MYSQL_DBUSERNAME']}", f"--execute={asked}", settings["OPENIM_MYSQL_DBDATABASENAME"],
        ]  # fmt: skip
        environment = os.environ | {"MYSQL_PWD": settings["OPENIM_MYSQL_DBPASSWORD"]}
        answered = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if answered.returncode != 0:
            raise SystemExit(f"the archive cannot be read: {answered.stderr}")
        rows = answered.stdout.splitlines()
        dead = [row.strip() for row in rows if row.startswith("\t")]
        return Counter(row for row in rows if not row.startswith("\t")), dead

    def addresses(self) -> dict[str, str]:
        """As URLs, without a scheme where a component has none."""
        lines = [line.removeprefix("export OPENIM_TEST_") for line in self.run("env").splitlines()]
        return {name.lower(): value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def settings(addresses: dict[str, str], name: str) -> dict[str, str]:
    """The variables that make a process one of cluster `name`, which shares nothing with another one."""
    mysql, redis = urlsplit(addresses["mysql"]), urlsplit(addresses["redis"])
    return {
        "OPENIM_ENGINE": "cluster",
        "OPENIM_CLUSTER_NAME": name,
        "OPENIM_CLUSTER_PARTITIONS": str(PARTITIONS),
        "OPENIM_CLUSTER_SECRET": "between-processes-under-test",
        "OPENIM_TOKENPOLICY_ACCESSSECRET": "of-tokens-under-test",
        "OPENIM_SECRET": SECRET,
        "OPENIM_ETCD_ETCDADDR": urlsplit(addresses["etcd"]).netloc,
        "OPENIM_ETCD_ETCDSCHEMA": name,
        "OPENIM_MYSQL_DBADDRESS": f"{mysql.hostname}:{mysql.port}",
        "OPENIM_MYSQL_DBUSERNAME": mysql.username or "",
        "OPENIM_MYSQL_DBPASSWORD": mysql.password or "",
        "OPENIM_MYSQL_DBDATABASENAME": name,
        "OPENIM_MONGO_DBADDRESS": urlsplit(addresses["mongodb"]).netloc,
        "OPENIM_MONGO_DBDIRECT": "true",
        "OPENIM_MONGO_DBDATABASE": name,
        "OPENIM_REDIS_DBADDRESS": f"{redis.hostname}:{redis.port}",
        "OPENIM_REDIS_DBPASSWORD": redis.password or "",
        "OPENIM_KAFKA_WS2MSCHAT_ADDR": addresses["kafka"],
        "OPENIM_KAFKA_WS2MSCHAT_TOPIC": f"{name}_chat",
        "OPENIM_KAFKA_MS2PSCHAT_ADDR": addresses["kafka"],
        "OPENIM_KAFKA_MS2PSCHAT_TOPIC": f"{name}_push",
        "OPENIM_KAFKA_CONSUMERGROUPID_MSGTOMONGO": f"{name}_mongo",
        "OPENIM_KAFKA_CONSUMERGROUPID_MSGTOMYSQL": f"{name}_mysql",
    }


class Role(Server):
    """One process of a role. It comes back on the same ports."""

    def __init__(self, role: str, number: int, of_cluster: dict[str, str]) -> None:
        self.role, self.name = role, f"{role}{number}"
        super().__init__(settings=of_cluster | {"OPENIM_CLUSTER_LISTEN": f"127.0.0.1:{free_ports(1)[0]}"})

    def command(self) -> list[str]:
        return [str(self.program), self.role]

    def ready(self) -> tuple[bool, str]:
        """What /readyz says."""
        try:
            with urllib.request.urlopen(self.addresses["operator"] + "/readyz", timeout=10) as answer:
                return True, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return False, refused.read().decode()
        except OSError as cause:
            return False, str(cause)

    def metric(self, name: str) -> float:
        """The value of a figure without labels."""
        with urllib.request.urlopen(self.addresses["operator"] + "/metrics", timeout=10) as answer:
            lines = [line.split() for line in answer.read().decode().splitlines()]
        return next(float(line[1]) for line in lines if line and line[0] == name)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Cluster:
    """Components that are up, and the roles on them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.components = Components(folder)
        for component in FIVE:  # A run that was killed has left it so.
            if (disk := SmallDisk(self.components.data(component))).is_mounted():
                self.components.run("down", component)
                disk.drop()
        self.components.run("up")
        self.name, self.settings = name, settings(self.components.addresses(), name)
        self.roles = [Role(role, number, self.settings) for role, count in ROLES.items() for number in range(count)]

    def of(self, role: str) -> list[Role]:
        return [one for one in self.roles if one.role == role]

    def without_share(self) -> str:
        """Why the partitions of both topics are not shared out among the transfers that are there; empty: they are."""
        owned, transfers = [], [role for role in self.of("transfer") if role.alive()]
        for role in transfers:
            ready, says = role.ready()
            if not ready or "share of the" in says:
                return f"{role.name}: {says.strip()}"
            try:
                owned.append(int(role.metric("openim_transfer_partitions")))
            except (OSError, StopIteration) as cause:
                return f"{role.name}: {cause}"
        return "" if all(owned) and sum(owned) == 2 * PARTITIONS else f"they own {owned} of {2 * PARTITIONS}"

    def metrics(self) -> str:
        """For a person: what each role says of itself."""
        return "\n".join(f"{role.name}: {json.dumps(role.ready())}" for role in self.roles)

    def end(self, keep: bool) -> None:
        for role in self.roles:
            if role.alive():
                role.go_on()
                role.kill()
        if not keep:
            self.components.run("down")
