//! The crash test: a real server process under load from several pairs is killed with SIGKILL at random moments and
//! started again on its data, over and over. Afterwards every acknowledged send is in both inboxes exactly once, and one to
//! the group in the inbox of every member; seqs are dense from 1 and were never given to another message, and nothing was pushed that cannot be pulled.
//! Every account, login, friendship and group that was answered is there, and a change of friends and groups is there exactly when its tip is. At a third of the starts the journal of the index
//! has been cut somewhere, or has a damaged byte.
//!
//! `OPENIM_CRASH_SEED` and `OPENIM_CRASH_KILLS` change what is done; a failure prints the seed.

#[path = "crash/accounts.rs"]
mod accounts;
#[path = "support/mod.rs"]
#[allow(dead_code, reason = "the other test program uses the rest")]
mod support;
#[path = "crash/tips.rs"]
mod tips;
#[path = "crash/why.rs"]
mod why;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use accounts::Accounts;
use serde_json::Value;
use support::PATIENCE;
use support::engine::on_cluster;
use support::link::{Arrival, Link, PUSH, group_message, message};
use support::platform::IOS;
use support::rest::User;
use support::server::{Server, Setup};
use tokio_tungstenite::tungstenite::Message;

/// Each user writes to the next one, so that everybody sends and receives and pairs cross shards.
const USERS: usize = 8;

/// Members of the group of all users who only read, and only at the end: its members fill lists of every shard.
const READERS: usize = 120;

/// Requests of one link under way at once.
const WINDOW: usize = 8;

/// What one user's client saw over all lives of the server.
#[derive(Default)]
struct Seen {
    /// Server id of every acknowledged send, by client id, in order of their first acknowledgement.
    acked: HashMap<String, String>,
    /// Client ids in the order in which they were acknowledged, a list for each link.
    acked_in_order: Vec<Vec<String>>,
    /// Everything that was sent at least once.
    sent: BTreeSet<String>,
    /// Server id of every push, by seq.
    pushed: BTreeMap<i64, String>,
}

/// Where the server is now; moves with each life.
pub(crate) type Address = Arc<RwLock<SocketAddr>>;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let seed = number("OPENIM_CRASH_SEED", 1);
    let kills = number("OPENIM_CRASH_KILLS", 6);
    println!("OPENIM_CRASH_SEED={seed} OPENIM_CRASH_KILLS={kills}");
    let mut random = Random(seed);
    let mut server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 3)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        // Small files, so that kills also fall on the change from one to the next.
        .set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 64 << 10)
        // A torn tail is cut and reported; that is the point of a kill under load.
        .allow("cut")
        .allow("the index")
        .start();
    let begin = if on_cluster() { 0 } else { accounts::journal(server.data_dir()).1 };
    let register = |n: usize| server.register(&format!("user{n}"), IOS);
    let (users, readers): (Vec<User>, Vec<User>) =
        ((0..USERS).map(register).collect(), (USERS..USERS + READERS).map(register).collect());
    let others: Vec<&User> = users[1..].iter().chain(&readers).collect();
    let group = server.group(&users[0], &others);
    let address: Address = Arc::new(RwLock::new(server.ws()));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<JoinHandle<Seen>> = (0..USERS)
        .map(|n| {
            let (user, peer) = (users[n].clone(), users[(n + 1) % USERS].uid.clone());
            let (address, stop, random) = (Arc::clone(&address), Arc::clone(&stop), random.fork());
            let group = group.clone();
            thread::spawn(move || Client::new(user, peer, group, random).run(&address, &stop))
        })
        .collect();

    let rest: Address = Arc::new(RwLock::new(server.rest()));
    let clerk = {
        let (rest, stop, random) = (Arc::clone(&rest), Arc::clone(&stop), random.fork());
        thread::spawn(move || Accounts::default().run(&rest, &stop, random))
    };

    let mut known: HashMap<String, Vec<(i64, String)>> = HashMap::new();
    let mut answers = why::Answers::default();
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(150 + random.below(900)));
        server.kill();
        if random.below(3) == 0 && !on_cluster() {
            accounts::damage(server.data_dir(), begin, &mut random);
        }
        server.restart_with(|setup| setup.set("OPENIM_GATEWAY_SHARDS", 1 + random.below(4)));
        look_behind_a_kill(&server, (&users, &readers), &mut known, &mut answers, &mut random);
        *address.write().expect("no client panics with it") = server.ws();
        *rest.write().expect("no client panics with it") = server.rest();
    }
    thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::SeqCst);
    let seen: Vec<Seen> =
        clients.into_iter().map(|client| client.join().expect("the client's checks")).collect();
    let accounts = clerk.join().expect("the accounts' checks");
    // One more life, so that the last sends are read from the disk as well.
    server.kill();
    if !on_cluster() {
        accounts::damage(server.data_dir(), begin, &mut random);
    }
    server.restart();
    accounts.check(&server);
    answers.check(&server, (&users, &readers), &seen);
    check(&server, &users, &seen);
    check_readers(&server, &readers, &users, &seen);
}

