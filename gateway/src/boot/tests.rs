//! A shard whose questions about users are answered by the stores: the second thing that
//! [`Homes`](crate::driver::Homes) can be.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_bus::{Capacity, Doorbell, Receiver, Sender, ring};
use openim_config::Config;
use openim_record::{GroupId, InboxBounds, Role, Seq, StoreBatch, Submission, UserId};
use openim_shard::{Credentials, FrameToken, Shard};
use openim_storage::conformance;
use openim_storage::port::{Directory, GroupChange, GroupLimits, Groups as _, Member, User, wait};
use openim_workers::commit::LogEvent;
use openim_workers::{reads, writes};
use tokio::task::LocalSet;

use super::blueprint::{Common, OF_STORES};
use super::*;
use crate::audit::Audit;
use crate::bus::{self, Bounds, Caller, GroupPage, GroupRoles, LookUp, Refused, Register};
use crate::driver::{Core, Given, Input, Io, Workers};
use crate::newest::Newest;
use crate::ops::profile::gather_profiles;

#[cfg(feature = "cluster")]
mod alone;
#[cfg(feature = "cluster")]
mod joined;
mod unready;

fn user(uid: &str) -> Box<User> {
    Box::new(conformance::user(uid, &uid.to_uppercase()))
}

#[test]
fn homes_can_be_the_stores() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::default();
    let storage = embedded::open(folder.path(), &options(&config)).expect("an engine");
    fill(&storage);
    // Of two shards one is here: what the other is home to can be answered by the stores alone.
    let shards = 2;
    let (bells, outlet) = bells(shards).expect("bells");
    let (workers, answering) = answering(&storage, &outlet);
    let blueprint = blueprint(&config, storage.placement, shards, (bells, outlet), workers);

    let common = Common::new(&config.limits, Signer::new(b"secret", 1)).expect("chance");
    let mut newer = Newest::to(1).ends();
    let given = blueprint.given(&config, 0, newer.remove(0), &common, 1);
    let (core, _log) = core(&config, &blueprint, given());
    drop(blueprint);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), asks(Rc::clone(&core)));
    drop(core);
    answering.ends();
}

async fn asks(core: Rc<Core>) {
    let pump = pumping(&core);
    let uids: Vec<UserId> = (0..16).map(|number| UserId::new(&format!("u{number}"))).collect();
    let here = uids[8..].iter().find(|uid| core.here.home(uid.as_str()) == 0);
    let here = here.expect("somebody is at home here").as_str();
    let register = || Register { user: user(here) };
    assert_eq!(core.at_home(register()).await, Ok(()));
    assert_eq!(core.at_home(register()).await, Err(Refused::Exists));
    let found = gather_profiles(&core, &uids).await.expect("the stores answer");
    let names: Vec<_> = found.iter().map(|user| user.as_ref().map(|user| &*user.name)).collect();
    let known = |uid: &UserId| uids[..8].contains(uid) || uid.as_str() == here;
    let expected = uids.iter().map(|uid| known(uid).then(|| uid.as_str().to_uppercase()));
    let expected: Vec<Option<String>> = expected.collect();
    assert_eq!(names, expected.iter().map(Option::as_deref).collect::<Vec<_>>());

    // At home elsewhere, and asked here.
    let elsewhere = |uid: &&UserId| core.here.home(uid.as_str()) == 1;
    let uid = uids.iter().find(elsewhere).expect("somebody is at home elsewhere").clone();
    let caller =
        |expires_at| Caller { uid: uid.clone(), credentials: until(expires_at), sign: None };
    let (late, caller) = (caller(2), caller(i64::MAX));
    assert_eq!(core.at_home(Bounds { caller: late }).await, Err(Refused::Token));
    assert_eq!(core.at_home(Bounds { caller: caller.clone() }).await, Ok(InboxBounds::default()));
    let range = core.at_home(LookUp { caller, from: Seq(0), to: Seq(9) }).await;
    let range = range.unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!((range.from, range.to, range.recent), (Seq(1), Seq(0), Vec::new()));

    let group = || GroupId::new(GROUP);
    assert_eq!(core.here.home(GROUP), 1);
    let users = vec![uids[2].clone(), uids[0].clone(), uids[9].clone()];
    let roles = core.at_home(GroupRoles { group: group(), users }).await;
    assert_eq!(roles, Ok(vec![Some(Role::Ordinary), Some(Role::Owner), None]));
    for (from, count, expected) in [(0, 2, &uids[..2]), (1, 9, &uids[1..3]), (3, 1, &[])] {
        let page = core.at_home(GroupPage { group: group(), from, count }).await;
        assert_eq!(page, Ok(expected.to_vec()), "{count} from {from}");
    }
    pump.abort();
    drop(pump.await);
}

/// At home on the second shard.
const GROUP: &str = "team";

/// Eight users, and a group with the first three.
fn fill(storage: &Embedded) {
    let users: Vec<User> = (0..8).map(|number| *user(&format!("u{number}"))).collect();
    wait(storage.directory.register(&users)).expect("registered");
    let member = |number: usize| Member {
        uid: UserId::new(&format!("u{number}")),
        role: if number == 0 { Role::Owner } else { Role::Ordinary },
        nickname: String::new(),
        face_url: String::new(),
        join_ms: 1,
    };
    let group = conformance::group(GROUP);
    let create = GroupChange::Create { group, members: (0..3).map(member).collect() };
    let limits = GroupLimits { members_max: 10, joined_max: 10, requests_max: 10 };
    wait(storage.groups.apply(&[create], limits)).expect("made");
}

