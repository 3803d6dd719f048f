//! Presence, marks, events and tokens on a real Redis.

mod tokens;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openim_cluster::Runtime;
use openim_cluster::redis::{
    Change, Event, Events, Options, Presence, Redis, Roll, TokenStates, Told, Warning,
};
use openim_cluster::testing::Own;
use openim_record::{Announced, Entry, GroupId, LinkId, Process, UserId, Written};
use openim_storage::port::{Remembered, Standing, StoreError, TokenCache as _, wait};
use redis::cluster::ClusterClient;

use crate::support::component;

const A: Process = Process([0xa; 16]);
const B: Process = Process([0xb; 16]);
const MOBILE: u8 = 1;

const fn link(process: Process, generation: u32) -> Entry {
    Entry { process, link: LinkId { index: 3, generation }, epoch: 0 }
}

/// A prefix of its own, whose keys go with it.
struct Place {
    runtime: Runtime,
    options: Options,
    /// To look and to empty without what is tested.
    raw: Box<dyn redis::ConnectionLike>,
}

impl Place {
    /// On one server, and on a Redis Cluster of three; those of the two that are given.
    fn each(test: &str) -> impl Iterator<Item = Self> {
        let nodes = ["OPENIM_TEST_REDIS1", "OPENIM_TEST_REDIS2", "OPENIM_TEST_REDIS3"];
        let urls: Option<Vec<String>> = nodes.into_iter().map(component).collect();
        let three = urls.map(|urls| {
            let raw = ClusterClient::new(urls.clone()).and_then(|client| client.get_connection());
            Self::of(test, urls, Box::new(raw.expect("the Redis Cluster answers")))
        });
        Self::open(test).into_iter().chain(three)
    }

    /// On one server.
    fn open(test: &str) -> Option<Self> {
        let url = component("OPENIM_TEST_REDIS")?;
        let raw = redis::Client::open(&url[..]).and_then(|client| client.get_connection());
        Some(Self::of(test, vec![url], Box::new(raw.expect("Redis answers"))))
    }

    fn of(test: &str, urls: Vec<String>, raw: Box<dyn redis::ConnectionLike>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
        let prefix = format!("test:{test}:{}:{}:", std::process::id(), now.as_nanos());
        let options = Options { urls, prefix, ..Options::default() };
        let runtime = Runtime::start(1).expect("a runtime");
        Self { runtime, options, raw }
    }

    fn redis(&self) -> Redis {
        wait(Redis::open(&self.runtime, self.options.clone())).expect("Redis answers")
    }

