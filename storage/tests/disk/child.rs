//! What the process does on its disk, one thing after the other and each told of when it was answered; and what must be there
//! of it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use openim_record::{
    Addresses, Class, GroupId, InboxRun, Message, MessageKey, Newest, PartitionId, Placement,
    Position, Record, Scope, Seq, StoreBatch, Submission, Switches, TokenId, Told, UserId,
};
use openim_storage::conformance::{self, Wait as _};
use openim_storage::embedded::{Embedded, Mend, Options, Renumber, open};
use openim_storage::port::{
    Archive as _, Archived, Consume, Directory as _, GroupChange, GroupChanged, GroupLimits,
    Groups as _, History, IssuedToken, Member, RelationChange, Relations as _, Role, StoreError,
    Tokens as _,
};

const LIMITS: GroupLimits = GroupLimits { members_max: 9, joined_max: 999, requests_max: 9 };
/// Things that one process does.
const STEPS: usize = 56;
/// How many numbers back history goes.
const KEPT: usize = 70;
const PARTITION: PartitionId = PartitionId(0);

/// What a thing of a number is.
const KINDS: [&str; 7] = ["user", "group", "friends", "token", "message", "message", "stored"];

fn kind(number: usize) -> &'static str {
    KINDS[number % KINDS.len()]
}

pub(crate) fn is_message(number: usize) -> bool {
    kind(number) == "message"
}

fn options() -> Options {
    // Often a new segment, and a base.
    Options {
        segment_bytes: 4 << 10,
        reserve_bytes: 0,
        base_every_bytes: 2 << 10,
        ..Options::default()
    }
}

fn uid(number: usize) -> UserId {
    UserId::new(&format!("u{number}"))
}

fn bob() -> UserId {
    UserId::new("bob")
}

/// Whether what tells of a group is kept for ever: not of all, so that segments go.
fn is_kept(number: usize) -> bool {
    (number / STEPS).is_multiple_of(2)
}

/// A message with this id to somebody.
fn message(client_msg_id: &str, recv_id: &str, persistent: bool) -> Submission {
    let send_id = "alice";
    let key = MessageKey::new(send_id, 1, recv_id, client_msg_id);
    let switches = Switches { persistent, ..Switches::ON };
    let message = Message {
        key,
        switches,
        session_type: 1,
        send_id,
        recv_id,
        client_msg_id,
        ..Message::BLANK
    };
    let mut record = Vec::new();
    message.encode(&mut record);
    let to = Addresses::of(&message, Placement::new(4));
    Submission { key, to, record: record.into(), lists: Box::default() }
}

/// How far bob's inbox is stored, and what of the log lies behind it.
struct Inbox {
    newest: u64,
    pending: Vec<Position>,
}

impl Inbox {
    fn recover(storage: &mut Embedded) -> Result<Self, StoreError> {
        let applied = storage.history.recover(PARTITION).wait()?.applied;
        let newest = storage.history.bounds(&[bob()]).wait()?[0].newest.0;
        let pending = of_bob(&mut storage.tail, applied)?;
        Ok(Self { newest, pending })
    }