/// A token that is good for so long.
fn until(expires_at: i64) -> Credentials {
    Credentials {
        class: openim_auth::Class::Pc,
        platform: 5,
        id: openim_auth::TokenId([0; 16]),
        issued_at: 1,
        expires_at,
        frame: FrameToken::new(0),
    }
}

fn blueprint(
    config: &Config,
    placement: Placement,
    shards: u16,
    (bells, outlet): (Vec<Arc<Doorbell>>, Outlet),
    workers: Workers,
) -> Blueprint {
    Blueprint {
        permits: Permits::new(1, 1),
        settings: Settings::new(config, "secret".to_owned(), shards),
        offers: Vec::new(),
        placement,
        shards,
        above: OF_STORES,
        metrics: [Arc::default(), Arc::default()].into(),
        phase: Arc::default(),
        audit: Audit::default(),
        bells,
        log_bell: Arc::new(Doorbell::new().expect("a bell")),
        outlet,
        log: Arc::default(),
        clock: Arc::new(Clock::new(Duration::from_secs(60), None, 0).0),
        workers,
        journal: None,
        #[cfg(feature = "cluster")]
        fronts: None,
    }
}

fn ports(storage: &Embedded) -> (Arc<reads::Sources>, writes::Targets) {
    let sources = reads::Sources {
        history: Arc::clone(&storage.history) as _,
        records: Some(Arc::clone(&storage.history) as _),
        tokens: Arc::clone(&storage.tokens) as _,
        token_cache: None,
        directory: Arc::clone(&storage.directory) as _,
        relations: Arc::clone(&storage.relations) as _,
        groups: Arc::clone(&storage.groups) as _,
        preferences: Arc::clone(&storage.preferences) as _,
        damage: Arc::default(),
    };
    let targets = writes::Targets {
        directory: Arc::clone(&storage.directory) as _,
        tokens: Arc::clone(&storage.tokens) as _,
        relations: Arc::clone(&storage.relations) as _,
        groups: Arc::clone(&storage.groups) as _,
        preferences: Arc::clone(&storage.preferences) as _,
        relations_max: 10,
        group_limits: GroupLimits { members_max: 10, joined_max: 10, requests_max: 10 },
        preferences_max: 10,
        devices_max: 10,
    };
    (Arc::new(sources), targets)
}

/// The shard, with rings that lead nowhere.
fn core(config: &Config, of: &Blueprint, given: Given) -> (Rc<Core>, impl Sized + use<>) {
    let (io, ends) = io(config, of);
    let settings = &of.settings;
    let shard = Shard::new(of.placement, 0, of.shards, settings.policy, settings.limits.clone());
    (Core::new(given, shard, io), ends)
}

/// The surroundings of the first shard, and the other ends of its rings: of the log, and of the other shards.
fn io(
    config: &Config,
    of: &Blueprint,
) -> (Io, (Receiver<Submission>, Sender<LogEvent>, impl Sized + use<>)) {
    let limits = &config.limits;
    let mesh =
        bus::connect(of.placement, &of.bells, limits.ring_bytes_max, of.settings.shares.mesh);
    let (values, bytes) = (16, 1 << 20);
    let to_log = Capacity { values, bytes, weigh: Submission::bytes };
    let from_log = Capacity { values, bytes, weigh: LogEvent::bytes };
    let (bell, log_bell) = (&of.bells[0], &of.log_bell);
    let (appends, log) = ring(to_log, Arc::clone(bell), Arc::clone(log_bell));
    let (out_events, events) = ring(from_log, Arc::clone(log_bell), Arc::clone(bell));
    let mut meshes = mesh.into_iter();
    let own = meshes.next().expect("a mesh a shard");
    let (wire, input) = (of.settings.wire, Input::of(&of.settings));
    let io = Io::new(wire, appends, events, own, Arc::clone(&of.metrics[0]), input);
    (io, (log, out_events, meshes))
}

/// Turns the shard, as its thread does.
fn pumping(core: &Rc<Core>) -> tokio::task::JoinHandle<()> {
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move {
        loop {
            core.pump();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

/// What answers shards from the stores of an engine.
struct Answerers {
    threads: [JoinHandle<()>; 2],
    _batches: crossbeam_channel::Receiver<(u16, StoreBatch)>,
}

impl Answerers {
    /// Waits until it has ended, as nobody can ask it any more.
    fn ends(self) {
        for thread in self.threads {
            thread.join().expect("it ends with its channel");
        }
    }
}

/// Starts a reader and a writer, and gives the ways to ask them.
fn answering(storage: &Embedded, outlet: &Outlet) -> (Workers, Answerers) {
    let (reads_to, asked) = crossbeam_channel::unbounded();
    let (writes_to, written) = crossbeam_channel::unbounded();
    let (store, _batches) = crossbeam_channel::bounded(1);
    let (sources, targets) = ports(storage);
    let answers = Arc::clone(outlet);
    let reader = std::thread::spawn(move || reads::run(&asked, &sources, &answers));
    let answers = Arc::clone(outlet);
    let writer = std::thread::spawn(move || {
        writes::run(&written, &targets, &answers, &writes::WriteStatus::default());
    });
    let workers = Workers { reads: reads_to, writes: writes_to, store };
    (workers, Answerers { threads: [reader, writer], _batches })
}
