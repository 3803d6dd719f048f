//! `history` off: pushed with seq 0, in no inbox; both off: nothing is stored anywhere.

use serde_json::json;

use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn history_off_is_pushed_to_every_member_who_is_there_and_numbered_nowhere() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let users: Vec<_> = (0..6).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let mut links: Vec<_> = users.iter().map(|user| server.connect(user)).collect();
    for (n, options) in
        [json!({"history": 0}), json!({"history": 0, "persistent": 0})].into_iter().enumerate()
    {
        let mut data = group_message(&group, &format!("m-{n}"), "typing");
        data["options"] = options;
        links[0].say_data(&data);
        for link in &mut links[1..] {
            let push = link.pushed();
            assert_eq!((push["seq"].as_i64(), push["content"].as_str()), (Some(0), Some("typing")));
            assert_eq!(push["recvID"], format!("{} {group}", link.user.uid));
        }
    }
    for link in &mut links {
        assert_eq!(link.newest(), 0, "{}", link.user.uid);
    }
}
