//! Who registers, logs in, makes friends and groups while the server is killed, and what of it must be there afterwards:
//! all that was answered. What was not answered may be there or not, and is told exactly when it is there (`tips`).

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::SECRET;
use super::support::http::try_dial;
use super::support::platform::IOS;
use super::support::rest::{User, listed, op, registration};
use super::support::server::Server;
use super::tips::Tips;
use super::{Address, Random};

/// What was answered.
#[derive(Default)]
pub(crate) struct Accounts {
    tips: Tips,
    /// By uid; `None` where a login was not answered, which may have ended the token before it.
    tokens: BTreeMap<String, Option<String>>,
    /// Tokens that a login has ended.
    superseded: Vec<(String, String)>,
    friends: Vec<(String, String)>,
    /// By id: the owner and the members.
    groups: BTreeMap<String, Vec<String>>,
}

impl Accounts {
    /// Changes one thing after the other until it is told to stop.
    pub(crate) fn run(mut self, rest: &Address, stop: &AtomicBool, mut random: Random) -> Self {
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            let to = *rest.read().expect("the test does not panic with it");
            number += 1;
            let uid = format!("new{number}");
            let answer = post(to, "", "/auth/user_register", &registration(&uid, IOS));
            let Some(token) = token_of(answer) else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            self.tokens.insert(uid.clone(), Some(token));
            let known: Vec<String> = self.tokens.keys().cloned().collect();
            let peer = known[random.below(known.len() as u64) as usize].clone();
            match random.below(4) {
                0 => self.log_in(to, peer),
                1 if peer != uid => self.befriend(to, uid, peer),
                2 if peer != uid => self.tips.manage(to, &uid, &peer),
                _ => self.gather(to, uid, peer),
            }
        }
        self
    }

    fn log_in(&mut self, to: SocketAddr, uid: String) {
        let body = json!({"secret": SECRET, "platform": IOS, "uid": uid});
        let token = token_of(post(to, "", "/auth/user_token", &body));
        let before = self.tokens.insert(uid.clone(), token.clone()).flatten();
        if let (Some(before), Some(_)) = (before, token) {
            self.superseded.push((uid, before));
        }
    }

    fn befriend(&mut self, to: SocketAddr, one: String, other: String) {
        self.tips.asked(&one, &other);
        let ask = op(json!({"uid": other, "reqMessage": "hello"}));
        let agree = op(json!({"uid": one, "flag": 1}));
        if self.done(to, &one, "/friend/add_friend", &ask).is_some()
            && self.done(to, &other, "/friend/add_friend_response", &agree).is_some()
        {
            self.friends.push((one, other));
        }
    }

    fn gather(&mut self, to: SocketAddr, owner: String, peer: String) {
        let mut members = vec![owner.clone()];
        members.extend(Some(peer).filter(|peer| *peer != owner));
        let others = members[1..].iter().map(|uid| json!({"uid": uid, "setRole": 0}));
        let others: Vec<Value> = others.collect();
        let body = op(json!({"groupName": "a group", "memberList": others}));
        if let Some(answer) = self.done(to, &owner, "/group/create_group", &body) {
            let id = answer["data"]["groupID"].as_str().expect("a group id").to_owned();
            self.groups.insert(id, members);
        }
    }

    fn done(&self, to: SocketAddr, by: &str, path: &str, body: &Value) -> Option<Value> {
        let token = self.tokens.get(by)?.as_deref()?;
        post(to, token, path, body).filter(|answer| answer["errCode"] == 0)
    }

    /// Everything that was answered is there.
    pub(crate) fn check(&self, server: &Server) {
        let friend_list = op(json!({}));
        for (uid, token) in &self.superseded {
            let answer = server.post_as(token, "/friend/get_friend_list", &friend_list);
            assert_ne!(answer.json()["errCode"], 0, "{uid}: a token came back to life");
        }
        let mut users = BTreeMap::new();
        for (uid, token) in &self.tokens {
            let user = match token.clone() {
                Some(token) => User { uid: uid.clone(), token, platform: IOS },
                None => server.login(uid, IOS),
            };
            let friends = server.done_as(&user, "/friend/get_friend_list", &friend_list);
            for (one, other) in &self.friends {
                let peer =
                    if one == uid { Some(other) } else { Some(one).filter(|_| other == uid) };
                let is_there = |peer: &String| listed(&friends, "uid").contains(&peer.as_str());
                assert!(peer.is_none_or(is_there), "{one} and {other} are friends no more");
            }
            users.insert(uid.clone(), user);
        }
        self.tips.check(server, &users);
        for (id, members) in &self.groups {
            let owner = &users[&members[0]];
            let mut found = server.roles(owner, id);
            found.sort();
            let mut expected: Vec<_> =
                members.iter().map(|uid| (uid.clone(), i64::from(*uid == owner.uid))).collect();
            expected.sort();
            assert_eq!(found, expected, "group {id}");
        }
        let (users, groups) = (self.tokens.len(), self.groups.len());
        let friends = self.friends.len();
        println!("{users} accounts, {friends} friendships and {groups} groups are there");
        assert!(users > 20 && friends + groups > 5, "the load was a load: {users}");
    }
}

