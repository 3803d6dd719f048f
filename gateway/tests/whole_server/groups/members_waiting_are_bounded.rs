//! `limits.groupFanoutMax`: while too many members wait for their turn, sends to groups wait; single
//! chats do not, and everything arrives.

use crate::support::link::{Link, group_message};
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn a_group_larger_than_the_bound_is_served_all_the_same() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_GROUPFANOUTMAX", 1000)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let owner = server.register("owner", IOS);
    let names: Vec<String> = (0..1500).map(|n| format!("m{n}")).collect();
    let users: Vec<_> = names.iter().map(|name| server.register(name, IOS)).collect();
    let group = server.group(&owner, &[]);
    for part in names.chunks(1000) {
        server.invite(&owner, &group, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    std::thread::scope(|scope| {
        for user in &users[..4] {
            let (ws, group) = (server.ws(), &group);
            scope.spawn(move || {
                let mut link = Link::open(ws, user).expect("it connects");
                for n in 0..5 {
                    let data = group_message(group, &format!("{}-{n}", user.uid), "all");
                    link.say_data(&data);
                    link.say("owner", &format!("{}-s{n}", user.uid), "one");
                }
            });
        }
    });
    for user in [&users[0], &users[700], &users[1499]] {
        let inbox = server.connect(user).inbox();
        let of_group = inbox.iter().filter(|message| message["content"] == "all").count();
        assert_eq!(of_group, 20, "{}", user.uid);
    }
    assert_eq!(server.connect(&owner).inbox().len(), 40);
}

#[test]
fn a_group_takes_no_more_members_than_allowed() {
    let server = Setup::new().set("OPENIM_LIMITS_GROUPMEMBERSMAX", 3).start();
    let users: Vec<_> = (0..5).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1]]);
    assert_eq!(server.invite(&users[0], &group, &["user2", "user3"]), [0, -1]);
    server.kick(&users[0], &group, &["user1"]);
    assert_eq!(server.invite(&users[0], &group, &["user3", "user4"]), [0, -1]);
}
