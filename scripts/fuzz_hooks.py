"""What schemathesis cannot guess: the secret, tokens that are good, users and groups that exist.

Loaded by schemathesis through `SCHEMATHESIS_HOOKS`; scripts/fuzz_rest tells what there is in FUZZ_REST. Most calls
get something real in the place of the texts that were made up, so that they come further than the first check; the
rest stay as they are. Which ones is a matter of the body, not of chance.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import schemathesis

REAL = json.loads(os.environ["FUZZ_REST"])

# Answers with HTTP 500 that are rules of the wire and no failures of the server, by path and text.
RULES = {
    "/auth/user_register": ["The account is already registered and cannot be registered again"],
    "/auth/user_token": ["user is not registered"],
    "/group/transfer_group": ["record not found", "the self"],
}

USER_KEYS = {"uid", "recvID", "receive_uid", "ownerUid", "userId", "fromUserID"}
USER_LISTS = {"uidList", "userIDList", "memberList", "forceList"}
GROUP_KEYS = {"groupID", "groupId"}


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    body = case.body
    chance = zlib.crc32(repr(body).encode(errors="replace"))
    for_managers = case.operation.path.startswith("/manager/") or case.operation.path == "/friend/import_friend"
    if chance % 8:
        token = REAL["manager"] if for_managers and chance % 4 else REAL["token"]
        case.headers["token"] = token
    if isinstance(body, dict) and not case.operation.path.startswith("/auth/"):
        make_real(body, chance)
    elif isinstance(body, dict) and isinstance(body.get("secret"), str) and chance % 4:
        # The uid stays: a new token of the user whose token is in use would end that.
        body["secret"] = REAL["secret"]


def make_real(body: dict[str, Any], chance: int) -> None:
    """Puts what exists in the place of texts, level by level."""
    for place, (key, value) in enumerate(list(body.items())):
        chosen = (chance >> place % 24) % 4
        if isinstance(value, dict):
            make_real(value, chance)
        elif key == "sendID" and isinstance(value, str):
            body[key] = REAL["users"][0] if chosen else value
        elif key == "secret" and isinstance(value, str):
            body[key] = REAL["secret"] if chosen else value
        elif key in USER_KEYS and isinstance(value, str) and chosen:
            body[key] = REAL["users"][chosen % len(REAL["users"])]
        elif key in GROUP_KEYS and isinstance(value, str) and chosen and REAL["group"]:
            body[key] = REAL["group"]
        elif key == "groupIDList" and isinstance(value, list) and chosen:
            body[key] = value[:5] + [REAL["group"]]
        elif key in USER_LISTS and isinstance(value, list) and chosen:
            body[key] = [element for element in value[:5] if not isinstance(element, dict)] + REAL["users"]


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: schemathesis.Case, response: Any) -> bool:
    """A rule that answers with HTTP 500 is no server error."""
    if type(failure).__name__ != "ServerError":
        return True
    try:
        text = json.loads(response.content).get("errMsg")
    except ValueError:
        return True
    return text not in RULES.get(case.operation.path, [])