/// Asks why somebody did not get a message, before anybody comes back, and then looks into the inboxes.
fn look_behind_a_kill(
    server: &Server,
    (users, readers): (&[User], &[User]),
    known: &mut HashMap<String, Vec<(i64, String)>>,
    answers: &mut why::Answers,
    random: &mut Random,
) {
    if !on_cluster() {
        let places = |user: &User| known.get(&user.uid).map_or(0, Vec::len);
        answers.behind_a_kill(server, (users, readers), places, random);
    }
    for (n, user) in users.iter().enumerate() {
        let known = known.entry(user.uid.clone()).or_default();
        assert_extends(known, server, user);
        answers.inbox(n, known.len());
    }
}

/// After a restart every seq names the message it named before.
fn assert_extends(known: &mut Vec<(i64, String)>, server: &Server, user: &User) {
    let now = inbox_of(server, user);
    assert!(now.len() >= known.len(), "{} shrank from {} to {}", user.uid, known.len(), now.len());
    assert_eq!(now[..known.len()], known[..], "{}: a seq changed its message", user.uid);
    for (n, (seq, _)) in now.iter().enumerate() {
        assert_eq!(*seq, n as i64 + 1, "{}: seqs are dense from 1", user.uid);
    }
    *known = now;
}

/// The inbox as (seq, server id), in order. The clients are not connected meanwhile: they learn the new address later.
fn inbox_of(server: &Server, user: &User) -> Vec<(i64, String)> {
    server
        .connect(user)
        .inbox()
        .iter()
        .map(|message| (seq_of(message), text(message, "serverMsgID")))
        .collect()
}

fn check(server: &Server, users: &[User], seen: &[Seen]) {
    let inboxes: Vec<Vec<Value>> = users.iter().map(|user| server.connect(user).inbox()).collect();
    let mut total = 0;
    for (n, user) in users.iter().enumerate() {
        let inbox = &inboxes[n];
        let seqs: Vec<i64> = inbox.iter().map(seq_of).collect();
        assert_eq!(seqs, (1..=inbox.len() as i64).collect::<Vec<i64>>(), "{}: dense", user.uid);
        let ids: BTreeSet<String> =
            inbox.iter().map(|message| text(message, "serverMsgID")).collect();
        assert_eq!(ids.len(), inbox.len(), "{}: no message twice", user.uid);
        for (seq, id) in &seen[n].pushed {
            let stored = inbox.get(*seq as usize - 1).map(|message| text(message, "serverMsgID"));
            assert_eq!(stored.as_ref(), Some(id), "{}: pushed as seq {seq}", user.uid);
        }
        let peer = (n + 1) % users.len();
        for owner in 0..users.len() {
            let is_due = |client_id: &str| is_to_group(client_id) || owner == n || owner == peer;
            let whose = format!("{}'s sends at {}", user.uid, users[owner].uid);
            check_sends(&whose, &sent_by(user, &inboxes[owner]), &seen[n], is_due);
        }
        total += seen[n].acked.len();
    }
    let grouped = |seen: &Seen| seen.acked.keys().filter(|id| is_to_group(id)).count();
    let grouped: usize = seen.iter().map(grouped).sum();
    println!("{total} acknowledged sends are in all inboxes, {grouped} of them to the group");
    assert!(total > 100 && grouped > 20, "the load was a load: {total}, {grouped}");
}

