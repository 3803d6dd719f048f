//! The device of the index fails while the server runs, and works again: the process goes on, no link is closed, messages
//! are acknowledged and pushed all the while, and each is there once under its number, before and after a restart. Logins and
//! changes are refused meanwhile. One that is damaged as well is made anew without a restart.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::fault::Fault;
use crate::support::http::call;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::registration;
use crate::support::server::{Server, Setup};

/// Messages between two events.
const SOME: usize = 25;

struct Scene {
    server: Server,
    fault: Fault,
    alice: Link,
    bob: Link,
    /// What alice said.
    said: Vec<String>,
    /// Who asked to be registered.
    newcomers: Vec<String>,
}

impl Scene {
    fn begin() -> Self {
        let setup = Setup::new().allow("ERROR").allow("WARN");
        let setup = setup.set("OPENIM_LIMITS_STORETIMEOUTMS", 2_000);
        let (setup, fault) = Fault::prepare(setup);
        let server = setup.start();
        let (alice, bob) = (server.newcomer("alice"), server.newcomer("bob"));
        let mut scene = Self { server, fault, alice, bob, said: Vec::new(), newcomers: Vec::new() };
        scene.says_some();
        scene
    }

    /// Each is acknowledged, and pushed to who is there.
    fn says_some(&mut self) {
        for _ in 0..SOME {
            let id = format!("m{}", self.said.len());
            self.alice.say("bob", &id, "hello");
            assert_eq!(self.bob.pushed()["clientMsgID"], id);
            self.said.push(id);
        }
    }

    /// The index takes nothing, and that is told; messages go on, and changes are refused.
    fn is_away(&mut self) {
        self.server.says(503, "the index takes nothing");
        assert_eq!(call(self.server.operator(), "GET", "/healthz", &[], b"").status, 200);
        self.server.logged(&["ERROR", "the index takes nothing any more"]);
        let newcomer = format!("carol{}", self.newcomers.len());
        let answer = self.server.post("/auth/user_register", &registration(&newcomer, IOS));
        assert_ne!(answer.status, 200, "{}", answer.text());
        self.newcomers.push(newcomer);
        self.says_some();
    }

    /// It is in use again, in the same process.
    fn is_back(&mut self) {
        self.server.becomes(200);
        self.server.logged(&["INFO", "the index is in use again"]);
        self.says_some();
        self.has_all();
        let deadline = Instant::now() + PATIENCE;
        for newcomer in &self.newcomers {
            // Registered by then, whatever they were told; or now.
            let newcomer = registration(newcomer, IOS);
            self.server.post("/auth/user_register", &newcomer);
            while self.server.post("/auth/user_token", &newcomer).json()["errCode"] != 0 {
                assert!(Instant::now() < deadline, "they can log in");
                self.server.post("/auth/user_register", &newcomer);
            }
        }
    }

    /// Each message once, in order, under a number without a gap, for both.
    fn has_all(&mut self) {
        for link in [&mut self.alice, &mut self.bob] {
            let inbox = link.inbox();
            let id = |message: &Value| message["clientMsgID"].as_str().map(str::to_owned);
            let ids: Vec<_> = inbox.iter().filter_map(id).collect();
            assert_eq!(ids, self.said);
            let seqs: Vec<_> = inbox.iter().filter_map(|message| message["seq"].as_i64()).collect();
            assert_eq!(seqs, (1..=self.said.len() as i64).collect::<Vec<_>>());
        }
    }

    /// Also the next process has all.
    fn ends(mut self) {
        self.server.kill();
        self.server.restart();
        let [alice, bob] = ["alice", "bob"].map(|uid| self.server.login(uid, IOS));
        (self.alice, self.bob) = (self.server.connect(&alice), self.server.connect(&bob));
        self.has_all();
        for newcomer in &self.newcomers {
            self.server.login(newcomer, IOS);
        }
    }
}

#[test]
fn whatever_of_it_could_not_be_written() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    for (call, part) in
        [("sync", ".jnl"), ("write", ".jnl"), ("sync", "/index/"), ("write", "/index/")]
    {
        let mut scene = Scene::begin();
        scene.fault.begin(call, part);
        scene.says_some();
        scene.is_away();
        scene.fault.end();
        scene.is_back();
        // And once more.
        scene.fault.begin(call, part);
        scene.is_away();
        scene.fault.end();
        scene.is_back();
        scene.ends();
    }
}

#[test]
fn one_that_is_damaged_meanwhile_is_made_anew() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let damage: [fn(&Path); 2] = [
        |index| fs::remove_file(index.join("version")).expect("removed"),
        |index| fs::remove_dir_all(index.join("keyspaces")).expect("removed"),
    ];
    for damage in damage {
        let mut scene = Scene::begin();
        scene.fault.begin("write", ".jnl");
        scene.says_some();
        scene.is_away();
        damage(&scene.server.data_dir().join("index"));
        scene.fault.end();
        scene.is_back();
        scene.server.logged(&["WARN", "the index is made anew"]);
        scene.ends();
    }
}
