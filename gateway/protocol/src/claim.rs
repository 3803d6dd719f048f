//! What a tip that a client sends claims to have happened: clients act on content types alone.
//!
//! In: content type, kind of session, content. Out: the claim, for whoever knows what has happened. Never says
//! whether it is true.

use std::borrow::Cow;

use crate::push::{KICK_TYPE_JUNE, KICK_TYPE_MAY};
use crate::rest::body::{body, element};
use crate::tip::{self, Generation};

const SESSION_GROUP: i32 = 2;

/// What a tip claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is no tip.
    None,
    /// What no client can tell.
    Servers,
    /// To a user: the sender has asked to be their friend.
    Asked,
    /// To a user: the sender has agreed to their request.
    Agreed,
    /// To a user: the sender has refused their request.
    Refused,
    /// To a user: the sender has asked to be in this group.
    Applied(String),
    /// To a user: the sender has refused their request to be in this group.
    TurnedDown(String),
    /// To a group: the sender has made it.
    Made,
    /// To a group: the sender has handed it to this user.
    HandedTo(String),
    /// To a group: the sender, who leads it, has changed it or let somebody in.
    Led,
    /// To a group: the sender has left.
    Left,
    /// To a group: the sender has removed these.
    Removed(Vec<String>),
    /// To a group: the sender has let these in.
    Invited(Vec<String>),
}

/// What a message claims; lists of uids have at most `ids_max`. Content that cannot be read claims nothing
/// that could be true, but for a kick notice, which has an error of its own.
#[must_use]
pub fn claim(
    content_type: i32,
    session_type: i32,
    content: &str,
    generation: Generation,
    ids_max: usize,
) -> Claim {
    let group = session_type == SESSION_GROUP;
    let may = generation == Generation::May;
    match content_type {
        KICK_TYPE_JUNE => Claim::Servers,
        KICK_TYPE_MAY if may => Claim::Servers,
        201..=204 if group => Claim::Servers,
        kind if kind == generation.request() => Claim::Asked,
        kind if kind == generation.agreement() => Claim::Agreed,
        tip::REFUSAL => Claim::Refused,
        504 if !group => group_of(content).map_or(Claim::Servers, Claim::Applied),
        508 if !group => group_of(content).map_or(Claim::Servers, Claim::TurnedDown),
        501..=513 if !group => Claim::Servers,
        tip::GROUP_TRANSFERRED => new_owner(content).map_or(Claim::Servers, Claim::HandedTo),
        tip::GROUP_CREATED => Claim::Made,
        506 | 507 => Claim::Led,
        tip::GROUP_QUIT => Claim::Left,
        tip::GROUP_KICKED => tip::kicked_uids(content, ids_max).map_or(Claim::Led, Claim::Removed),
        tip::GROUP_INVITED => invited(content, ids_max).map_or(Claim::Servers, Claim::Invited),
        tip::PROFILE_CHANGED | 503..=513 => Claim::Servers,
        _ => Claim::None,
    }
}

body! {
    struct Notice<'a> {
        detail: Cow<'a, str> = "detail", required;
    }
}

body! {
    struct Handed<'a> {
        new_owner: Cow<'a, str> = "NewOwner", required;
    }
}

body! {
    struct Invitation<'a> {
        uid_list: Vec<Cow<'a, str>> = "uidList", required, ids;
    }
}

element! {
    struct Application<'a> {
        group_id: Cow<'a, str> = "groupID", required;
    }
}

body! {
    struct Handling<'a> {
        info: Application<'a> = "info", required;
    }
}

element! {
    struct Grouped<'a> {
        group_id: Cow<'a, str> = "groupID";
    }
}

body! {
    struct Named<'a> {
        group_id: Cow<'a, str> = "groupID";
        detail: Cow<'a, str> = "detail";
        info: Grouped<'a> = "info";
    }
}

/// Whether a tip about a group that is sent to `group` names another one anywhere that clients of some
/// generation look: they act on the group that a tip names, not on the one it was sent to.
#[must_use]
pub fn names_another_group(content_type: i32, content: &str, group: &str) -> bool {
    let Some(named) = named(content) else { return is_object(content) };
    let plain = matches!(content_type, tip::GROUP_CREATED | tip::GROUP_QUIT);
    let other = |id: &str| !id.is_empty() && id != group;
    let inner = match is_object(&named.detail) {
        true => named_by(&named.detail).is_none_or(|ids| ids.iter().any(|id| other(id))),
        false => plain && other(&named.detail),
    };
    inner || other(&named.group_id) || other(&named.info.group_id)
}

/// Clients read nothing out of what is no JSON object.
fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn named(text: &str) -> Option<Named<'_>> {
    Named::read(text.as_bytes(), "NotificationContent", 0).ok()?.ok()
}

fn named_by(detail: &str) -> Option<[Cow<'_, str>; 2]> {
    named(detail).map(|named| [named.group_id, named.info.group_id])
}

fn detail(content: &str) -> Option<Cow<'_, str>> {
    Some(Notice::read(content.as_bytes(), "NotificationContent", 0).ok()?.ok()?.detail)
}