/// Who never sent and had no link holds all of the group, and nothing else.
fn check_readers(server: &Server, readers: &[User], users: &[User], seen: &[Seen]) {
    for reader in readers {
        let inbox = server.connect(reader).inbox();
        let seqs: Vec<i64> = inbox.iter().map(seq_of).collect();
        assert_eq!(seqs, (1..=inbox.len() as i64).collect::<Vec<i64>>(), "{}: dense", reader.uid);
        assert!(inbox.iter().all(|message| is_to_group(&text(message, "clientMsgID"))));
        for (user, seen) in users.iter().zip(seen) {
            let whose = format!("{}'s sends at {}", user.uid, reader.uid);
            check_sends(&whose, &sent_by(user, &inbox), seen, is_to_group);
        }
    }
}

fn sent_by<'a>(user: &User, inbox: &'a [Value]) -> Vec<&'a Value> {
    inbox.iter().filter(|message| message["sendID"] == *user.uid).collect()
}

/// What one inbox holds of one sender: all that was acknowledged and is due there, once, and nothing unsent; what went
/// the same way in the order of each link.
fn check_sends(whose: &str, stored: &[&Value], seen: &Seen, is_due: impl Fn(&str) -> bool) {
    let mut place: HashMap<String, usize> = HashMap::new();
    for (at, message) in stored.iter().enumerate() {
        let client_id = text(message, "clientMsgID");
        assert!(seen.sent.contains(&client_id), "{whose}: {client_id} was never sent");
        assert_eq!(message["content"], *content_of(&client_id), "{whose}");
        let twin = place.insert(client_id.clone(), at);
        assert_eq!(twin, None, "{whose}: {client_id} is there twice");
        if let Some(id) = seen.acked.get(&client_id) {
            assert_eq!(*id, text(message, "serverMsgID"), "{whose}: {client_id}");
        }
    }
    for client_id in seen.acked.keys().filter(|client_id| is_due(client_id)) {
        assert!(place.contains_key(client_id), "{whose}: {client_id} was acknowledged and is lost");
    }
    for (link, to_group) in
        seen.acked_in_order.iter().flat_map(|link| [(link, false), (link, true)])
    {
        let same_way = link.iter().filter(|id| is_due(id) && is_to_group(id) == to_group);
        let places: Vec<usize> = same_way.map(|client_id| place[client_id]).collect();
        assert!(places.is_sorted(), "{whose}: order of acknowledged sends on one link");
    }
}

/// Sends to one peer and to the group as fast as the window lets it, reconnects after each crash, repeats some of what was not answered.
struct Client {
    user: User,
    peer: String,
    group: String,
    random: Random,
    next: u64,
    unanswered: Vec<String>,
    seen: Seen,
}

impl Client {
    fn new(user: User, peer: String, group: String, random: Random) -> Client {
        let (unanswered, seen) = (Vec::new(), Seen::default());
        Client { user, peer, group, random, next: 0, unanswered, seen }
    }