    fn empty(&mut self) {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{}*", self.options.prefix))
            .query(&mut *self.raw)
            .expect("Redis answers");
        for key in keys {
            redis::cmd("DEL").arg(key).exec(&mut *self.raw).expect("Redis answers");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.empty();
    }
}

fn stands(written: &Result<Written, StoreError>) -> (u64, Option<Entry>) {
    match written {
        Ok(Written::Stands { epoch, replaced }) => (*epoch, *replaced),
        other => panic!("it does not stand: {other:?}"),
    }
}

#[test]
fn a_later_link_replaces_and_an_older_one_does_not_come_back() {
    for mut place in Place::each("entries") {
        let presence = Presence::new(place.redis());
        let ann = UserId::new("ann");
        let write = |entry| wait(presence.write(&ann, MOBILE, entry));
        let (first, none) = stands(&write(link(A, 1)));
        assert_eq!(none, None);
        let first_link = Entry { epoch: first, ..link(A, 1) };
        assert_eq!(stands(&write(first_link)), (first, None), "written again it is the same");
        let (second, replaced) = stands(&write(link(B, 1)));
        assert!(second > first);
        assert_eq!(replaced, Some(first_link));
        assert_eq!(write(first_link).expect("Redis answers"), Written::Older);
        // Only its own entry goes with a link.
        let sight =
            || wait(presence.sight(std::slice::from_ref(&ann), &[])).expect("Redis answers").users;
        wait(presence.remove(&ann, MOBILE, A, first_link.link)).expect("Redis answers");
        assert_eq!(sight(), [(ann.clone(), vec![B])]);
        // Emptied, an older link's pass may come first; the later one's takes its place all the same.
        place.empty();
        assert_eq!(stands(&write(first_link)), (first, None));
        let second_link = Entry { epoch: second, ..link(B, 1) };
        assert_eq!(stands(&write(second_link)), (second, Some(first_link)));
        assert_eq!(write(first_link).expect("Redis answers"), Written::Older);
        wait(presence.remove(&ann, MOBILE, B, second_link.link)).expect("Redis answers");
        assert_eq!(sight(), [(ann.clone(), vec![])]);
    }
}

#[test]
fn entries_are_read_between_two_looks_at_the_marks() {
    for mut place in Place::each("marks") {
        let presence = Presence::new(place.redis());
        let users: Vec<UserId> = (0..600).map(|n| UserId::new(&format!("u{n}"))).collect();
        for (at, user) in users.iter().enumerate().filter(|(at, _)| at % 100 == 0) {
            wait(presence.write(user, MOBILE, link(A, 1))).expect("Redis answers");
            wait(presence.write(user, 5, link(B, at as u32))).expect("Redis answers");
        }
        wait(presence.announce(A, Announced::Writing(7))).expect("Redis answers");
        assert_eq!(
            wait(presence.announced(A, true)).expect("Redis answers"),
            Some(Announced::Writing(7))
        );
        assert!(!wait(presence.complete(A, 6)).expect("Redis answers"), "another pass");
        assert!(!wait(presence.complete(B, 7)).expect("Redis answers"), "another process");
        assert_eq!(wait(presence.sight(&[], &[A, B])).expect("Redis answers").before, []);
        assert!(wait(presence.complete(A, 7)).expect("Redis answers"));
        assert!(!wait(presence.complete(A, 7)).expect("Redis answers"), "once");
        let sight = wait(presence.sight(&users, &[A, B])).expect("Redis answers");
        assert_eq!((&sight.before[..], &sight.after[..]), (&[(A, 7)][..], &[(A, 7)][..]));
        assert_eq!(sight.users.len(), users.len());
        for (at, (user, mut processes)) in sight.users.into_iter().enumerate() {
            processes.sort();
            assert_eq!(user, users[at]);
            assert_eq!(processes, if at % 100 == 0 { vec![A, B] } else { vec![] }, "{user}");
        }
        // Of B nobody knows whether it is there any more.
        let platforms = |users: &[UserId]| wait(presence.platforms(users)).expect("Redis answers");
        assert_eq!(platforms(&users[299..302]), [vec![], vec![MOBILE], vec![]]);
        wait(presence.announce(B, Announced::Writing(1))).expect("Redis answers");
        assert_eq!(platforms(&users[299..302]), [vec![], vec![MOBILE, 5], vec![]]);
        assert_eq!(platforms(&users).len(), users.len());
        place.empty();
        assert_eq!(wait(presence.announced(A, true)).expect("Redis answers"), None);
    }
}

#[test]
fn events_are_told_once_and_a_gap_is_noticed() {
    for mut place in Place::each("events") {
        let redis = place.redis();
        let mut events = Events::new(place.redis());
        let event = |n: u32| match n {
            1 => Event::All,
            2 => Event::Replaced(Entry { epoch: 44, ..link(A, 7) }),
            3 => Event::Group(GroupId::new("g\u{e9} 1")),
            n => Event::Tokens { user: UserId::new(&format!("u{n}")), by: 5 },
        };
        let tell = |n| wait(Events::tell(&redis, &event(n))).expect("Redis answers");
        tell(0);
        assert_eq!(wait(events.look()).expect("Redis answers"), Told::Gap, "it begins");
        assert_eq!(wait(events.look()).expect("Redis answers"), Told::These(vec![]));
        tell(1);
        tell(2);
        assert_eq!(
            wait(events.look()).expect("Redis answers"),
            Told::These(vec![event(1), event(2)])
        );
        assert_eq!(wait(events.look()).expect("Redis answers"), Told::These(vec![]));
        tell(3);
        place.empty();
        assert_eq!(wait(events.look()).expect("Redis answers"), Told::Gap, "it was emptied");
        assert_eq!(wait(events.look()).expect("Redis answers"), Told::These(vec![]));
        tell(4);
        assert_eq!(wait(events.look()).expect("Redis answers"), Told::These(vec![event(4)]));
        // More than one look gives come with the next ones.
        (0..1_500).for_each(tell);
        let mut told = Vec::new();
        while told.len() < 1_500 {
            match wait(events.look()).expect("Redis answers") {
                Told::These(some) => told.extend(some),
                Told::Gap => panic!("nothing is missing"),
            }
        }
        assert_eq!(told, (0..1_500).map(event).collect::<Vec<_>>());
    }
}

#[test]
fn a_stream_that_is_cut_off_behind_the_last_event_seen_is_a_gap() {
    for mut place in Place::each("cut") {
        place.options.events_max = 10;
        let (redis, mut events) = (place.redis(), Events::new(place.redis()));
        let event = |n: u32| Event::Tokens { user: UserId::new(&format!("u{n}")), by: 0 };
        let tell = |n| wait(Events::tell(&redis, &event(n))).expect("Redis answers");
        let mut look = || wait(events.look()).expect("Redis answers");
        let mut keep = |count: u32| {
            let mut cut = redis::cmd("XTRIM");
            cut.arg(format!("{}events", place.options.prefix)).arg("MAXLEN").arg(count);
            cut.exec(&mut *place.raw).expect("Redis answers");
        };
        (0..3).for_each(tell);
        assert_eq!(look(), Told::Gap, "it begins");
        // Up to the one that was seen last, which stays.
        (3..6).for_each(tell);
        keep(4);
        assert_eq!(look(), Told::These((3..6).map(event).collect()));
        // That one too: nobody can tell that it was no more.
        tell(6);
        keep(1);
        assert_eq!(look(), Told::Gap);
        assert_eq!(look(), Told::These(vec![]));
        tell(7);
        assert_eq!(look(), Told::These(vec![event(7)]));
        // All of them, but for the stream itself.
        tell(8);
        keep(0);
        assert_eq!(look(), Told::Gap);
        tell(9);
        assert_eq!(look(), Told::These(vec![event(9)]));
        // Whoever was away for long has missed what was cut off by those who tell.
        (10..400).for_each(tell);
        assert_eq!(look(), Told::Gap);
        tell(400);
        assert_eq!(look(), Told::These(vec![event(400)]));
    }
}

#[test]
fn a_redis_that_is_away_is_said_with_its_address_and_no_password() {
    let runtime = Runtime::start(1).expect("a runtime");
    let urls = vec!["redis://:hidden@127.0.0.1:1".to_owned()];
    let opened = wait(Redis::open(&runtime, Options { urls, ..Options::default() }));
    let error = opened.err().expect("nobody is there");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && !text.contains("hidden"), "{text}");
}

