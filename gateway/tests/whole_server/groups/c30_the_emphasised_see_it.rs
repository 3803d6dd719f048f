//! C30: a member in `forceList` sees `isEmphasize` true, the others false.

use serde_json::json;

use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::server::Server;

#[test]
fn named_members_and_nobody_else() {
    let server = Server::start();
    let users: Vec<_> = (0..4).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let mut links: Vec<_> = users.iter().map(|user| server.connect(user)).collect();
    let mut data = group_message(&group, "m-1", "look");
    data["forceList"] = json!(["user2", "nobody", "user2", "user0"]);
    links[0].say_data(&data);
    for (n, link) in links.iter_mut().enumerate().skip(1) {
        assert_eq!(link.pushed()["isEmphasize"], n == 2, "user{n}");
    }
    // It belongs to that message alone.
    links[0].say_data(&group_message(&group, "m-2", "look away"));
    for link in &mut links[1..] {
        assert_eq!(link.pushed()["isEmphasize"], false);
    }
}
