//! The device of the index fails while the server runs, and works again: the process goes on, no link is closed, messages
//! are acknowledged and pushed all the while, and each is there once under its number, before and after a restart. Logins and
//! changes are refused meanwhile. One that is damaged as well is made anew without a restart.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::fault::Fault;
use crate::support::http::call;
use crate::support::link::{Link, group_message, message};
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
    /// A group of both.
    group: String,
    /// What alice said, to bob and to the group.
    said: Vec<String>,
    /// Who asked to be registered.
    newcomers: Vec<String>,
}

impl Scene {
    fn begin() -> Self {
        Self::begin_with(Setup::new())
    }

    fn begin_with(setup: Setup) -> Self {
        let setup = setup.allow("ERROR").allow("WARN");
        let setup = setup.set("OPENIM_LIMITS_STORETIMEOUTMS", 2_000);
        let (setup, fault) = Fault::prepare(setup);
        let server = setup.start();
        let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
        let group = server.group(&alice, &[&bob]);
        let (alice, bob) = (server.connect(&alice), server.connect(&bob));
        let (said, newcomers) = (Vec::new(), Vec::new());
        let mut scene = Self { server, fault, alice, bob, group, said, newcomers };
        scene.says_some();
        scene
    }

    /// Each is acknowledged, and pushed to who is there.
    fn says_some(&mut self) {
        for _ in 0..SOME {
            let next = self.next();
            self.alice.say_data(&next);
            self.arrives(&next);
        }
    }

    /// What alice says next: every third time to the group.
    fn next(&self) -> Value {
        let id = format!("m{}", self.said.len());
        match self.said.len() % 3 {
            2 => group_message(&self.group, &id, "hello"),
            _ => message("bob", &id, "hello"),
        }
    }

    /// It was acknowledged, and is pushed.
    fn arrives(&mut self, message: &Value) {
        let id = &message["clientMsgID"];
        // Behind what tells of the group.
        while self.bob.pushed()["clientMsgID"] != *id {}
        self.said.push(id.as_str().expect("an id").to_owned());
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
            let ids = inbox.iter().filter_map(id).filter(|id| id.starts_with('m'));
            assert_eq!(ids.collect::<Vec<_>>(), self.said);
            let seqs: Vec<_> = inbox.iter().filter_map(|message| message["seq"].as_i64()).collect();
            assert_eq!(seqs, (1..=inbox.len() as i64).collect::<Vec<_>>());
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

#[test]
fn what_may_wait_for_it_has_a_bound_and_what_is_sent_then_is_refused() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let mut scene = Scene::begin_with(Setup::new().set("OPENIM_TEST_UNSTORED_MAX", 100));
    scene.fault.begin("write", "/index/");
    scene.is_away();
    // Who may repeat it does: here when the index is back.
    let refused = loop {
        let next = scene.next();
        if scene.alice.request(1003, &next)["errCode"] != 0 {
            break next;
        }
        scene.arrives(&next);
        assert!(scene.said.len() < 1_000, "the bound is far below");
    };
    scene.server.says(503, "messages cannot be stored");
    scene.fault.end();
    scene.server.becomes(200);
    scene.alice.say_data(&refused);
    scene.arrives(&refused);
    scene.is_back();
    scene.ends();
}

#[test]
fn under_load_it_may_fail_and_come_back_at_any_time() {
    const PAIRS: usize = 4;
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let (setup, fault) = Fault::prepare(Setup::new().allow("ERROR").allow("WARN"));
    let mut server = setup.start();
    let pairs = (0..PAIRS).map(|pair| [format!("from{pair}"), format!("to{pair}")]);
    let pairs: Vec<_> = pairs.map(|uids| uids.map(|uid| server.register(&uid, IOS))).collect();
    let is_over = AtomicBool::new(false);
    let said: Vec<usize> = std::thread::scope(|scope| {
        let is_over = &is_over;
        let speak = move |mut sender: Link, mut receiver: Link, to: &str| {
            let mut said = 0;
            while !is_over.load(Ordering::Acquire) {
                let id = format!("m{said}");
                let sent = message(to, &id, "hello");
                // What is refused is said again, and nobody is turned away.
                while sender.request(1003, &sent)["errCode"] != 0 {}
                assert_eq!(receiver.pushed()["clientMsgID"], id);
                said += 1;
            }
            said
        };
        let mut speaking = Vec::new();
        for [from, to] in &pairs {
            let (sender, receiver) = (server.connect(from), server.connect(to));
            speaking.push(scope.spawn(move || speak(sender, receiver, &to.uid)));
        }
        for (call, part) in
            [("write", ".jnl"), ("sync", "/index/"), ("sync", ".jnl"), ("write", "/index/")]
        {
            fault.begin(call, part);
            server.says(503, "the index takes nothing");
            fault.end();
            server.becomes(200);
        }
        is_over.store(true, Ordering::Release);
        speaking.into_iter().map(|pair| pair.join().expect("nobody is turned away")).collect()
    });
    for _ in 0..2 {
        for ([_, to], said) in pairs.iter().zip(&said) {
            let inbox = server.connect(&server.login(&to.uid, IOS)).inbox();
            let ids: Vec<_> = inbox.iter().map(|message| message["clientMsgID"].clone()).collect();
            assert_eq!(ids, (0..*said).map(|n| format!("m{n}")).collect::<Vec<_>>());
            let seqs: Vec<_> = inbox.iter().filter_map(|message| message["seq"].as_i64()).collect();
            assert_eq!(seqs, (1..=*said as i64).collect::<Vec<_>>());
        }
        server.kill();
        server.restart();
    }
}