#[test]
fn a_redis_that_throws_away_or_forgets_is_said_by_its_setting() {
    let Some(own) = Own::up("redis") else { return };
    let url = own.address();
    let mut raw =
        redis::Client::open(&url[..]).and_then(|of| of.get_connection()).expect("it is up");
    let mut set = |name: &str, value: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg(name).arg(value).exec(&mut raw).expect("Redis answers");
    };
    let runtime = Runtime::start(1).expect("a runtime");
    let options = Options { urls: vec![url], ..Options::default() };
    let redis = wait(Redis::open(&runtime, options)).expect("Redis answers");
    let warnings = || wait(redis.warnings()).expect("Redis answers");
    set("appendonly", "yes");
    set("maxmemory-policy", "noeviction");
    assert_eq!(warnings(), []);
    set("maxmemory-policy", "allkeys-lru");
    assert_eq!(warnings(), [Warning::Evicts]);
    assert!(Warning::Evicts.to_string().contains("maxmemory-policy"));
    set("maxmemory-policy", "noeviction");
    set("appendonly", "no");
    set("save", "");
    assert_eq!(warnings(), [Warning::Forgets]);
    assert!(Warning::Forgets.to_string().contains("appendonly"));
}

#[test]
fn an_account_that_may_not_ask_for_the_server_is_said_and_one_that_may_has_tokens_remembered() {
    let Some(own) = Own::up("redis") else { return };
    let mut raw =
        redis::Client::open(own.address()).and_then(|of| of.get_connection()).expect("it is up");
    let mut account = |name: &str, rules: &[&str]| {
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(name).arg(&["on", ">word", "~*", "&*", "+@all"]).arg(rules);
        set.exec(&mut raw).expect("Redis answers");
        let at = own.address();
        let at = at.rsplit_once('@').expect("an account").1;
        let runtime = Runtime::start(1).expect("a runtime");
        let urls = vec![format!("redis://{name}:word@{at}")];
        let options = Options { urls, ..Options::default() };
        wait(Redis::open(&runtime, options)).expect("Redis lets it in")
    };
    let least = account("least", &["-@admin", "-@dangerous"]);
    assert_eq!(wait(least.warnings()).expect("Redis answers"), [Warning::Nameless]);
    assert!(Warning::Nameless.to_string().contains("INFO"));
    let user = UserId::new("ann");
    assert!(wait(TokenStates::new(least).look(&user)).is_err(), "nothing is remembered");

    let enough = account("enough", &["-@admin", "-@dangerous", "+info"]);
    assert_eq!(wait(enough.warnings()).expect("Redis answers"), []);
    let tokens = TokenStates::new(enough);
    let found = wait(tokens.look(&user)).expect("Redis answers");
    let Remembered::Unknown(lease) = found else { panic!("nothing was handed in: {found:?}") };
    wait(tokens.remember(&user, lease, &Standing::default())).expect("Redis answers");
    let found = wait(tokens.look(&user)).expect("Redis answers");
    assert!(matches!(found, Remembered::Known(_)), "{found:?}");
}