    fn store(&mut self, storage: &Embedded) -> Result<(), StoreError> {
        let run = InboxRun::new(bob(), Seq(self.newest + 1), self.pending.clone());
        let runs = if self.pending.is_empty() { Vec::new() } else { vec![run] };
        let applied = vec![(PARTITION, storage.log.head())];
        let batch = StoreBatch { runs, applied, ..StoreBatch::default() };
        storage.history.store(&batch).wait()?;
        self.newest += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Whether the index is away for good.
fn is_lost(mend: &Mend) -> bool {
    let broken = std::env::var("DISK_WHAT").is_ok_and(|what| what == "broken");
    let patience = Duration::from_secs(if broken { 1 } else { 60 });
    mend.given_up().is_some_and(|(_, lasts)| lasts > patience)
}

/// Numbers bob's inbox up to where it was.
struct ByBob;

impl Renumber for ByBob {
    fn renumber(
        &self,
        ends: &[(PartitionId, Position)],
        tail: &mut dyn Consume,
        history: &dyn History,
    ) -> Result<(), StoreError> {
        let end = ends.iter().find(|(partition, _)| *partition == PARTITION);
        let applied = end.map(|(_, end)| *end).expect("the one that is stored");
        let from = history.recover(PARTITION).wait()?.applied;
        let newest = history.bounds(&[bob()]).wait()?[0].newest;
        let positions = of_bob(tail, from)?;
        let positions: Vec<_> = positions.into_iter().filter(|at| *at < applied).collect();
        let run = InboxRun::new(bob(), newest.next(), positions);
        let runs = if run.positions.is_empty() { Vec::new() } else { vec![run] };
        let applied = vec![(PARTITION, applied)];
        history.store(&StoreBatch { runs, applied, ..StoreBatch::default() }).wait()
    }
}

/// Where the messages to bob lie in the log.
fn of_bob(tail: &mut dyn Consume, from: Position) -> Result<Vec<Position>, StoreError> {
    let mut found = Vec::new();
    conformance::replay(tail, from, &mut |shown| {
        if let Ok(Record::Message(message)) = Record::decode(shown.record)
            && message.recv_id == "bob"
        {
            found.push(shown.position);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The process.
pub(crate) fn run() {
    let set = |name: &str| std::env::var(name).expect("set by who started it");
    let acks = OpenOptions::new().append(true).open(set("DISK_ACKS"));
    let mut acks = acks.expect("made by who started it");
    let mut tell = |line: String| acks.write_all(line.as_bytes()).expect("told");
    let mut storage = match open(Path::new(&set("DISK_CHILD")), &options()) {
        Ok(storage) => storage,
        Err(refused) => {
            return tell(format!("refused: {refused}\n"));
        }
    };
    let Ok(mut inbox) = Inbox::recover(&mut storage) else { return };
    tell("opened\n".to_owned());
    storage.changes.number_by(Box::new(ByBob));
    let mend = Arc::clone(&storage.mend);
    // What is in the log waits for the index as long as that is away, and this process not for ever.
    thread::spawn(move || {
        while !is_lost(&mend) {
            thread::sleep(Duration::from_millis(20));
        }
        mend.end();
    });
    let from: usize = set("DISK_FROM").parse().expect("a number");
    for number in from..from + STEPS {
        tell(format!("tried {number}\n"));
        match step(number, &mut storage, &mut inbox) {
            Ok(()) => tell(format!("done {number}\n")),
            Err(_) => tell(format!("failed {number}\n")),
        }
    }
    drop(storage);
    tell("ended\n".to_owned());
}

/// What needs the index is done again as long as that is away: nothing of it came into the log.
fn step(number: usize, storage: &mut Embedded, inbox: &mut Inbox) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let done = once(number, storage, inbox);
        let away = storage.mend.given_up().is_some() && !is_lost(&storage.mend);
        // It may be back already.
        let again = !is_message(number) && (away || tries < 10);
        match done {
            Err(StoreError::Unavailable { .. }) if again => {
                tries += usize::from(!away);
                thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn once(number: usize, storage: &mut Embedded, inbox: &mut Inbox) -> Result<(), StoreError> {
    match kind(number) {
        "user" => {
            let user = conformance::user(uid(number).as_str(), "a name");
            storage.directory.register(&[user]).wait().map(drop)
        }
        "group" => {
            let owner = Member {
                uid: UserId::new("alice"),
                role: Role::Owner,
                nickname: String::new(),
                face_url: String::new(),
                join_ms: 1,
            };
            let group = conformance::group(&format!("g{number}"));
            let create = GroupChange::Create { group, members: vec![owner] };
            let mut tell = |_: usize, changed: &GroupChanged| {
                let messages = vec![message(&format!("tip{number}"), "carol", is_kept(number))];
                (!changed.members.is_empty()).then_some(Told { messages, change: None })
            };
            storage.groups.apply_and_tell(&[create], LIMITS, &mut tell).wait().map(drop)
        }
        "friends" => {
            let (owner, friend) = (uid(number), UserId::new("dora"));
            let befriend = RelationChange::Befriend { owner, friend, now_ms: 1 };
            storage.relations.apply(&[befriend], 999).wait().map(drop)
        }
        "token" => {
            let id = TokenId([number as u8; 16]);
            let newest = Newest { id, issued_at: number as i64, expires_at: None };
            let (user, class, scope) = (uid(number), Class::Mobile, Scope::Class);
            storage.tokens.issue(&[IssuedToken { user, class, newest, scope }]).wait().map(drop)
        }
        "message" => {
            let record = message(&format!("m{number}"), "bob", false).record;
            let mut at = Vec::new();
            conformance::append(&mut storage.log, &[&record], number as i64, &mut at)?;
            inbox.pending.extend(at);
            Ok(())
        }
        _ => {
            inbox.store(storage)?;
            storage.history.settle().wait()?;
            storage.history.retain(number as i64 - KEPT as i64, 50).wait().map(drop)
        }
    }
}

/// What the process told.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    pub(crate) opened: bool,
    pub(crate) ended: bool,
    /// Why it did not open.
    refused: Option<String>,
    tried: BTreeSet<usize>,
    done: BTreeSet<usize>,
    pub(crate) failed: BTreeSet<usize>,
}

impl Acks {
    pub(crate) fn read(path: &Path) -> Self {
        let mut acks = Self::default();
        for line in std::fs::read_to_string(path).expect("read").lines() {
            let number = || line.rsplit(' ').next().and_then(|word| word.parse().ok());
            let number = || number().expect("a number");
            match line.split(' ').next() {
                Some("opened") => acks.opened = true,
                Some("ended") => acks.ended = true,
                Some("tried") => drop(acks.tried.insert(number())),
                Some("done") => drop(acks.done.insert(number())),
                Some("failed") => drop(acks.failed.insert(number())),
                // A second line would be none of these.
                Some("refused:") => acks.refused = Some(line.to_owned()),
                _ => panic!("{line}"),
            }
        }
        acks
    }
}

/// What must be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    done: BTreeSet<usize>,
    /// Nobody knows: there or not, as it was found before.
    perhaps: BTreeSet<usize>,
    next: usize,
    /// Under which number a message was seen.
    seqs: BTreeMap<usize, u64>,
}

impl Books {
    pub(crate) const fn next(&self) -> usize {
        self.next
    }

    pub(crate) fn answered(&self) -> usize {
        self.done.len()
    }

    pub(crate) fn take(&mut self, acks: &Acks) {
        self.perhaps.extend(acks.tried.difference(&acks.done));
        self.done.extend(&acks.done);
        self.next = acks.tried.last().map_or(self.next, |last| last + 1);
    }

    /// All that was answered is there.
    #[track_caller]
    pub(crate) fn check(&mut self, data: &Path, case: &str) {
        let mut storage = open(data, &options()).unwrap_or_else(|error| panic!("{case}: {error}"));
        let mut inbox = Inbox::recover(&mut storage).expect("recovered");
        inbox.store(&storage).expect("stored");
        let there = self.look(&mut storage, case);
        let lost: Vec<&usize> = self.done.difference(&there).collect();
        assert!(lost.is_empty(), "{case}: {lost:?} were answered and are not there");
        let none: Vec<&usize> =
            there.difference(&self.done).filter(|number| !self.perhaps.contains(number)).collect();
        assert!(none.is_empty(), "{case}: nobody asked for {none:?}");
        // What was found is found again.
        self.done = there;
        self.perhaps.clear();
    }

    /// A disk that lies takes what it likes of the end: what is there is the beginning, or the start says in one line what is wrong.
    #[track_caller]
    pub(crate) fn check_beginning(&mut self, data: &Path, case: &str) {
        let mut storage = match open(data, &options()) {
            Ok(storage) => storage,
            Err(refused) => return assert_eq!(refused.to_string().lines().count(), 1, "{case}"),
        };
        let mut inbox = Inbox::recover(&mut storage).expect("recovered");
        inbox.store(&storage).expect("stored");
        let there = self.look(&mut storage, case);
        let things = there.iter().filter(|number| kind(**number) != "stored");
        let last = things.max().copied().unwrap_or(0);
        let missing = self.done.range(..last).filter(|number| !there.contains(number));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&usize>::new(), "{case}: a hole");
    }

    /// The things that are there; each whole, and told of where it is to be.
    fn look(&mut self, storage: &mut Embedded, case: &str) -> BTreeSet<usize> {
        let all: Vec<usize> = (0..self.next).collect();
        let uids: Vec<UserId> = all.iter().map(|number| uid(*number)).collect();
        let ids: Vec<GroupId> = all.iter().map(|n| GroupId::new(&format!("g{n}"))).collect();
        let users = storage.directory.users(&uids).wait().expect("read");
        let groups = storage.groups.groups(&ids).wait().expect("read");
        let tokens = storage.tokens.newest(&uids).wait().expect("read");
        let dora = [UserId::new("dora")];
        let told = tips(storage);
        let expired = self.next.saturating_sub(KEPT);
        let messages = self.messages(storage, case);
        let is_there = |number: &usize| match kind(*number) {
            "user" => users[*number].is_some(),
            "group" => {
                let group = groups[*number].is_some();
                let tips = told.iter().filter(|told| **told == *number).count();
                let due = usize::from(group && is_kept(*number));
                assert_eq!(tips, due, "{case}: what tells of {number}");
                group
            }
            "friends" => {
                let held = storage.relations.relations(&uid(*number), &dora).wait().expect("read");
                held[0].friend.is_some()
            }
            "token" => tokens[*number].mobile.is_some(),
            // What has expired may be gone, and comes back to nobody.
            "message" if *number < expired => self.done.contains(number),
            "message" => messages.contains(number),
            _ => self.done.contains(number),
        };
        all.iter().copied().filter(is_there).collect()
    }

    /// The messages in bob's inbox, which is dense, in the order in which they were sent, each under the number of before.
    fn messages(&mut self, storage: &Embedded, case: &str) -> BTreeSet<usize> {
        let bounds = storage.history.bounds(&[bob()]).wait().expect("read")[0];
        let mut found = Vec::new();
        let mut next = bounds.min.max(Seq(1));
        while next <= bounds.newest {
            let bob = bob();
            let range = storage.history.range(&bob, next, bounds.newest, usize::MAX);
            for entry in range.wait().expect("read").entries {
                assert_eq!(entry.seq, next, "{case}: a hole");
                let record = entry.record.expect("its record is there");
                let message = Message::decode(&record).expect("a message");
                let number: usize = message.client_msg_id[1..].parse().expect("a number");
                let before = *self.seqs.entry(number).or_insert(next.0);
                assert_eq!(before, next.0, "{case}: {number} has another number");
                found.push(number);
                next = next.next();
            }
        }
        assert!(found.is_sorted_by(|a, b| a < b), "{case}: {found:?}");
        found.into_iter().collect()
    }
}

/// What the log tells carol, of which groups.
fn tips(storage: &Embedded) -> Vec<usize> {
    let mut found = Vec::new();
    let mut each = |shown: Archived<'_>| {
        let message = Message::decode(shown.record).expect("a message");
        if let Some(number) = message.client_msg_id.strip_prefix("tip") {
            found.push(number.parse().expect("a number"));
        }
    };
    let next = storage.archive.scan(Position(0), usize::MAX, &mut each).wait().expect("read");
    assert_eq!(next, None, "that is all");
    found
}
