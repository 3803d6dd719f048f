//! A shard that has only a front: what it hands to the topics, what it is told, and what it reads in the stores.

use std::cell::Cell;
use std::io::Read as _;
use std::task::Poll;

use openim_protocol::claim::Claim;
use openim_protocol::frame;
use openim_record::{
    Committed, Draft, LinkId, Message, Place, Position, Process, SESSION_GROUP, Settled,
};
use openim_storage::port::By;
use openim_transfer::{Delivery, Sent, TopicRecord};
use tokio::net::TcpStream;

use super::*;
use crate::boot::blueprint::Fronts;
use crate::bus::{Ask, GroupSend, KickFromGroup, Receipt, SendToGroup, Tell};
use crate::driver::{FromBack, FromBacks, LinkIo};
use crate::ops::{self, Next};
use crate::socket::Socket;

const PROCESS: Process = Process([9; 16]);
/// What is told may take as long as a machine is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shard, and the other ends of what it meets.
struct World {
    core: Rc<Core>,
    log: Receiver<Submission>,
    events: Sender<LogEvent>,
    backs: FromBacks,
    positions: u64,
}

impl World {
    /// The next record that is handed in.
    async fn handed_in(&mut self) -> Submission {
        let handed_in = async {
            loop {
                if let Some(submission) = self.log.try_recv() {
                    self.log.made_room();
                    return submission;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, handed_in).await.expect("something is handed in")
    }

    fn nothing_is_handed_in(&self) {
        assert!(self.log.is_empty());
    }

    /// It lies in the log, since so many seconds as it has records. How it is settled.
    fn land(&mut self, Submission { key, to, record, .. }: Submission) -> Settled {
        self.positions += 1;
        let (position, append_ms) = (Position(self.positions), 1000 * self.positions as i64);
        let committed = Committed { position, append_ms, to, record, members: Box::default() };
        self.tell(LogEvent::Landed(committed));
        let place = Place { partition: to.origin().expect("who answers"), position };
        Settled { key, place, first_ns: append_ms * 1_000_000 }
    }

    fn tell(&mut self, event: LogEvent) {
        assert!(self.events.try_send(event).is_ok(), "there is room");
        self.events.notify();
    }

    async fn settle(&self, settled: Settled) {
        self.backs.tell(0, FromBack::Settle(vec![settled])).await;
    }
}

/// Runs a test on a shard alone, with an embedded engine in place of the stores.
fn with_a_front<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::default();
    let storage = embedded::open(folder.path(), &options(&config)).expect("an engine");
    fill(&storage);
    let (bells, outlet) = bells(1).expect("bells");
    let (workers, answering) = answering(&storage, &outlet);
    let backs = FromBacks::new(&bells);
    let mut blueprint = blueprint(&config, storage.placement, 1, (bells, outlet), workers);
    let fronts = Fronts { processes: vec![PROCESS], from_backs: backs.clone() };
    blueprint.fronts = Some(fronts);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let (core, log, events) = core_alone(&config, &blueprint);
        drop(blueprint);
        let pump = pumping(&core);
        test(World { core, log, events, backs, positions: 0 }).await;
        pump.abort();
        drop(pump.await);
    });
    answering.ends();
}

fn core_alone(
    config: &Config,
    of: &Blueprint,
) -> (Rc<Core>, Receiver<Submission>, Sender<LogEvent>) {
    let common = Common::new(&config.limits, Signer::new(b"secret", 1)).expect("chance");
    let mut newer = Newest::to(1).ends();
    let given = of.given(config, 0, newer.remove(0), &common, 1);
    let (io, (log, events, _)) = io(config, of);
    let limits = of.settings.limits.front.clone();
    let shard = Shard::front_alone(of.placement, of.settings.policy, limits);
    (Core::new(given(), shard, io.alone(Some(PROCESS))), log, events)
}

/// Asks, and goes on meanwhile.
fn ask<Q: Ask + 'static>(core: &Rc<Core>, question: Q) -> Answering<Q> {
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move { core.at_home(question).await })
}

type Answering<Q> = tokio::task::JoinHandle<Result<<Q as Ask>::Answer, Refused>>;