fn new_owner(content: &str) -> Option<String> {
    let detail = detail(content)?;
    let handed = Handed::read(detail.as_bytes(), "TransferGroupOwnerReq", 0).ok()?.ok()?;
    Some(handed.new_owner.into_owned())
}

fn invited(content: &str, ids_max: usize) -> Option<Vec<String>> {
    let detail = detail(content)?;
    let invitation =
        Invitation::read(detail.as_bytes(), "InviteUserToGroupReq", ids_max).ok()?.ok()?;
    Some(invitation.uid_list.into_iter().map(Cow::into_owned).collect())
}

/// The group that an application (`group,message`) or the answer to one names.
fn group_of(content: &str) -> Option<String> {
    let detail = detail(content)?;
    if let Ok(Ok(handling)) = Handling::read(detail.as_bytes(), "GroupApplicationResponseReq", 0) {
        return Some(handling.info.group_id.into_owned());
    }
    let (group, _) = detail.split_once(',')?;
    Some(group.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn june(kind: i32, session: i32, detail: &str) -> Claim {
        let content = serde_json::json!({"isDisplay": 1, "defaultTips": "", "detail": detail});
        claim(kind, session, &content.to_string(), Generation::June, 3)
    }

    #[test]
    fn what_clients_say_is_a_claim_and_the_rest_is_the_servers() {
        assert_eq!(june(101, 1, ""), Claim::None);
        assert_eq!((june(202, 1, ""), june(201, 1, "")), (Claim::Asked, Claim::Agreed));
        assert_eq!((june(203, 1, ""), june(204, 1, "")), (Claim::Refused, Claim::Servers));
        let may = |kind| claim(kind, 1, "x", Generation::May, 3);
        assert_eq!([may(201), may(202), may(203)], [Claim::Asked, Claim::Agreed, Claim::Servers]);
        for session in [1, 2] {
            for kind in [303, 503, 511, 512, 513] {
                assert_eq!(june(kind, session, ""), Claim::Servers, "{kind} {session}");
            }
        }
        for kind in [201, 202, 203, 204, 504, 508] {
            assert_eq!(june(kind, 2, "g,x"), Claim::Servers, "{kind} is for a user");
        }
        for kind in [501, 502, 505, 506, 507, 509, 510] {
            assert_eq!(june(kind, 1, "g,x"), Claim::Servers, "{kind} is for a group");
        }
        assert_eq!((june(205, 1, ""), june(514, 2, "")), (Claim::None, Claim::None));
    }

    #[test]
    fn a_group_is_told_of_itself() {
        let of = |kind: i32, detail: &str| {
            let content = serde_json::json!({"isDisplay": 1, "defaultTips": "", "detail": detail});
            names_another_group(kind, &content.to_string(), "g")
        };
        for detail in ["g", "", "{}", r#"{"groupID":"g"}"#, r#"{"info":{"groupID":"g"}}"#] {
            assert!(!of(502, detail) && !of(509, detail), "{detail}");
        }
        assert!(of(502, "h") && of(505, "h") && !of(506, "h"));
        for detail in [
            r#"{"groupID":"h"}"#,
            r#" {"GroupID":"h","NewOwner":"b"}"#,
            r#"{"info":{"groupid":"h"}}"#,
            r#"{"groupID":"g","groupID":"h"}"#,
            r#"{"groupID":"g","info":{"groupID":"h"}}"#,
            "{never read",
        ] {
            assert!(of(509, detail) && of(507, detail), "{detail}");
        }
        // As clients of June read it; and what no client can read.
        assert!(names_another_group(505, r#"{"groupID":"h","operationID":"o"}"#, "g"));
        assert!(!names_another_group(505, r#"{"groupID":"g","operationID":"o"}"#, "g"));
        assert!(!names_another_group(505, "bye", "g"));
        assert!(names_another_group(505, "{never read", "g"));
    }

    #[test]
    fn contents_say_of_whom() {
        let handed = r#"{"GroupID":"g","OldOwner":"a","NewOwner":"b","OperationID":"o"}"#;
        assert_eq!(june(501, 2, handed), Claim::HandedTo("b".to_owned()));
        assert_eq!(june(504, 1, "g,please, do"), Claim::Applied("g".to_owned()));
        let handling = r#"{"info":{"groupID":"g","fromUserID":"b"},"handUserID":"a"}"#;
        assert_eq!(june(508, 1, handling), Claim::TurnedDown("g".to_owned()));
        let invited = r#"{"groupID":"g","uidList":["b","c"],"reason":"","operationID":"o"}"#;
        assert_eq!(june(510, 2, invited), Claim::Invited(vec!["b".to_owned(), "c".to_owned()]));
        let removed = r#"{"groupID":"g","uidListInfo":[{"userId":"b"}],"reason":""}"#;
        assert_eq!(june(509, 2, removed), Claim::Removed(vec!["b".to_owned()]));
        for kind in [501, 504, 508, 510] {
            let session = if matches!(kind, 504 | 508) { 1 } else { 2 };
            assert_eq!(june(kind, session, "no such thing"), Claim::Servers, "{kind}");
        }
        let many = r#"{"groupID":"g","uidList":["a","b","c","d"]}"#;
        assert_eq!(june(510, 2, many), Claim::Servers);
    }
}
