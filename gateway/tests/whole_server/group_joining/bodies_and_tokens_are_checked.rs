//! Every route about joining checks its body, then its token; a refused call changes nothing.

use serde_json::{Value, json};

use super::{Staffed, answering, apply, flagged, flags, shown};
use crate::support::http::Answer;
use crate::support::platform::IOS;
use crate::support::rest::{op, plain};

/// How a route answers a token that is not good.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    List,
    Strict,
}

impl Style {
    fn status(self) -> u16 {
        if matches!(self, Style::Strict) { 400 } else { 200 }
    }

    fn answer(self) -> Value {
        match self {
            Style::Plain => plain(200, "Parse token failed"),
            Style::List => json!({"errCode": 200, "errMsg": "Parse token failed", "data": []}),
            Style::Strict => plain(400, "token validate err"),
        }
    }
}

/// A route with a good body and the fields that it needs.
type Route = (&'static str, Value, &'static [&'static str], Style);

fn routes(group: &str) -> Vec<Route> {
    let of = |mut more: Value| {
        more["groupID"] = json!(group);
        op(more)
    };
    vec![
        ("join_group", of(json!({"message": "m"})), &["operationID", "groupID"], Style::Plain),
        ("get_group_applicationList", op(json!({})), &["operationID"], Style::Strict),
        (
            "group_application_response",
            answering(group, "ann", 1),
            &["operationID", "groupID", "fromUserID", "toUserID"],
            Style::Strict,
        ),
        (
            "set_group_info",
            of(json!({"groupName": "changed"})),
            &["operationID", "groupID"],
            Style::Plain,
        ),
        (
            "get_groups_info",
            op(json!({"groupIDList": [group]})),
            &["operationID", "groupIDList"],
            Style::List,
        ),
        ("get_joined_group_list", op(json!({})), &["operationID"], Style::List),
    ]
}

#[test]
fn bodies_are_checked_before_tokens() {
    let Staffed { server, mut owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    apply(&server, &ann, &group);
    let good = owner.clone();
    for token in [good.token.clone(), "garbage".to_owned()] {
        owner.token = token;
        for (route, good, required, _) in routes(&group) {
            server.assert_binds(&owner, &format!("/group/{route}"), &good, required);
        }
        for (route, key, wrong) in [
            ("join_group", "message", json!(1)),
            ("set_group_info", "groupName", json!(["a"])),
            ("set_group_info", "faceUrl", json!({})),
            ("get_groups_info", "groupIDList", json!("one")),
            ("get_groups_info", "groupIDList", json!([1])),
            ("group_application_response", "handleResult", json!("1")),
            ("group_application_response", "handleResult", json!(1.5)),
            ("group_application_response", "handleResult", json!(4_294_967_297i64)),
            ("group_application_response", "handledMsg", json!(true)),
        ] {
            let found = routes(&group).into_iter().find(|(name, ..)| *name == route);
            let (_, mut body, ..) = found.expect("one of the routes");
            body[key] = wrong;
            let answer = server.post_as(&owner.token, &format!("/group/{route}"), &body);
            assert_eq!(answer.status, 400, "{route} {body}: {}", answer.text());
            assert_eq!(answer.json()["errCode"], 400, "{route} {body}");
        }
    }
    assert_eq!(flags(&server, &good), flagged(&[("ann", 0)]), "nothing was done");
    assert_eq!(shown(&server, &good, &group)["groupName"], "a group");
}

#[test]
fn no_route_acts_for_a_token_that_is_not_good() {
    let Staffed { server, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    apply(&server, &ann, &group);
    let assert_denied = |answer: Answer, route: &str, style: Style| {
        assert_eq!(answer.status, style.status(), "{route}: {}", answer.text());
        assert_eq!(answer.json(), style.answer(), "{route}");
    };
    for (token, _) in server.bad_tokens("owner") {
        for (route, good, _, style) in routes(&group) {
            let answer = server.post_as(&token, &format!("/group/{route}"), &good);
            assert_denied(answer, route, style);
        }
    }
    for (route, good, _, style) in routes(&group) {
        assert_denied(server.post(&format!("/group/{route}"), &good), route, style);
    }
    let owner = server.login("owner", IOS);
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]), "nothing was done");
    assert_eq!(shown(&server, &owner, &group)["groupName"], "a group");
    assert_eq!(shown(&server, &owner, &group)["memberCount"], 3);
}

/// Who is named in a body does not act: the token does.
#[test]
fn a_body_speaks_for_nobody() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let (ann, eve) = (server.register("ann", IOS), server.register("eve", IOS));
    let body = op(json!({"groupID": group, "message": "m", "fromUserID": "ann", "uid": "ann",
        "sendID": "ann"}));
    server.done_as(&eve, "/group/join_group", &body);
    assert_eq!(flags(&server, &owner), flagged(&[("eve", 0)]));
    let mut body = answering(&group, "eve", 1);
    body["handledUser"] = json!("owner");
    body["opUserID"] = json!("owner");
    let answer = server.ask_as(&ann, "/group/group_application_response", &body);
    assert_eq!(answer["errCode"], 702, "{answer}");
    assert_eq!(flags(&server, &owner), flagged(&[("eve", 0)]));
}

/// Keys match in any case, and what is unknown is ignored.
#[test]
fn keys_match_in_any_case() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    let body = json!({"OPERATIONID": "op", "groupid": group, "Message": "hi", "more": [1]});
    server.done_as(&ann, "/group/join_group", &body);
    let body = json!({"operationid": "op", "GROUPID": group, "fromuserid": "ann", "touserid": "0",
        "handleresult": 1});
    server.done_as(&owner, "/group/group_application_response", &body);
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 1)]));
    let body = json!({"operationId": "op", "groupidlist": [group]});
    let answer = server.done_as(&ann, "/group/get_groups_info", &body);
    assert_eq!(answer["data"][0]["memberCount"], 4, "{answer}");
}