fn to_group(send_id: &str, client_msg_id: &str) -> GroupSend {
    let message = Message {
        send_id,
        recv_id: GROUP,
        client_msg_id,
        session_type: SESSION_GROUP,
        content_type: 101,
        ..Message::BLANK
    };
    GroupSend {
        draft: Draft::new(&message),
        emphasised: vec!["u1".to_owned()],
        removed: Vec::new(),
        claim: Claim::None,
        trusted: false,
        after_ns: 0,
    }
}

fn sent(record: &[u8]) -> Sent<'_> {
    match TopicRecord::decode(record) {
        Ok(TopicRecord::Send(sent)) => sent,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_send_is_answered_as_of_its_append_when_it_is_settled() {
    with_a_front(async |mut world| {
        let message = Message {
            send_id: "u0",
            recv_id: "u1",
            client_msg_id: "m",
            session_type: 1,
            ..Message::BLANK
        };
        let (key, draft) = (message.heading().key(), Draft::new(&message));
        let answer = ask(&world.core, Tell { draft });
        let submission = world.handed_in().await;
        assert_eq!((submission.key, sent(&submission.record).origin), (key, PROCESS));
        let settled = world.land(submission);
        world.settle(settled).await;
        let send_time_ns = 1_000_000_000;
        assert_eq!(answer.await.expect("it ends"), Ok(Receipt { key, send_time_ns }));

        let draft = Draft::new(&message);
        let answer = ask(&world.core, Tell { draft });
        let submission = world.handed_in().await;
        world.tell(LogEvent::Refused(submission.key));
        assert_eq!(answer.await.expect("it ends"), Err(Refused::Unavailable));
    });
}

#[test]
fn a_group_is_sent_to_by_its_members_and_expanded_elsewhere() {
    with_a_front(async |mut world| {
        let to = |send| SendToGroup { send: Box::new(send) };
        let refused = ask(&world.core, to(to_group("u5", "m")));
        assert_eq!(refused.await.expect("it ends"), Err(Refused::NoPermission));
        world.nothing_is_handed_in();
        let told = GroupSend { claim: Claim::Led, ..to_group("u1", "m") };
        let refused = ask(&world.core, to(told));
        assert_eq!(refused.await.expect("it ends"), Err(Refused::False));
        world.nothing_is_handed_in();

        let answer = ask(&world.core, to(to_group("u0", "m")));
        let submission = world.handed_in().await;
        let group = sent(&submission.record).group.expect("of a group");
        let emphasised: Vec<&str> = group.emphasised.iter().collect();
        assert_eq!((emphasised, group.extra.len(), group.trusted), (vec!["u1"], 0, false));
        let settled = world.land(submission);
        world.settle(settled).await;
        assert!(answer.await.expect("it ends").is_ok());
    });
}

#[test]
fn a_change_of_a_group_lies_in_the_log_before_it_is_answered() {
    with_a_front(async |mut world| {
        let kick = || {
            let (by, users) = (UserId::new("u0"), vec![UserId::new("u2")]);
            let by = By { uid: by, trusted: false };
            KickFromGroup { group: GroupId::new(GROUP), by, users, telling: None }
        };
        let changed = |submission: &Submission| match TopicRecord::decode(&submission.record) {
            Ok(TopicRecord::GroupChanged(change)) => {
                assert_eq!(change.group, GROUP);
                (change.version, change.left.iter().map(str::to_owned).collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        };
        let told = Rc::new(Cell::new(0));
        let tell = Rc::clone(&told);
        world.core.tell_groups_abroad(Box::new(move |group| {
            assert_eq!(group.as_str(), GROUP);
            tell.set(tell.get() + 1);
        }));
        // While the log takes nothing nothing is changed.
        let nothing = (0, Vec::new());
        let answer = ask(&world.core, kick());
        let submission = world.handed_in().await;
        assert_eq!(changed(&submission), nothing);
        world.tell(LogEvent::Refused(submission.key));
        assert_eq!(answer.await.expect("it ends"), Err(Refused::Unavailable));
        assert_eq!(told.get(), 0);

        let answer = ask(&world.core, kick());
        let submission = world.handed_in().await;
        assert_eq!(changed(&submission), nothing);
        world.land(submission);
        let submission = world.handed_in().await;
        assert_eq!(changed(&submission), (2, vec!["u2".to_owned()]));
        assert_eq!((told.get(), answer.is_finished()), (1, false));
        // It was made, and nobody knows whether it lies there: whoever repeats it tells it again.
        world.tell(LogEvent::Refused(submission.key));
        assert_eq!(answer.await.expect("it ends"), Err(Refused::Unavailable));
        let answer = ask(&world.core, kick());
        let submission = world.handed_in().await;
        assert_eq!(changed(&submission), nothing);
        world.land(submission);
        let submission = world.handed_in().await;
        assert_eq!(changed(&submission), (2, Vec::new()));
        world.land(submission);
        assert_eq!(answer.await.expect("it ends"), Ok(vec![true]));
        assert_eq!(told.get(), 2, "the first one may have come too early");

        // Who has gone out gets the tip that names them as well, by what the store says: this one says it of nobody, and
        // what one of a cluster says is tried on whole servers (`departures_are_known_everywhere`).
        let named = ["u2", "u7"].map(str::to_owned);
        let mut tip = to_group("u0", "tip");
        let message = Message { content_type: 509, ..tip.draft.message() };
        (tip.draft, tip.removed) = (Draft::new(&message), named.to_vec());
        tip.claim = Claim::Removed(named.to_vec());
        let answer = ask(&world.core, SendToGroup { send: Box::new(tip) });
        let submission = world.handed_in().await;
        let group = sent(&submission.record).group.expect("of a group");
        assert_eq!((group.extra.len(), group.trusted), (0, false));
        let settled = world.land(submission);
        world.settle(settled).await;
        assert!(answer.await.expect("it ends").is_ok());
    });
}

/// A link of a user here, and its peer.
async fn link(core: &Rc<Core>, uid: &str) -> (LinkId, std::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let peer = std::net::TcpStream::connect(address).expect("it listens");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let (stream, _): (TcpStream, _) = listener.accept().await.expect("a connection");
    let socket = Permits::new(1, 1).socket().expect("there is a place");
    let permit = socket.into_link().unwrap_or_else(|_| panic!("there is a place"));
    let credentials = Credentials { frame: core.keys.digest("token"), ..until(i64::MAX) };
    let now = core.now();
    let id = core.with(|shard, io| {
        let id = shard.open(uid, 5, credentials, now, io);
        let unit = openim_protocol::reply::TimeUnit::Seconds;
        io.insert(id, LinkIo::new(id.generation, Socket::Plain(stream), permit, 1 << 20, unit));
        id
    });
    (id, peer)
}

/// The next text that the peer gets.
fn text(peer: &mut std::net::TcpStream) -> String {
    let mut reader = frame::Reader::new(frame::Side::Client, 1 << 20);
    let (mut buffer, mut have) = (vec![0; 1 << 16], 0);
    loop {
        match reader.next(&mut buffer[..have]).expect("a frame") {
            frame::Step::Event { event: frame::Event::Message { payload, .. }, .. } => {
                return String::from_utf8(payload.to_vec()).expect("text");
            }
            _ => have += peer.read(&mut buffer[have..have + 1]).expect("more"),
        }
    }
}

#[test]
fn a_link_is_given_what_other_processes_have_for_it_once() {
    with_a_front(async |world| {
        let (id, mut peer) = link(&world.core, "u1").await;
        let delivery = |uid: &str, seq| {
            let message = Message {
                send_id: "u0",
                recv_id: "u1",
                session_type: 1,
                content: if seq == 1 { "first" } else { "second" },
                ..Message::BLANK
            };
            let mut record = Vec::new();
            message.encode(&mut record);
            Delivery {
                uid: UserId::new(uid),
                seq: Seq(seq),
                sync: false,
                member: None,
                except_platform: 0,
                sent_ms: 1_600_000_000_000,
                message: record.into(),
            }
        };
        let all = vec![delivery("u1", 1), delivery("u1", 1), delivery("u2", 1), delivery("u1", 2)];
        let reached = world.backs.deliver(0, all).await;
        assert_eq!(reached, [1 << 5, 1 << 5, 0, 1 << 5]);
        let first = text(&mut peer);
        assert!(first.contains("first") && first.contains("1600000000"), "{first}");
        assert!(text(&mut peer).contains("second"));

        world.backs.tell(0, FromBack::Replaced(id)).await;
        let gone = async {
            while world.core.shard.borrow().front().links_len() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("the link ends");
        assert_eq!(world.backs.deliver(0, vec![delivery("u1", 3)]).await, [0]);
    });
}

/// Offers a request of a link of `u1`.
fn request(core: &Rc<Core>, id: LinkId, request: u32, data: &str) -> Next {
    let ask = format!(
        r#"{{"reqIdentifier":{request},"token":"token","sendID":"u1","operationID":"op","msgIncr":3,"data":{data}}}"#
    );
    ops::request(core, id, ask.as_bytes(), false, core.now())
}

/// Goes on with what a request began, as the link's task does.
fn work(core: &Rc<Core>, id: LinkId) -> tokio::task::JoinHandle<()> {
    let core = Rc::clone(core);
    let mut work = core.io.borrow_mut().link(id).and_then(LinkIo::take_work).expect("it works");
    tokio::task::spawn_local(async move {
        while !std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_ready())).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        core.shard.borrow_mut().unread(id, false, core.now());
        core.end_turn(core.now());
    })
}

#[test]
fn a_link_is_told_what_is_stored() {
    with_a_front(async |world| {
        let (id, mut peer) = link(&world.core, "u1").await;
        for (number, data) in [(1001, "null"), (1002, r#"{"seqBegin":1,"seqEnd":9}"#)] {
            assert_eq!(request(&world.core, id, number, data), Next::Working);
            work(&world.core, id).await.expect("it ends");
            let answer = text(&mut peer);
            let stored = answer.contains(r#""errCode":0"#) && answer.contains(r#""msgIncr":3"#);
            assert!(stored, "{number}: {answer}");
        }
    });
}

#[test]
fn a_link_sends_to_a_group_and_asks_behind_it() {
    with_a_front(async |mut world| {
        let (id, mut peer) = link(&world.core, "u1").await;
        let data = format!(
            r#"{{"platformID":1,"sessionType":2,"msgFrom":100,"contentType":101,"recvID":"{GROUP}","forceList":[],"content":"hello","options":{{}},"clientMsgID":"m","offlineInfo":{{}}}}"#
        );
        assert_eq!(request(&world.core, id, 1003, &data), Next::Working);
        let carried = work(&world.core, id);
        let submission = world.handed_in().await;
        assert!(sent(&submission.record).group.is_some() && !carried.is_finished());
        let settled = world.land(submission);
        // It lies in the log, and is not stored.
        carried.await.expect("it ends");
        let receipt = text(&mut peer);
        assert!(receipt.contains(r#""clientMsgID":"m""#), "{receipt}");
        assert_eq!(request(&world.core, id, 1001, "null"), Next::Hold);
        world.settle(settled).await;
        while request(&world.core, id, 1001, "null") == Next::Hold {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        work(&world.core, id).await.expect("it ends");
        assert!(text(&mut peer).contains(r#""reqIdentifier":1001"#));

        // A refusal of the topics is told as well.
        assert_eq!(
            request(&world.core, id, 1003, &data.replace(r#""m""#, r#""n""#)),
            Next::Working
        );
        let carried = work(&world.core, id);
        let submission = world.handed_in().await;
        world.tell(LogEvent::Refused(submission.key));
        carried.await.expect("it ends");
        assert!(text(&mut peer).contains(r#""errCode":500"#));
        let to_nobody = data.replace(GROUP, "other");
        assert_eq!(request(&world.core, id, 1003, &to_nobody), Next::Working);
        work(&world.core, id).await.expect("it ends");
        assert!(text(&mut peer).contains(r#""errCode":800"#));
        world.nothing_is_handed_in();
    });
}
