//! A shard whose questions about users are answered by the stores: the second thing that [`Homes`] can be.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_bus::{Capacity, Doorbell, ring};
use openim_config::Config;
use openim_record::{InboxBounds, Submission, UserId};
use openim_shard::{Credentials, FrameToken, Shard};
use openim_storage::port::Registered;
use openim_workers::{commit, reads, writes};
use tokio::task::LocalSet;

use super::*;
use crate::bus::{Answer, Bounds, Call, Caller, Profiles, Refused, Register};
use crate::driver::{Homes, Local};
use crate::ops::profile::gather_profiles;

/// What needs no memory of a home is asked of the stores, on whichever shard the question is. Another engine answers
/// the rest as well.
struct FromStores;

impl Homes for FromStores {
    fn part(&self, _: &Core, _: &str) -> u16 {
        0
    }

    fn ask(&self, core: &Rc<Core>, _: u16, call: Call) -> Local<Result<Answer, Refused>> {
        let core = Rc::clone(core);
        Box::pin(async move {
            match call {
                Call::Register(Register { user }) => {
                    let registered = core.change_in_time(user).await;
                    Ok(Answer::Register(registered.and_then(|registered| match registered {
                        Registered::Created => Ok(()),
                        Registered::Exists => Err(Refused::Exists),
                    })))
                }
                Call::Profiles(Profiles { uids }) => {
                    let users = core
                        .query(async move |sources| sources.directory.users(&uids).await)
                        .await?;
                    let boxed = users.into_iter().map(|user| user.map(Box::new));
                    Ok(Answer::Profiles(Ok(boxed.collect())))
                }
                Call::Bounds(Bounds { caller }) => {
                    let bounds = core
                        .query(async move |sources| sources.history.bounds(&[caller.uid]).await);
                    Ok(Answer::Bounds(bounds.await.map(|mut of| of.pop().unwrap_or_default())))
                }
                _ => Err(Refused::Unavailable),
            }
        })
    }
}

fn user(uid: &str) -> Box<User> {
    Box::new(User {
        uid: UserId::new(uid),
        name: uid.to_uppercase(),
        icon: String::new(),
        gender: 0,
        mobile: String::new(),
        birth: String::new(),
        email: String::new(),
        ex: String::new(),
        create_ms: 1,
    })
}

#[test]
fn homes_can_be_the_stores() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::default();
    let storage = embedded::open(folder.path(), &options(&config)).expect("an engine");
    // Of two shards one is here: what the other is home to can be answered by the stores alone.
    let shards = 2;
    let (bells, outlet) = bells(shards).expect("bells");
    let (reads_to, asked) = crossbeam_channel::unbounded();
    let (writes_to, written) = crossbeam_channel::unbounded();
    let (store, _batches) = crossbeam_channel::bounded(1);
    let workers = Workers { reads: reads_to, writes: writes_to, store };
    let blueprint = blueprint(&config, storage.placement, shards, (bells, outlet), workers);
    let (sources, targets) = ports(&storage);
    let answers = Arc::clone(&blueprint.outlet);
    let reader = std::thread::spawn(move || reads::run(&asked, &sources, &answers));
    let answers = Arc::clone(&blueprint.outlet);
    let writer = std::thread::spawn(move || {
        writes::run(&written, &targets, &answers, &writes::WriteStatus::default());
    });

    let common = Common::new(&config.limits, Signer::new(b"secret", 1)).expect("chance");
    let (_ways, mut taken) = reload::ways(1);
    let given = blueprint.given(&config, 0, taken.remove(0), &common, 1);
    let (core, _log) = core(&config, &blueprint, given());
    drop(blueprint);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), asks(Rc::clone(&core)));
    drop(core);
    reader.join().expect("the reader ends with its channel");
    writer.join().expect("and so does the writer");
}