pub(crate) fn token_of(answer: Option<Value>) -> Option<String> {
    let answer = answer.filter(|answer| answer["errCode"] == 0)?;
    Some(answer["data"]["token"].as_str().expect("a token").to_owned())
}

/// The answer to a call; `None` when none came whole.
pub(crate) fn post(to: SocketAddr, token: &str, path: &str, body: &Value) -> Option<Value> {
    let body = body.to_string();
    let length = body.len();
    let mut stream = try_dial(to).ok()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\ntoken: {token}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let begin = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    serde_json::from_slice(&answer[begin..]).ok()
}

/// The journal of the index of a server that is down, and how far it is written.
pub(crate) fn journal(data_dir: &Path) -> (PathBuf, u64) {
    let listed = fs::read_dir(data_dir.join("index")).expect("the index is listed");
    let files = listed.map(|entry| entry.expect("listed").path());
    let mut journals: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "jnl")).collect();
    journals.sort();
    assert_eq!(journals.len(), 1, "one journal is enough for the load of this test");
    let bytes = fs::read(&journals[0]).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    (journals.remove(0), end)
}

/// Removes the index or a file of it, damages a byte somewhere in it, or cuts its journal behind `begin`.
pub(crate) fn damage(data_dir: &Path, begin: u64, random: &mut Random) {
    match random.below(4) {
        0 => {
            println!("the index is removed");
            fs::remove_dir_all(data_dir.join("index")).expect("removed");
        }
        1 => {
            let all = files(&data_dir.join("index"));
            let file = &all[random.below(all.len() as u64) as usize];
            println!("{} is removed", file.display());
            fs::remove_file(file).expect("removed");
        }
        2 => {
            let all = files(&data_dir.join("index"));
            let file = &all[random.below(all.len() as u64) as usize];
            let mut bytes = fs::read(file).expect("read");
            if !bytes.is_empty() {
                let at = random.below(bytes.len() as u64) as usize;
                println!("byte {at} of {} is damaged", file.display());
                bytes[at] ^= 0x5a;
                fs::write(file, bytes).expect("written");
            }
        }
        _ => damage_journal(data_dir, begin, random),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Cuts the journal somewhere behind `begin`, or damages a byte there.
fn damage_journal(data_dir: &Path, begin: u64, random: &mut Random) {
    let (path, end) = journal(data_dir);
    // One that was made anew begins anew.
    let begin = begin.min(end);
    let at = begin + random.below(end - begin + 1);
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("opened");
    if random.below(2) == 0 {
        println!("the index's journal is cut at {at} of {end}");
        file.set_len(at).expect("cut");
    } else {
        println!("byte {at} of {end} of the index's journal is damaged");
        let mut byte = [0];
        // Behind its end is space, or nothing where it was cut before.
        if file.read_at(&mut byte, at).expect("read") == 1 {
            file.write_all_at(&[byte[0] ^ 0x5a], at).expect("written");
        }
    }
}
