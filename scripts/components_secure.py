"""What the five components need to be spoken to through TLS alone, and with a name and a password.

In: a folder. Out: a CA of its own in it, a certificate for 127.0.0.1 alone, and how each component is logged in to over a
plain socket. Standard library, and the program openssl.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DAYS = "3650"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass
class Tls:
    """Files: the CA, the certificate that it signed, its key, and both of these together."""

    ca: Path
    certificate: Path
    key: Path
    both: Path

    @staticmethod
    def within(folder: Path) -> Tls:
        names = ("ca.pem", "server.pem", "server.key", "server.both.pem")
        return Tls(*(folder / "tls" / name for name in names))

    def make(self) -> None:
        """Once: components that are up keep the certificate that they have read."""
        if self.both.exists():
            return
        self.ca.parent.mkdir(exist_ok=True)
        authority = self.ca.with_suffix(".key")
        new_key = ["-newkey", "rsa:2048", "-nodes", "-sha256"]
        openssl("req", "-x509", *new_key, "-days", DAYS, "-subj", "/CN=trial", "-keyout", authority, "-out", self.ca)
        request, names = self.key.with_suffix(".csr"), self.key.with_suffix(".names")
        openssl("req", *new_key, "-subj", "/CN=component", "-keyout", self.key, "-out", request)
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        openssl(
            "x509", "-req", "-sha256", "-in", request, "-CA", self.ca, "-CAkey", authority, "-CAcreateserial",
            "-days", DAYS, "-extfile", names, "-out", self.certificate,
        )  # fmt: skip
        self.both.write_text(self.key.read_text() + self.certificate.read_text())

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def over(self, link: socket.socket) -> socket.socket:
        return self.context().wrap_socket(link, server_hostname="127.0.0.1")


def openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def kafka_listener(tls: Tls, user: str, password: str) -> dict[str, str]:
    """Settings of a listener named CLIENT, for clients and for the broker's own calls."""
    module = "org.apache.kafka.common.security"
    plain = f'{module}.plain.PlainLoginModule required username="{user}" password="{password}" user_{user}="{password}";'
    return {
        "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": ",".join(("PLAIN", *SCRAM)),
        "listener.name.client.plain.sasl.jaas.config": plain,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(tls.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(tls.ca),
    } | {
        f"listener.name.client.{name.lower()}.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;"
        for name in SCRAM
    }  # fmt: skip


def kafka_login(call: Callable[[int, int, bytes], bytes], user: str, password: str) -> str:
    """PLAIN, by `call(what, version, body)`; what is wrong, or nothing."""
    mechanism, proof = b"PLAIN", f"\0{user}\0{password}".encode()
    answers = (
        call(17, 1, struct.pack(">h", len(mechanism)) + mechanism),
        call(36, 0, struct.pack(">i", len(proof)) + proof),
    )
    errors = [error for answer in answers if (error := struct.unpack_from(">h", answer)[0])]
    return f"not let in: error {errors[0]}" if errors else ""


def mongo_login(call: Callable[[dict[str, Any]], dict[str, Any]], user: str, password: str) -> str:
    """SCRAM-SHA-256, by `call(command)`; what is wrong, or nothing."""
    first = f"n={user},r={secrets.token_hex(12)}"
    answer = call({"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": f"n,,{first}".encode()})
    if answer.get("ok") != 1:
        return str(answer.get("errmsg"))
    told = answer["payload"].decode()
    parts = dict(part.split("=", 1) for part in told.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={parts['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{told},{final}".encode(), "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    payload = f"{final},p={proof}".encode()
    while not answer.get("done"):
        answer = call({"saslContinue": 1, "conversationId": answer["conversationId"], "payload": payload})
        if answer.get("ok") != 1:
            return str(answer.get("errmsg"))
        payload = b""
    return ""