#[test]
fn the_first_call_behind_a_restart_is_answered() {
    let Some(own) = Own::up("redis") else { return };
    let runtime = Runtime::start(1).expect("a runtime");
    // Long enough for a busy machine; a call that takes the connection for broken gives up at once.
    let call_timeout = Duration::from_secs(60);
    let options = Options { urls: vec![own.address()], call_timeout, ..Options::default() };
    let way = || wait(Redis::open(&runtime, options.clone())).expect("Redis answers");
    let (changes, told, marks) = (TokenStates::new(way()), way(), Presence::new(way()));
    own.kill();
    own.start_again();
    let user = UserId::new("ann");
    let change = Change::new().expect("random numbers");
    wait(changes.changes(&user, change)).expect("a login is let through");
    wait(Events::tell(&told, &Event::All)).expect("others are told");
    wait(marks.announce(A, Announced::All(1))).expect("a mark is written");
}

#[test]
fn who_has_signed_is_on_the_roll_until_it_leaves_or_is_not_heard_of() {
    for place in Place::each("roll") {
        let redis = wait(Redis::open(&place.runtime, place.options.clone())).expect("it answers");
        let roll = Roll::new(redis);
        let read = || wait(roll.read()).expect("it answers");
        assert_eq!(read(), []);
        for (process, seconds) in [(A, 600), (B, 2), (A, 600)] {
            wait(roll.sign(process, Duration::from_secs(seconds))).expect("it answers");
        }
        assert!(read().contains(&A));
        let begun = std::time::Instant::now();
        while read() != [A] {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody hears of B");
            std::thread::sleep(Duration::from_millis(50));
        }
        wait(roll.leave(A)).expect("it answers");
        assert_eq!(read(), []);
    }
}
