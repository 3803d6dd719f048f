//! A shard that has only a front, with sockets, joined with another process over a real Redis: what each learns of the
//! other. The other is the test.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use openim_auth::{Class, Newest, Platform, TokenId};
use openim_cluster::Runtime;
use openim_cluster::redis::{self, Event, Events, Options, Redis, Told};
use openim_cluster::testing::component;
use openim_delivery::Fronts as _;
use openim_record::{Entry, LinkId, Message, MessageKey, Process, Scope, Settled};
use openim_shard::CloseReason;
use openim_storage::port::{Decision, IssuedToken, Tokens as _};
use openim_transfer::Delivery;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::super::blueprint::Fronts;
use super::*;
use crate::bus::{Decide, Presence};
use crate::cluster::{Here, Joined, Pace, Shards, Ways, join};
use crate::driver::{Beside, FromBacks, GroupChanges, moment};

const BASE: Process = Process([7; 16]);
const OTHER: Process = Process([9; 16]);
const WEB: Platform = Platform::Web;
/// A wait for something that is to happen; none is measured.
const LONG: Duration = Duration::from_secs(60);

/// The shard, and the other process' ways.
struct Scene {
    core: Rc<Core>,
    address: SocketAddr,
    storage: Embedded,
    here: Here,
    joined: Arc<crate::cluster::Status>,
    presence: redis::Presence,
    redis: Redis,
    heard: Events,
}

/// Runs `f` beside a shard that is joined.
fn beside_a_shard<F: Future<Output = ()>>(f: impl FnOnce(Scene) -> F) {
    let Some(url) = component("OPENIM_TEST_REDIS") else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
    let prefix = format!("test:joined:{}:{}:", std::process::id(), now.as_nanos());
    let options = Options { urls: vec![url], prefix, ..Options::default() };
    let threads = Runtime::start(1).expect("threads");
    let way = || wait(Redis::open(&threads, options.clone())).expect("Redis answers");

    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    // Only what is heard ends links.
    config.cluster.token_round_seconds = 86_400;
    let storage =
        embedded::open(folder.path(), &super::super::options(&config)).expect("an engine");
    fill_users(&storage);
    let (bells, outlet) = bells(1).expect("bells");
    let (workers, answering) = answering(&storage, &outlet);
    let from_backs = FromBacks::new(&bells);
    let mut blueprint = blueprint(&config, storage.placement, 1, (bells, outlet), workers);
    blueprint.permits = Permits::new(64, 64);
    let process = BASE.front(0);
    blueprint.fronts = Some(Fronts { processes: vec![process], from_backs: from_backs.clone() });
    let mut common = Common::new(&config.limits, Signer::new(b"secret", 3600)).expect("chance");
    // Only what is heard has a membership asked for again.
    common.group_changes = Arc::new(GroupChanges::without_end());
    let mut newer = crate::newest::Newest::to(1).ends();
    let given = blueprint.given(&config, 0, newer.remove(0), &common, 1);
    let (core, _log) = front_alone(&config, &blueprint, given(), process);
    blueprint.phase.advance(Stage::Serving);

    let tokens = redis::TokenStates::new(way());
    let ways = Ways { presence: way(), events: way(), tells: way(), tokens };
    let shards = Shards {
        count: 1,
        placement: storage.placement,
        base: BASE,
        backs: from_backs.clone(),
        group_changes: Arc::downgrade(&common.group_changes),
    };
    let Joined { beside, status } = join(&threads, ways, shards, Some(Pace::new(&config, 1)));
    let (presence, heard) = (redis::Presence::new(way()), Events::new(way()));
    let here = Here::new(BASE, from_backs);
    let told = way();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async {
        let address = turn(&core, beside);
        let scene = Scene {
            core: Rc::clone(&core),
            address,
            storage,
            here,
            joined: status,
            presence,
            redis: told,
            heard,
        };
        f(scene).await;
    });
    drop((local, core, blueprint, common));
    answering.ends();
}

/// Turns the shard as its thread does, and accepts links.
fn turn(core: &Rc<Core>, beside: Vec<Vec<Beside>>) -> SocketAddr {
    for beside in beside.into_iter().flatten() {
        spawn_local(beside(Rc::clone(core)));
    }
    drop(pumping(core));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it does not block");
    let address = listener.local_addr().expect("it has one");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    spawn_local((core.above.accept_websockets)(Rc::clone(core), listener));
    address
}

fn fill_users(storage: &Embedded) {
    let users: Vec<User> = (0..8).map(|number| *user(&format!("u{number}"))).collect();
    wait(storage.directory.register(&users)).expect("registered");
}

