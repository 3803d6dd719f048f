//! Who is taken out of a group by a call of one process writes to it through no other, and nobody writes to a group that was
//! dismissed. All have written before, and nothing but the change has a process ask for a member again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::cluster::clustered;
use crate::support::link::{Link, group_message};
use crate::support::rest::{User, group_body, op};
use crate::support::server::{Server, Setup};

/// A cluster whose processes ask for a member again when they hear of a change, and at no other time.
fn remembering() -> Option<Setup> {
    Some(clustered(Setup::new())?.set("OPENIM_TEST_MEMBERSHIPS", "stay"))
}

/// Sends until that is refused, which the change has to be heard of for.
fn until_refused(mut send: impl FnMut(&str) -> Value) {
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        let code = send(&format!("behind-{number}"));
        if code == 800 {
            return;
        }
        assert_eq!(code, 0);
        assert!(Instant::now() < deadline, "it is taken still");
        sleep(Duration::from_millis(20));
    }
}

/// Sends to a group by each way in: a link of a user, and a call of theirs.
struct Ways<'a> {
    user: &'a User,
    link: Link,
    rest: &'a Server,
    group: &'a str,
}

impl<'a> Ways<'a> {
    fn new(user: &'a User, gateway: &Server, rest: &'a Server, group: &'a str) -> Self {
        let link = Link::open(gateway.ws(), user).expect("a link");
        let mut ways = Self { user, link, rest, group };
        let code = ways.by_link("before-by-link");
        assert_eq!((code, ways.by_rest("before-by-rest")), (json!(0), json!(0)));
        ways
    }

    fn by_link(&mut self, id: &str) -> Value {
        let message = group_message(self.group, &format!("{}-link-{id}", self.user.uid), "hello");
        self.link.request(1003, &message)["errCode"].clone()
    }

    fn by_rest(&self, id: &str) -> Value {
        let id = format!("{}-rest-{id}", self.user.uid);
        let body = group_body(self.user, self.group, &id, "hello");
        self.rest.ask_as(self.user, "/chat/send_msg", &body)["errCode"].clone()
    }

    fn are_refused(&mut self) {
        until_refused(|id| self.by_link(id));
        until_refused(|id| self.by_rest(id));
    }
}

/// Changes groups by calls of one api, while people write through another one and a gateway.
fn the_others_follow(changes: &Server, gateway: &Server, rest: &Server) {
    let [ann, bob, cat] = changes.register_all(["ann", "bob", "cat"]);
    let manager = changes.manager();
    let group = changes.group(&ann, &[&bob, &cat]);
    let mut of_bob = Ways::new(&bob, gateway, rest, &group);
    let mut of_cat = Ways::new(&cat, gateway, rest, &group);
    let by_manager = |id: &str| {
        let body = json!({"operationID": id, "sendID": manager.uid, "recvID": group,
            "content": {"text": "hear ye"}, "contentType": 101, "sessionType": 2});
        rest.ask_as(&manager, "/manager/send_msg", &body)["errCode"].clone()
    };
    assert_eq!(by_manager("before"), 0);

    assert_eq!(changes.kick(&ann, &group, &["bob"]), [0]);
    of_bob.are_refused();
    assert_eq!((of_cat.by_link("still"), of_cat.by_rest("still")), (json!(0), json!(0)));

    changes.done_as(&ann, "/group/dismiss_group", &op(json!({ "groupID": group })));
    of_cat.are_refused();
    until_refused(by_manager);
}

#[test]
fn where_each_role_is_a_process() {
    let Some(setup) = remembering() else { return };
    let transfer = setup.clone().role("transfer").start();
    let gateway = setup.clone().role("gateway").start();
    let apis = [(); 2].map(|()| setup.clone().role("api").start());
    transfer.logged(&["partitions are shared out"]);
    the_others_follow(&apis[0], &gateway, &apis[1]);
}

#[test]
fn where_each_process_is_all_of_them() {
    let Some(setup) = remembering() else { return };
    let servers = [(); 2].map(|()| setup.clone().start());
    servers[0].logged(&["partitions are shared out"]);
    the_others_follow(&servers[0], &servers[1], &servers[1]);
}
