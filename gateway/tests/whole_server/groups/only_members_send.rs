//! Who may send to a group: its members, over both ways; an unknown group has none.

use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::group_body;
use crate::support::server::Server;

#[test]
fn strangers_and_unknown_groups_are_refused_with_800() {
    let server = Server::start();
    let (ann, eve) = (server.register("ann", IOS), server.register("eve", IOS));
    let group = server.group(&ann, &[]);
    let mut link = server.connect(&eve);
    for group in [group.as_str(), "no-such-group"] {
        let reply = link.request(1003, &group_message(group, "m", "let me in"));
        assert_eq!(reply["errCode"], 800, "{reply}");
        assert_eq!(reply["data"]["serverMsgID"], "", "{reply}");
        let answer = server.ask_as(&eve, "/chat/send_msg", &group_body(&eve, group, "m", "hello"));
        assert_eq!(answer["errCode"], 800, "{answer}");
        assert_eq!(answer["errMsg"], "no permission");
    }
    // The link goes on, in order.
    link.say("ann", "s", "hello");
    assert_eq!(server.connect(&ann).inbox().len(), 1);
    // Once in, the same send is taken.
    server.invite(&ann, &group, &["eve"]);
    link.say_data(&group_message(&group, "m", "let me in"));
    assert_eq!(server.connect(&ann).inbox().len(), 2);
}

#[test]
fn replies_keep_their_order_on_one_link() {
    let server = Server::start();
    let ann = server.register("ann", IOS);
    let group = server.group(&ann, &[]);
    let mut link = server.connect(&ann);
    let mut asked = Vec::new();
    for n in 0..30 {
        let data = match n % 3 {
            0 => group_message(&group, &format!("g{n}"), "group"),
            1 => crate::support::link::message("bob", &format!("s{n}"), "single"),
            _ => group_message("unknown", &format!("u{n}"), "refused"),
        };
        let envelope = link.envelope(1003, &data);
        asked.push(envelope["msgIncr"].clone());
        link.send_text(&envelope);
    }
    let answered: Vec<_> = asked.iter().map(|_| link.reply()["msgIncr"].clone()).collect();
    assert_eq!(answered, asked);
}
