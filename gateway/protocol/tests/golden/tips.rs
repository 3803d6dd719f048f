//! The contents of tips, one a line: content type, `msgFrom`, content.

use openim_protocol::tip::{self, Generation, Invited, Tip, june};
use std::fmt::Write;

/// Compares tips with `tests/golden/<name>.txt`; `UPDATE_GOLDEN=1` rewrites it.
fn golden(name: &str, tips: &[Option<Tip>]) {
    let mut text = String::new();
    for tip in tips {
        match tip {
            Some(tip) => writeln!(text, "{} {} {}", tip.content_type, tip.msg_from, tip.content),
            None => writeln!(text, "none"),
        }
        .expect("a string takes all");
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the golden file is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: run with UPDATE_GOLDEN=1 if the change is meant");
}

#[test]
fn friends() {
    for (generation, name) in [(Generation::June, "tips-june"), (Generation::May, "tips-may")] {
        let tips = [
            Some(tip::friend_request(generation, "Bob \"<b>\"")),
            Some(tip::friend_agreement(generation, "Bob")),
            tip::friend_refusal(generation, "Bob"),
            Some(tip::friend_imported(generation)),
            tip::profile_changed(generation, "bob"),
        ];
        golden(name, &tips);
    }
}

#[test]
fn groups() {
    let invited = Invited {
        group_id: "g7",
        uids: &["carol", "dave"],
        names: &["Carol", "Dave"],
        reason: "why not",
        manager_name: "AppManager1",
        operation_id: "o-1",
    };
    let tips = [
        tip::group_created("g7", "Climbers"),
        tip::group_invited(&invited),
        tip::group_kicked("g7", &["carol", "dave"], "o-2"),
        tip::group_dissolved("g7"),
        tip::group_transferred("g7", "carol", "bob", "o-3"),
    ];
    golden("tips-group", &tips.map(Some));
}

#[test]
fn groups_of_june() {
    let invited = Invited {
        group_id: "g7",
        uids: &["carol", "dave"],
        names: &["Carol", "Dave"],
        reason: "why not",
        manager_name: "Bob",
        operation_id: "1624882739",
    };
    let described = june::Described {
        group_id: "g7",
        name: "Climbers",
        notification: "at noon",
        introduction: "up \"there\"",
        face_url: "http://face",
        operation_id: "1624882739",
    };
    let answered = june::Answered {
        group_id: "g7",
        from: "carol",
        from_name: "Carol",
        from_face_url: "http://carol",
        to: "0",
        add_time: 1_624_882_700,
        request: "please",
        answer: "come in",
        by: "bob",
        by_name: "Bob",
        by_face_url: "http://bob",
        by_role: 1,
        by_join_time: 1_624_800_000,
        operation_id: "1624882739",
    };
    let tips = [
        june::created("g7", "Climbers"),
        june::asked("g7", "carol", "please"),
        june::quit("g7", "Dave", "1624882739"),
        june::described(&described),
        june::owner_changed("g7", "bob", "carol", "1624882739"),
        june::agreed(&answered),
        june::answered(true, &answered),
        june::answered(false, &answered),
        june::invited(&invited),
        june::kicked("g7", &["carol", "dave"], "too loud", "1624882739"),
    ];
    golden("tips-group-june", &tips.map(Some));
}

#[test]
fn a_kick_notice_reads_back() {
    let uids = ["carol", "quote\"", "用户"];
    let content = tip::group_kicked("g7", &uids, "o").content;
    let read = |content: &str, ids_max| tip::kicked_uids(content, ids_max);
    assert_eq!(read(&content, 3).as_deref(), Ok(&uids.map(str::to_owned)[..]));
    assert!(read(&content, 2).is_err());
    // As an SDK writes it.
    let detail = r#"{"groupID":"g7","uidListInfo":[{"groupID":"g7","userId":"carol","role":0,"joinTime":1639728000,"nickName":"C","faceUrl":"f"},{}],"reason":"r","operationID":"o"}"#;
    let notice = serde_json::json!({"isDisplay": 1, "defaultTips": "C ", "detail": detail});
    assert_eq!(read(&notice.to_string(), 9).as_deref(), Ok(&["carol".to_owned()][..]));
    for other in [
        "",
        "carol was kicked",
        "{}",
        r#"{"detail":"g7"}"#,
        r#"{"detail":{"uidListInfo":[]}}"#,
        r#"{"detail":"{}"}"#,
        r#"{"detail":"{\"uidListInfo\":[\"carol\"]}"}"#,
        r#"{"detail":"{\"uidListInfo\":[{\"userId\":1}]}"}"#,
    ] {
        assert!(read(other, 9).is_err(), "{other}");
    }
}
