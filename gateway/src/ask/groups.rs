//! `openim groups`: all that the server knows of a group, its members in pages.

use anyhow::Context as _;
use openim_record::Role;
use serde_json::Value;

use super::Desk;
use super::sheet::{behind, columns, each, line, moment, plain, text};
use crate::console;

/// Prints a group, with members from behind a uid on.
///
/// # Errors
/// One line of why there is no answer.
pub fn group(desk: &Desk, id: &str, after: Option<&str>) -> anyhow::Result<()> {
    let told = desk.ask("group", &[("group", id), ("after", after.unwrap_or_default())]);
    let told = told.with_context(|| plain(id))?;
    console::print(&if desk.as_json { line(&told) } else { all_of(&told) })
}

fn all_of(told: &Value) -> String {
    let row = |about: &str, is: String| vec![about.to_owned(), is];
    let mut rows = vec![
        row("group", text(&told["group"])),
        row("name", text(&told["name"])),
        row("owner", text(&told["owner"])),
        row("made", moment(&told["created"])),
        row("members", told["count"].to_string()),
    ];
    for member in each(&told["members"]) {
        let number = member["role"].as_i64().and_then(|number| i32::try_from(number).ok());
        let role = match number.and_then(Role::from_number) {
            Some(Role::Owner) => ", owner",
            Some(Role::Administrator) => ", administrator",
            Some(Role::Ordinary) | None => "",
        };
        let nickname = text(&member["nickname"]);
        let named = if nickname.is_empty() { nickname } else { format!(" ({nickname})") };
        let since = moment(&member["joined"]);
        rows.push(row("member", format!("{}{named}{role}, since {since}", text(&member["uid"]))));
    }
    if told["next"].is_string() {
        rows.push(row("", format!("more members: {}", behind(&told["next"]))));
    }
    for request in each(&told["requests"]) {
        let (from, says) = (text(&request["from"]), text(&request["message"]));
        let state = match request["flag"].as_i64() {
            Some(0) => "waits",
            Some(flag) if flag > 0 => "taken in",
            _ => "refused",
        };
        rows.push(row("asks", format!("{from}, {}, {state}: {says}", moment(&request["created"]))));
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_of_a_group_is_told() {
        let shown = all_of(&json!({
            "group": "g", "name": "Team", "owner": "alice", "count": 2, "created": 0,
            "members": [
                { "uid": "alice", "role": 1, "nickname": "Al", "joined": 0 },
                { "uid": "bob", "role": 0, "nickname": "", "joined": 0 },
            ],
            "next": "bob",
            "requests": [{ "from": "carol", "message": "let me in", "created": 0, "flag": 0 }],
        }));
        for line in [
            "group    g",
            "members  2",
            "member   alice (Al), owner, since 1970-01-01 00:00:00 UTC",
            "member   bob, since 1970-01-01 00:00:00 UTC",
            "         more members: --after 'bob'",
            "asks     carol, 1970-01-01 00:00:00 UTC, waits: let me in",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
    }
}
