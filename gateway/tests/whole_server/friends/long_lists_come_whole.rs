//! Lists longer than a page of the store come whole and in order.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::{done_at, listed, op};
use crate::support::server::Server;

const OTHERS: usize = 600;

#[test]
fn friends_requests_and_the_blacklist_of_several_pages() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let others = server.register_many("other", OTHERS);
    let mut uids: Vec<&str> = others.iter().map(|other| other.uid.as_str()).collect();
    let import = op(json!({"uidList": uids, "ownerUid": "alice"}));
    let answer = server.done_as(&manager, "/friend/import_friend", &import);
    assert_eq!(answer["failedUidList"], json!([]));
    std::thread::scope(|scope| {
        for part in others.chunks(OTHERS / 4) {
            let (rest, alice) = (server.rest(), &alice);
            scope.spawn(move || {
                for other in part {
                    let to_alice = op(json!({"uid": "alice"}));
                    done_at(rest, &other.token, "/friend/add_friend", &to_alice);
                    let to_other = op(json!({"uid": other.uid}));
                    done_at(rest, &alice.token, "/friend/add_friend", &to_other);
                    done_at(rest, &alice.token, "/friend/add_blacklist", &to_other);
                }
            });
        }
    });
    uids.sort_unstable();
    for route in
        ["get_friend_list", "get_blacklist", "get_friend_apply_list", "get_self_apply_list"]
    {
        let answer = server.done_as(&alice, &format!("/friend/{route}"), &op(json!({})));
        assert_eq!(listed(&answer, "uid"), uids, "{route}");
    }
    // Exactly a page and one more.
    for left in [257, 256, 255] {
        for other in &uids[left..if left == 257 { OTHERS } else { left + 1 }] {
            server.done_as(&alice, "/friend/delete_friend", &op(json!({ "uid": other })));
        }
        let answer = server.done_as(&alice, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(listed(&answer, "uid"), uids[..left], "{left}");
    }
    // Every friend of the owner's has it as a friend, and was told nothing by the import.
    let answer = server.done_as(&others[7], "/friend/get_friend_list", &op(json!({})));
    assert_eq!(listed(&answer, "uid"), ["alice"]);
}