/// The shard without a back, with rings that lead nowhere.
fn front_alone(
    config: &Config,
    of: &Blueprint,
    given: Given,
    process: Process,
) -> (Rc<Core>, impl Sized + use<>) {
    let (io, ends) = io(config, of);
    let settings = &of.settings;
    let shard = Shard::front_alone(of.placement, settings.policy, settings.limits.front.clone());
    (Core::new(given, shard, io.alone(Some(process))), ends)
}

impl Scene {
    fn token(&self, uid: &str) -> String {
        self.core.keys.issue(uid, WEB, moment(self.core.now())).token
    }

    /// Connects, and gives the status of the answer.
    async fn connect(&self, uid: &str, token: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("somebody accepts");
        let request = format!(
            "GET /?sendID={uid}&token={token}&platformID=5 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let head = read_until(&mut stream, "\r\n\r\n").await;
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        (stream, status)
    }

    /// Where others find links of a user, once it is so.
    async fn found(&self, uid: &str, expected: &[Process]) {
        let users = [UserId::new(uid)];
        until(async || {
            let sight = self.presence.sight(&users, &[BASE.front(0)]).await;
            let sight = sight.expect("Redis answers");
            sight.users[0].1 == expected
        })
        .await;
    }

    /// What this process tells others next.
    async fn hears(&mut self) -> Vec<Event> {
        loop {
            let told = self.told().await;
            if !told.is_empty() {
                return told;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// What this process has told others since the last look.
    async fn told(&mut self) -> Vec<Event> {
        match self.heard.look().await.expect("Redis answers") {
            Told::These(events) => events,
            Told::Gap => Vec::new(),
        }
    }
}

async fn until(mut so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, wait).await.expect("it comes to that");
}

/// Reads up to some text.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(end) {
            let mut some = [0; 1024];
            let len = stream.read(&mut some).await.expect("the stream is whole");
            assert!(len > 0, "it ends before {end:?}: {:?}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&some[..len]);
        }
    };
    timeout(LONG, reading).await.expect("it comes");
    String::from_utf8_lossy(&read).into_owned()
}

#[test]
fn others_find_links_here_and_end_them() {
    beside_a_shard(async |mut scene| {
        assert_eq!(scene.told().await, []);
        let token = scene.token("u0");
        let (mut link, status) = scene.connect("u0", &token).await;
        assert_eq!(status, "101");
        scene.found("u0", &[BASE.front(0)]).await;
        until(async || scene.joined.unmarked() == 0).await;

        // Somebody logs in at another process, which records it and says so.
        let newest = Newest { id: TokenId([1; 16]), issued_at: i64::MAX / 2, expires_at: None };
        let (user, class) = (UserId::new("u0"), Class::Pc);
        let issued = IssuedToken { user: user.clone(), class, newest, scope: Scope::Class };
        scene.storage.tokens.issue(&[issued]).await.expect("recorded");
        let event = Event::Tokens { user, by: 3 };
        Events::tell(&scene.redis, &event).await.expect("told");
        let end = read_until(&mut link, CloseReason::Superseded { by: 3 }.text()).await;
        assert!(end.contains("u0"), "the kick comes first: {end:?}");
        scene.found("u0", &[]).await;
        assert_eq!(scene.connect("u0", &token).await.1, "401");
        assert_eq!(scene.told().await, [event]);

        // A link elsewhere takes the place of one here.
        let token = scene.token("u1");
        let (mut link, status) = scene.connect("u1", &token).await;
        assert_eq!(status, "101");
        let links: Vec<LinkId> = scene.core.shard.borrow().front().links().collect();
        let entry = Entry { process: BASE.front(0), link: links[0], epoch: 0 };
        Events::tell(&scene.redis, &Event::Replaced(entry)).await.expect("told");
        read_until(&mut link, CloseReason::Replaced.text()).await;
        scene.found("u1", &[]).await;
        assert_eq!(scene.told().await, [Event::Replaced(entry)]);

        // All links are looked at where something was missed.
        let (mut link, status) = scene.connect("u2", &scene.token("u2")).await;
        assert_eq!(status, "101");
        let user = UserId::new("u2");
        let issued = IssuedToken { user, class, newest, scope: Scope::Class };
        scene.storage.tokens.issue(&[issued]).await.expect("recorded");
        Events::tell(&scene.redis, &Event::All).await.expect("told");
        read_until(&mut link, CloseReason::Superseded { by: 3 }.text()).await;
    });
}

/// Who has one link here, of those that are there.
async fn whoever_asks_is_told_of_all_processes(scene: &Scene) {
    let other = Entry { process: OTHER, link: LinkId { index: 1, generation: 1 }, epoch: 0 };
    scene.presence.write(&UserId::new("u0"), 1, other).await.expect("written");
    let asked = || Presence { uids: vec![UserId::new("u0"), UserId::new("u5")] };
    assert_eq!(scene.core.at_home(asked()).await, Ok(vec![vec![WEB.id()], vec![]]));
    let begun = openim_record::Announced::Writing(1);
    scene.presence.announce(OTHER, begun).await.expect("written");
    assert_eq!(scene.core.at_home(asked()).await, Ok(vec![vec![1, WEB.id()], vec![]]));
}

#[test]
fn others_hear_what_is_decided_and_replaced_here_and_reach_its_links() {
    beside_a_shard(async |mut scene| {
        assert_eq!(scene.told().await, []);
        let own = BASE.front(0);
        // Another process' link of the same user is replaced by one here.
        let user = UserId::new("u0");
        let other = Entry { process: OTHER, link: LinkId { index: 4, generation: 2 }, epoch: 0 };
        scene.presence.write(&user, WEB.id(), other).await.expect("written");
        let (mut link, status) = scene.connect("u0", &scene.token("u0")).await;
        assert_eq!(status, "101");
        scene.found("u0", &[own]).await;
        let told = scene.hears().await;
        let [Event::Replaced(entry)] = told[..] else { panic!("{told:?}") };
        assert_eq!((entry.process, entry.link), (other.process, other.link));

        whoever_asks_is_told_of_all_processes(&scene).await;

        // A transfer finds it by its name.
        let message = Message {
            send_id: "u1",
            recv_id: "u0",
            client_msg_id: "the-message",
            content: "hello",
            ..Message::BLANK
        };
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let deliver = |uid: &str| {
            openim_delivery::Told::Deliver(vec![Delivery {
                uid: UserId::new(uid),
                seq: Seq(1),
                sync: false,
                member: None,
                except_platform: 0,
                sent_ms: 1,
                message: bytes.clone().into(),
            }])
        };
        assert_eq!(scene.here.tell(own, deliver("u0")).await, [1 << WEB.id()]);
        read_until(&mut link, "the-message").await;
        assert_eq!(scene.here.tell(own, deliver("u5")).await, [0]);
        assert_eq!(scene.here.tell(OTHER, deliver("u0")).await, [0_u8; 0]);
        let place = openim_record::Place {
            partition: openim_record::PartitionId(0),
            position: openim_record::Position(1),
        };
        let settled = Settled { key: MessageKey(1), place, first_ns: 0 };
        let settle = openim_delivery::Told::Settle(vec![settled]);
        assert_eq!(scene.here.tell(own, settle).await, [0_u8; 0]);

        // What is decided here ends the link here, and is told.
        let at_s = moment(scene.core.now()).issued_at();
        let decision = Box::new(Decision::End { user: user.clone(), platform: 0, at_s });
        assert_eq!(scene.core.at_home(Decide { decision, platform: 0 }).await, Ok(()));
        read_until(&mut link, CloseReason::LoggedOut.text()).await;
        assert_eq!(scene.hears().await, [Event::Tokens { user, by: 0 }]);
    });
}

#[test]
fn what_is_remembered_of_a_group_is_asked_for_again_when_others_change_it() {
    beside_a_shard(async |mut scene| {
        assert_eq!(scene.told().await, []);
        let core = Rc::clone(&scene.core);
        let remember = |group: &str| {
            let who = (GroupId::new(group), UserId::new("u0"));
            let changes = core.memberships().changes(&who.0);
            core.memberships().note(who, Some(Role::Ordinary), changes, core.now().mono_ms);
        };
        let fresh = |group: &str| {
            let who = (GroupId::new(group), UserId::new("u0"));
            core.memberships().fresh(&who, core.now().mono_ms).is_some()
        };
        let told = async |event: &Event| {
            Events::tell(&scene.redis, event).await.expect("told");
        };
        // The first look, which may have missed anything, is over with this.
        remember("first");
        told(&Event::Group(GroupId::new("first"))).await;
        until(async || !fresh("first")).await;
        for event in [Event::Group(GroupId::new("g")), Event::All] {
            remember("g");
            assert!(fresh("g"));
            told(&event).await;
            until(async || !fresh("g")).await;
        }
        // And the other way.
        while !scene.hears().await.contains(&Event::All) {}
        let group = GroupId::new("h");
        core.tell_group_abroad(&group);
        assert_eq!(scene.hears().await, [Event::Group(group)]);
    });
}