    fn run(mut self, address: &Address, stop: &AtomicBool) -> Seen {
        while !stop.load(Ordering::SeqCst) {
            let to = *address.read().expect("the test does not panic with it");
            // The server is down between its lives; whoever cannot connect tries again.
            match Link::open(to, &self.user) {
                Ok(link) => self.one_link(link, stop),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        self.seen
    }

    /// Works on one link until it ends, or until the end of the test with everything answered.
    fn one_link(&mut self, mut link: Link, stop: &AtomicBool) {
        // Half of what the last link left open is repeated, the other half never: both must be right.
        let left = std::mem::take(&mut self.unanswered);
        let mut waiting: Vec<String> =
            left.into_iter().filter(|_| self.random.below(2) == 0).collect();
        waiting.reverse();
        let mut under_way: HashMap<i64, String> = HashMap::new();
        let mut fresh_in_order = Vec::new();
        let repeated: BTreeSet<String> = waiting.iter().cloned().collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stopping = stop.load(Ordering::SeqCst);
            if stopping && under_way.is_empty() && waiting.is_empty() {
                break;
            }
            assert!(!stopping || Instant::now() < deadline, "{under_way:?} are not answered");
            while under_way.len() < WINDOW && (!stopping || !waiting.is_empty()) {
                let client_id = waiting.pop().unwrap_or_else(|| self.fresh_id());
                let content = content_of(&client_id);
                let envelope = match is_to_group(&client_id) {
                    true => link.envelope(1003, &group_message(&self.group, &client_id, &content)),
                    false => link.envelope(1003, &message(&self.peer, &client_id, &content)),
                };
                let incr = envelope["msgIncr"].as_i64().expect("set by the link");
                self.seen.sent.insert(client_id.clone());
                under_way.insert(incr, client_id);
                if link.try_send(Message::text(envelope.to_string())).is_err() {
                    break;
                }
            }
            match link.arrival_within(Duration::from_secs(10)) {
                Some(Arrival::Json(frame)) => {
                    self.take(&frame, &mut under_way, &repeated, &mut fresh_in_order)
                }
                Some(Arrival::Pong(_)) => {}
                Some(Arrival::Closed(_)) => break,
                None => panic!(
                    "{}: nothing came for ten seconds, {under_way:?} are open",
                    self.user.uid
                ),
            }
        }
        let mut open: Vec<(i64, String)> = under_way.into_iter().collect();
        open.sort();
        self.unanswered = open.into_iter().map(|(_, client_id)| client_id).collect();
        self.seen.acked_in_order.push(fresh_in_order);
    }

    fn take(
        &mut self,
        frame: &Value,
        under_way: &mut HashMap<i64, String>,
        repeated: &BTreeSet<String>,
        fresh_in_order: &mut Vec<String>,
    ) {
        if frame["reqIdentifier"] == PUSH {
            // The notice to a replaced link has seq 0.
            if seq_of(&frame["data"]) > 0 {
                let twin = self
                    .seen
                    .pushed
                    .insert(seq_of(&frame["data"]), text(&frame["data"], "serverMsgID"));
                assert!(twin.is_none(), "{}: a seq was pushed twice: {frame}", self.user.uid);
            }
            return;
        }
        let incr = frame["msgIncr"].as_i64().expect("a reply names its request");
        let client_id = under_way.remove(&incr).expect("one reply to each request");
        if frame["errCode"] != 0 {
            // Refused while the server was busy or going down: as good as unanswered.
            self.unanswered.push(client_id);
            return;
        }
        assert_eq!(frame["data"]["clientMsgID"], *client_id, "{frame}");
        // A load that leaves the machine some air: how much is stored is not the point, when the kill comes is.
        thread::sleep(Duration::from_millis(self.random.below(10)));
        let id = text(&frame["data"], "serverMsgID");
        if let Some(first) = self.seen.acked.insert(client_id.clone(), id.clone()) {
            assert_eq!(first, id, "{client_id} was acknowledged as another message before");
        }
        if !repeated.contains(&client_id) {
            fresh_in_order.push(client_id);
        }
    }

    fn fresh_id(&mut self) -> String {
        self.next += 1;
        let way = if self.random.below(4) == 0 { "g" } else { "s" };
        format!("{}.{}{way}", self.user.uid, self.next)
    }
}

/// Whether the send with this id goes to the group.
fn is_to_group(client_id: &str) -> bool {
    client_id.ends_with('g')
}

/// Content of a size that depends on the id, so that records have all sizes.
fn content_of(client_id: &str) -> String {
    let size =
        client_id.bytes().fold(7usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
            % 600;
    format!("{client_id} {}", "x".repeat(size))
}

fn seq_of(message: &Value) -> i64 {
    message["seq"].as_i64().unwrap_or_else(|| panic!("an integer seq in {message}"))
}

fn text(message: &Value, key: &str) -> String {
    message[key].as_str().unwrap_or_else(|| panic!("{key} in {message}")).to_owned()
}

/// SplitMix64: enough chance for a test, and the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn fork(&mut self) -> Random {
        Random(self.next())
    }
}