async fn asks(core: Rc<Core>) {
    let turning = Rc::clone(&core);
    let pump = tokio::task::spawn_local(async move {
        loop {
            turning.pump();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let uids: Vec<UserId> = (0..16).map(|number| UserId::new(&format!("u{number}"))).collect();
    assert!(
        uids.iter().any(|uid| core.here.home(uid.as_str()) == 1),
        "somebody is at home elsewhere"
    );
    for uid in &uids[..8] {
        let register = || Register { user: user(uid.as_str()) };
        assert_eq!(core.at_home(register()).await, Ok(()));
        assert_eq!(core.at_home(register()).await, Err(Refused::Exists));
    }
    let found = gather_profiles(&core, &uids).await.expect("the stores answer");
    let names: Vec<_> = found.iter().map(|user| user.as_ref().map(|user| &*user.name)).collect();
    let known = (0..8).map(|number| Some(format!("U{number}")));
    let expected: Vec<_> = known.chain((8..16).map(|_| None)).collect();
    assert_eq!(names, expected.iter().map(Option::as_deref).collect::<Vec<_>>());
    let credentials = Credentials {
        class: openim_auth::Class::Pc,
        platform: 5,
        id: openim_auth::TokenId([0; 16]),
        issued_at: 1,
        expires_at: 2,
        frame: FrameToken::new(0),
    };
    let caller = Caller { uid: uids[1].clone(), credentials, sign: None };
    assert_eq!(core.at_home(Bounds { caller }).await, Ok(InboxBounds::default()));
    pump.abort();
    drop(pump.await);
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
        placement,
        shards,
        above: Above { homes: &FromStores, ..ABOVE },
        metrics: [Arc::default(), Arc::default()].into(),
        phase: Arc::default(),
        audit: Audit::default(),
        bells,
        log_bell: Arc::new(Doorbell::new().expect("a bell")),
        outlet,
        log: Arc::default(),
        clock: Arc::new(Clock::new(Duration::from_secs(60), None, 0).0),
        workers,
    }
}

fn ports(storage: &Embedded) -> (Arc<reads::Sources>, writes::Targets) {
    let sources = reads::Sources {
        history: Arc::clone(&storage.history) as _,
        records: Arc::clone(&storage.history) as _,
        tokens: Arc::clone(&storage.tokens) as _,
        directory: Arc::clone(&storage.directory) as _,
        relations: Arc::clone(&storage.relations) as _,
        groups: Arc::clone(&storage.groups) as _,
        preferences: Arc::clone(&storage.preferences) as _,
        damage: Arc::default(),
        troubles: reads::Troubles::default(),
    };
    let targets = writes::Targets {
        directory: Arc::clone(&storage.directory) as _,
        tokens: Arc::clone(&storage.tokens) as _,
        relations: Arc::clone(&storage.relations) as _,
        groups: Arc::clone(&storage.groups) as _,
        preferences: Arc::clone(&storage.preferences) as _,
        relations_max: 10,
        group_limits: openim_storage::port::GroupLimits {
            members_max: 10,
            joined_max: 10,
            requests_max: 10,
        },
        preferences_max: 10,
    };
    (Arc::new(sources), targets)
}

/// The shard, with rings that lead nowhere.
fn core(config: &Config, of: &Blueprint, given: Given) -> (Rc<Core>, impl Sized + use<>) {
    let limits = &config.limits;
    let mesh =
        bus::connect(of.placement, &of.bells, limits.ring_bytes_max, of.settings.shares.mesh);
    let to_log = Capacity { values: 1, bytes: 1, weigh: Submission::bytes };
    let from_log = Capacity { values: 1, bytes: 1, weigh: commit::LogEvent::bytes };
    let (bell, log_bell) = (&of.bells[0], &of.log_bell);
    let (appends, log) = ring(to_log, Arc::clone(bell), Arc::clone(log_bell));
    let (out_events, events) = ring(from_log, Arc::clone(log_bell), Arc::clone(bell));
    let mut meshes = mesh.into_iter();
    let own = meshes.next().expect("a mesh a shard");
    let (wire, input) = (of.settings.wire, Input::of(&of.settings));
    let io = Io::new(wire, appends, events, own, Arc::clone(&of.metrics[0]), input);
    let settings = &of.settings;
    let shard = Shard::new(of.placement, 0, of.shards, settings.policy, settings.limits.clone());
    (Core::new(given, shard, io), (log, out_events, meshes))
}
