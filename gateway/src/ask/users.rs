//! `openim users`: users by the beginning of uid or name, or all that the server knows of one.

use anyhow::Context as _;
use openim_workers::utc;
use serde_json::Value;

use super::Desk;
use super::sheet::{behind, columns, each, line, moment, plain, platform, text};
use crate::console;

/// Prints users whose uid or name begins with a text, from behind a uid on.
///
/// # Errors
/// One line of why there is no answer.
pub fn find(desk: &Desk, begins: &str, after: Option<&str>) -> anyhow::Result<()> {
    let told = desk.ask("users", &[("find", begins), ("after", after.unwrap_or_default())])?;
    console::print(&if desk.as_json { line(&told) } else { list(&told) })
}

/// Prints one user.
///
/// # Errors
/// The same.
pub fn one(desk: &Desk, uid: &str) -> anyhow::Result<()> {
    let told = desk.ask("user", &[("uid", uid)]).with_context(|| plain(uid))?;
    console::print(&if desk.as_json { line(&told) } else { all_of(&told) })
}

fn list(told: &Value) -> String {
    let head = ["UID", "NAME", "REGISTERED", "ONLINE"].map(str::to_owned).to_vec();
    let rows = each(&told["users"]).map(|user| {
        let online: Vec<String> = each(&user["platforms"]).map(platform).collect();
        let [uid, name] = ["uid", "name"].map(|key| text(&user[key]));
        vec![uid, name, moment(&user["created"]), online.join(", ")]
    });
    let table = columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    match told["next"].as_str() {
        Some(_) => format!("{table}there may be more: {}\n", behind(&told["next"])),
        None => table,
    }
}

fn all_of(told: &Value) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |about: &str, is: String| rows.push(vec![about.to_owned(), is]);
    row("user", text(&told["uid"]));
    match &told["profile"] {
        Value::Null => row("profile", "none: nobody is registered as this".to_owned()),
        profile => {
            row("name", text(&profile["name"]));
            row("registered", moment(&profile["created"]));
        }
    }
    if told["isManager"] == true {
        row("manager", "yes".to_owned());
    }
    if told["erased"] == true {
        row("deleted", "yes".to_owned());
    }
    if let Some(ban) = told["ban"].as_object() {
        let until = ban["until"].as_i64().map(|until| utc(until.saturating_mul(1_000)));
        let until = until.map_or_else(|| "for good".to_owned(), |until| format!("until {until}"));
        row("banned", format!("{until}: {}", text(&ban["reason"])));
    }
    if let Some(inbox) = told["inbox"].as_object() {
        row("inbox", format!("{} to {}", inbox["min"], inbox["newest"]));
    }
    for link in each(&told["links"]) {
        let (platform, since) = (platform(&link["platform"]), moment(&link["since"]));
        let address = text(&link["address"]);
        row(
            "link",
            format!("{platform} from {address}, since {since}, {} bytes wait", link["waiting"]),
        );
    }
    for (about, list) in [("friend", "friends"), ("blocks", "blocked"), ("group", "groups")] {
        for found in each(&told[list]["first"]) {
            let id = if list == "groups" { text(&found["group"]) } else { text(&found["uid"]) };
            let named = [text(&found["name"]), text(&found["comment"])].concat();
            row(about, if named.is_empty() { id } else { format!("{id} ({named})") });
        }
        if told[list]["more"] == true {
            row(about, "and more".to_owned());
        }
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn users_are_a_line_each() {
        let told = json!({
            "users": [{ "uid": "alice", "name": "A\u{7}", "created": 0, "platforms": [1, 5] }],
            "next": "alice",
        });
        let shown = list(&told);
        assert!(
            shown.contains("alice  A\u{fffd}    1970-01-01 00:00:00 UTC  iOS, Web\n"),
            "{shown}"
        );
        assert!(shown.ends_with("--after 'alice'\n"), "{shown}");
        assert_eq!(list(&json!({ "users": [], "next": null })).lines().count(), 1);
    }

    #[test]
    fn all_of_a_user_is_told() {
        let some = |first: Value| json!({ "first": first, "more": true });
        let told = json!({
            "uid": "alice", "profile": { "name": "Alice", "created": 0 }, "isManager": false, "erased": false,
            "ban": { "until": null, "reason": "spam" }, "inbox": { "min": 1, "newest": 7 },
            "links": [{ "platform": 2, "since": 0, "address": "127.0.0.1", "waiting": 3 }],
            "friends": some(json!([{ "uid": "bob", "comment": "Bobby" }])),
            "blocked": some(json!([{ "uid": "carol" }])),
            "groups": some(json!([{ "group": "g", "role": 1, "name": "Team" }])),
        });
        let shown = all_of(&told);
        for line in [
            "user        alice",
            "name        Alice",
            "banned      for good: spam",
            "inbox       1 to 7",
            "link        Android from 127.0.0.1, since 1970-01-01 00:00:00 UTC, 3 bytes wait",
            "friend      bob (Bobby)",
            "blocks      carol",
            "group       g (Team)",
            "group       and more",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
        assert!(!shown.contains("manager") && !shown.contains("deleted"), "{shown}");
    }
}
