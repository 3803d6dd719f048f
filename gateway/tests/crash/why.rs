//! Why somebody did not get a message, asked behind each kill for random users and messages, and held against what the
//! clients saw: no answer says that somebody waits for what they had.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::engine::on_cluster;
use crate::support::rest::{User, op};
use crate::support::server::Server;
use crate::{Random, Seen};

/// What was asked, and what was answered.
struct Asked {
    /// Number of the user.
    user: usize,
    seq: i64,
    reason: String,
    /// Places that the inbox had when everything that came before the kill was applied.
    newest: i64,
}

/// The answers so far.
#[derive(Default)]
pub(crate) struct Answers {
    asked: Vec<Asked>,
    counts: BTreeMap<String, usize>,
}

/// The reason alone.
#[track_caller]
fn why(server: &Server, manager: &User, uid: &str, message: &str) -> String {
    let body = op(json!({"uid": uid, "message": message}));
    let answer = server.done_as(manager, "/manager/why", &body);
    answer["data"]["reason"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

impl Answers {
    fn ask(&mut self, server: &Server, manager: &User, uid: &str, message: &str) -> String {
        let reason = why(server, manager, uid, message);
        *self.counts.entry(reason.clone()).or_default() += 1;
        reason
    }

    /// Behind a kill, before anybody comes back. `known`: how many places each user's inbox had the last time.
    pub(crate) fn behind_a_kill(
        &mut self,
        server: &Server,
        (users, readers): (&[User], &[User]),
        known: impl Fn(&User) -> usize,
        random: &mut Random,
    ) {
        let manager = server.manager();
        for (user, known) in users.iter().map(known).enumerate() {
            for _ in 0..4 {
                let seq = 1 + random.below(known as u64 + 60) as i64;
                let name = format!("seq:{seq}");
                let reason = self.ask(server, &manager, &users[user].uid, &name);
                self.asked.push(Asked { user, seq, reason, newest: 0 });
            }
        }
        for _ in 0..4 {
            let reader = &readers[random.below(readers.len() as u64) as usize];
            let reason = self.ask(server, &manager, &reader.uid, "1");
            assert!(["waits", "never_accepted"].contains(&&*reason), "{}: {reason}", reader.uid);
        }
    }

    /// What the inboxes hold since the last kill.
    pub(crate) fn inbox(&mut self, user: usize, newest: usize) {
        let open = self.asked.iter_mut().filter(|asked| asked.user == user && asked.newest == 0);
        open.for_each(|asked| asked.newest = newest as i64);
    }

    /// At the end, when it is known what the clients saw.
    pub(crate) fn check(
        mut self,
        server: &Server,
        (users, readers): (&[User], &[User]),
        seen: &[Seen],
    ) {
        if on_cluster() {
            return;
        }
        for Asked { user, seq, reason, newest } in &self.asked {
            let what = format!("{} seq {seq} of {newest}: {reason}", users[*user].uid);
            let had = seen[*user].pushed.contains_key(seq);
            match reason.as_str() {
                "pushed" | "pulled" | "cut" | "other_device" => assert!(seq <= newest, "{what}"),
                "waits" => assert!(!had && seq <= newest, "{what}"),
                "never_accepted" => assert!(seq > newest, "{what}"),
                _ => panic!("{what}"),
            }
        }
        let manager = server.manager();
        for (n, (user, seen)) in users.iter().zip(seen).enumerate() {
            let (peer, other) = (&users[(n + 1) % users.len()], &users[(n + 2) % users.len()]);
            for (client_id, server_id) in seen.acked.iter().take(8) {
                let own = self.ask(server, &manager, &user.uid, server_id);
                // Behind each kill the whole inbox was pulled, what its owner has sent as well.
                assert!(["other_device", "pulled"].contains(&&*own), "{client_id}: {own}");
                let theirs = self.ask(server, &manager, &peer.uid, server_id);
                let has = ["pushed", "pulled", "cut", "waits"].contains(&&*theirs);
                assert!(has, "{client_id} of {} for {}: {theirs}", user.uid, peer.uid);
                if crate::is_to_group(client_id) {
                    let reader = self.ask(server, &manager, &readers[n].uid, server_id);
                    assert_eq!(reader, "waits", "{client_id}");
                } else {
                    let stranger = self.ask(server, &manager, &other.uid, server_id);
                    assert_eq!(stranger, "not_a_member", "{client_id}");
                }
            }
        }
        println!("why: {:?}", self.counts);
    }
}
