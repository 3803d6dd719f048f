//! The world around the owners: everything that exists between two steps, and who does the next one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use openim_front::LinkId;
use openim_record::{
    GroupId, Message, MessageKey, Now, Placement, Position, Process, Seq, Switches, UserId,
};
use openim_transfer::{LogPartition, Source, TopicRecord, message};

use crate::counts::Counts;
use crate::debts::Debts;
use crate::directory::Directory;
use crate::gateways::{Frame, Gateway};
use crate::hosts::Host;
use crate::ledger::Ledger;
use crate::logs::Logs;
use crate::plan::Plan;
use crate::presence::Presence;
use crate::random::Random;
use crate::rules::Without;
use crate::store::Store;

/// A message that a client made up; all its sends are one send to the law.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) sender: usize,
    pub(crate) receiver: UserId,
    pub(crate) group: bool,
    pub(crate) extra: Vec<UserId>,
    pub(crate) key: MessageKey,
    pub(crate) history: bool,
    pub(crate) offline_push: bool,
    pub(crate) bytes: Box<[u8]>,
    /// How often it was sent, and how often that was answered with success.
    pub(crate) attempts: u32,
    pub(crate) acknowledged: u32,
    /// In which life of the store it came into the log last.
    pub(crate) generation: u64,
}

/// A terminal of a user.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) user: usize,
    pub(crate) platform: u8,
    pub(crate) link: Option<(Process, LinkId)>,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) without: Option<Without>,
    pub(crate) random: Random,
    pub(crate) placement: Placement,
    pub(crate) now_ms: u64,
    pub(crate) users: Vec<UserId>,
    pub(crate) terminals: Vec<Terminal>,
    pub(crate) logs: Logs,
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) presence: Presence,
    pub(crate) directory: Directory,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) messages: Vec<Sent>,
    pub(crate) by_key: HashMap<MessageKey, usize>,
    /// Sends that gateways owe an answer.
    pub(crate) debts: Debts<Process>,
    /// Acknowledged sends by link, in order.
    pub(crate) chains: BTreeMap<(Process, LinkId), Vec<usize>>,
    /// Entries of inboxes that reached a mobile terminal, or of which the push stage was told.
    pub(crate) reached: BTreeSet<(UserId, Seq)>,
    /// How often an owner has told a link of a message without a seq and of that time.
    pub(crate) untraced: BTreeMap<(u64, Process, LinkId, MessageKey, i64), usize>,
    pub(crate) counts: Counts,
    pub(crate) calm: bool,
    pub(crate) trace: bool,
    pub(crate) processes: u64,
    /// Calls that were made so far.
    pub(crate) calls: u64,
    /// The transfer whose deliveries a gateway takes now.
    pub(crate) telling: u64,
    /// Links that were written down so far.
    pub(crate) written: u64,
}

impl World {
    pub(crate) fn new(seed: u64, without: Option<Without>, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random, without);
        if trace {
            eprintln!("{plan:#?}");
        }
        let placement = plan.settings.placement;
        let users: Vec<UserId> =
            (0..plan.users).map(|n| UserId::new(&format!("user{n}"))).collect();
        let mut terminals = Vec::new();
        for user in 0..users.len() {
            for &platform in &plan.platforms {
                for _ in 0..if random.percent(30) { 2 } else { 1 } {
                    terminals.push(Terminal { user, platform, link: None });
                }
            }
        }
        let settings = &plan.settings;
        let mut world = Self {
            without,
            placement,
            now_ms: 1_000_000,
            logs: Logs::new(plan.partitions),
            ledger: Ledger::new(placement, settings.window_ms, settings.keys_max),
            store: Store::new(without),
            presence: Presence::default(),
            directory: Directory::default(),
            gateways: Vec::new(),
            hosts: Vec::new(),
            messages: Vec::new(),
            by_key: HashMap::new(),
            debts: Debts::default(),
            calls: 0,
            telling: 0,
            chains: BTreeMap::new(),
            reached: BTreeSet::new(),
            untraced: BTreeMap::new(),
            counts: Counts::default(),
            calm: false,
            trace,
            processes: 0,
            written: 0,
            plan,
            random,
            users,
            terminals,
        };
        for number in 0..world.plan.groups {
            let members: BTreeSet<UserId> =
                world.users.iter().filter(|_| world.random.percent(60)).cloned().collect();
            let group = GroupId::new(&format!("group{number}"));
            world.directory.add(group, members, &world.users);
        }
        for _ in 0..world.plan.gateways {
            world.start_gateway();
        }
        for at in world.logs.partitions() {
            world.host(at);
        }
        world
    }

    pub(crate) fn run(&mut self) {
        for _ in 0..self.plan.steps {
            self.now_ms += self.random.pick(&[0, 0, 0, 1, 2, 10]);
            self.time_of_producers();
            self.fault();
            self.step();
        }
        self.finish();
    }

    pub(crate) fn time_of_producers(&mut self) {
        for gateway in &mut self.gateways {
            gateway.io.producer.now_ms = self.now_ms;
        }
    }

    pub(crate) fn now(&self) -> Now {
        let now_ms = self.now_ms as i64;
        Now { mono_ms: self.now_ms, unix_ns: now_ms * 1_000_000, trusted_ms: now_ms }
    }

    fn step(&mut self) {
        let g = self.random.below(self.gateways.len());
        match self.random.below(100) {
            0..11 => self.client(),
            11..19 => self.any_frame(g),
            19..25 => self.produce_step(g),
            25..30 => self.report_step(g),
            30..34 => {
                for _ in 0..if self.plan.presence_storm { 40 } else { 3 } {
                    self.presence_step(g);
                }
            }
            34..36 => self.gateway_tick(g),
            36..38 => self.sockets_step(g),
            38..39 => self.calls_step(g),
            39..40 => (0..self.plan.changes).for_each(|_| self.change_members()),
            40..42 => (0..self.plan.changes).for_each(|_| self.change_step()),
            _ => {
                let h = self.random.below(self.hosts.len());
                self.host_step(h);
            }
        }
    }

    // --- faults --------------------------------------------------------------------------------

    fn fault(&mut self) {
        let plan = &self.plan;
        let mut happens = |chance| self.random.per_10_000(chance);
        let (kill, double, pause) = (happens(plan.kill), happens(plan.double), happens(plan.pause));
        let (lose, empty) = (happens(plan.lose_tail), happens(plan.empty_presence));
        let (away, gateway) = (happens(plan.presence_away), happens(plan.kill_gateway));
        let (stall, stick) = (happens(plan.stall_gateway), happens(plan.stick_producer));
        if kill {
            // Another takes over.
            let h = self.random.below(self.hosts.len());
            let at = self.hosts[h].owner.at();
            self.kill_host(h);
            self.host(at);
            self.counts.note("owner killed");
        }
        if double {
            self.take_over();
        }
        if pause {
            let h = self.random.below(self.hosts.len());
            self.hosts[h].paused_until_ms = self.now_ms + self.random.pick(&[100, 1000, 10_000]);
            self.counts.note("owner paused");
        }
        if lose {
            let writes = self.random.range(1, 6);
            self.store.lose_tail(writes);
            self.counts.note("tail lost");
            self.note(|| format!("the store loses {writes} writes"));
        }
        if empty {
            self.presence.empty(self.without == Some(Without::EpochsRise));
            self.counts.note("presence emptied");
            self.note(|| "presence is emptied".to_owned());
        }
        if away {
            self.presence.away_until_ms = self.now_ms + self.random.pick(&[10, 500]);
            self.counts.note("presence away");
        }
        if gateway {
            self.kill_gateway();
        }
        if stall {
            let g = self.random.below(self.gateways.len());
            self.gateways[g].stalled_until_ms = self.now_ms + self.random.pick(&[100, 5000]);
            self.counts.note("gateway stalled");
        }
        if stick {
            let g = self.random.below(self.gateways.len());
            let until_ms = self.now_ms + self.random.pick(&[500, 6000]);
            self.gateways[g].io.producer.stuck_until_ms = until_ms;
            self.counts.note("producer stuck");
        }
        self.fault_of_a_log();
    }

    fn fault_of_a_log(&mut self) {
        if self.random.per_10_000(self.plan.clock_jump) {
            let all = self.logs.partitions();
            let at = self.random.pick(&all);
            let skew_ms = self.random.pick(&[-1500, -100, 0, 100, 1500]);
            self.logs.skew(at, skew_ms);
            self.counts.note("another broker's clock");
        }
        if self.random.per_10_000(self.plan.stall_topic) {
            let all = self.logs.partitions();
            let at = self.random.pick(&all);
            self.logs.stall(at, self.now_ms + self.random.pick(&[100, 1000, 5000]));
            self.counts.note("topic stalled");
        }
    }

    /// Another owner of a partition, while the one before lives on.
    fn take_over(&mut self) {
        let h = self.random.below(self.hosts.len());
        let at = self.hosts[h].owner.at();
        self.host(at);
        self.counts.note("two owners");
        if self.hosts.len() > self.plan.hosts_max {
            // One of those that have a double leaves.
            let doubled: Vec<usize> = (0..self.hosts.len())
                .filter(|&h| {
                    let same = |host: &&Host| host.owner.at() == self.hosts[h].owner.at();
                    self.hosts.iter().filter(same).count() > 1
                })
                .collect();
            let h = self.random.pick(&doubled);
            self.kill_host(h);
        }
    }

    /// The id of a process that starts now.
    fn process(&mut self) -> Process {
        self.processes += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.processes.to_le_bytes());
        Process(id)
    }

    fn start_gateway(&mut self) {
        let process = self.process();
        self.gateways.push(Gateway::new(process, &self.plan, self.without));
    }

    /// A gateway is killed; what it had handed to its producer lands, or not.
    fn kill_gateway(&mut self) {
        let g = self.random.below(self.gateways.len());
        let process = self.gateways[g].process;
        for _ in 0..self.random.below(3) {
            self.produce_step(g);
        }
        self.gateways.swap_remove(g);
        self.debts.forget(|of| of == process);
        for terminal in &mut self.terminals {
            terminal.link = terminal.link.filter(|(of, _)| *of != process);
        }
        self.start_gateway();
        self.counts.note("gateway killed");
        self.note(|| format!("{process:?} is killed"));
    }

    // --- clients -------------------------------------------------------------------------------

    fn client(&mut self) {
        let number = self.random.below(self.terminals.len());
        let g = self.random.below(self.gateways.len());
        let Some((process, link)) = self.terminals[number].link else {
            return self.connect(g, number);
        };
        let own = self.gateway_of(process).expect("its links went with it");
        match self.random.below(100) {
            0..3 => self.close(own, link),
            // Before the old link has ended.
            3..6 => self.connect(g, number),
            6..20 => self.write(own, link, Frame::Query),
            20..35 => {
                let message = self.message(number);
                self.call(g, message);
            }
            _ => {
                let message = self.message(number);
                self.write(own, link, Frame::Send(message));
            }
        }
    }

    fn write(&mut self, g: usize, link: LinkId, frame: Frame) {
        if let Some(socket) = self.gateways[g].sockets.get_mut(&link)
            && socket.frames.len() < 6
        {
            socket.ask(frame);
        }
    }

    fn any_frame(&mut self, g: usize) {
        let nth = self.random.below(self.gateways[g].sockets.len());
        if let Some(link) = self.gateways[g].sockets.keys().nth(nth).copied() {
            self.frame(g, link);
        }
    }

    /// A new message of the terminal's user, or one of the last to send again.
    fn message(&mut self, terminal: usize) -> usize {
        let user = self.terminals[terminal].user;
        let number = match self.repeat(user) {
            Some(number) => number,
            None => self.new_message(terminal),
        };
        self.messages[number].attempts += 1;
        number
    }

    fn repeat(&mut self, user: usize) -> Option<usize> {
        if !self.random.percent(self.plan.repeats) {
            return None;
        }
        let own = self.messages.iter().enumerate().rev().filter(|(_, sent)| sent.sender == user);
        let own: Vec<usize> = own.map(|(number, _)| number).take(12).collect();
        (!own.is_empty()).then(|| self.random.pick(&own))
    }

    pub(crate) fn new_message(&mut self, terminal: usize) -> usize {
        let Terminal { user, platform, .. } = self.terminals[terminal];
        let sender = self.users[user].clone();
        let groups: Vec<&GroupId> = self.directory.groups.keys().collect();
        let group = !groups.is_empty() && self.random.percent(30);
        let nth = self.random.below(groups.len());
        let receiver = match self.random.below(10) {
            // Gateways ask MySQL, and believe it for a while.
            _ if group && self.may_send(groups[nth].as_str(), &sender) => {
                UserId::new(groups[nth].as_str())
            }
            0 => sender.clone(),
            _ => self.users[self.random.below(self.users.len())].clone(),
        };
        let group = receiver.as_str().starts_with("group");
        let nth = self.random.below(self.users.len());
        let extra = match group && self.random.percent(10) {
            true => vec![self.users[nth].clone()],
            false => Vec::new(),
        };
        let name = format!("m{}", self.messages.len());
        let bits = self.random.below(16) as u8;
        let switches =
            if self.random.percent(75) { Switches::ON } else { Switches::from_bits(bits) };
        let session_type = if group { 2 } else { 1 };
        let key = MessageKey::new(sender.as_str(), session_type, receiver.as_str(), &name);
        let message = Message {
            key,
            send_time_ns: 0,
            switches,
            origin_platform: platform,
            msg_from: 100,
            content_type: 101,
            session_type,
            sender_platform_id: platform.into(),
            send_id: sender.as_str(),
            recv_id: receiver.as_str(),
            client_msg_id: &name,
            sender_nick_name: "",
            sender_face_url: "",
            offline_info: "",
            content: "hello",
        };
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.messages.push(Sent {
            name: name.clone(),
            sender: user,
            receiver: receiver.clone(),
            group,
            extra,
            key,
            history: switches.history,
            offline_push: switches.offline_push,
            bytes: bytes.into(),
            attempts: 0,
            acknowledged: 0,
            generation: 0,
        });
        self.by_key.insert(key, self.messages.len() - 1);
        self.messages.len() - 1
    }

    fn may_send(&self, group: &str, uid: &UserId) -> bool {
        self.directory.is_member(group, uid)
    }

    // --- the logs ------------------------------------------------------------------------------

    pub(crate) fn append(&mut self, at: LogPartition, bytes: Arc<[u8]>) -> Position {
        let (position, _) = self.logs.append(at, self.now_ms as i64, bytes);
        let entry = self.logs.at(at, position).expect("it was appended");
        self.note(|| format!("{at:?} {position}: {}", shown(&entry.bytes)));
        self.ledger.record(at, position, entry);
        position
    }

    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>7} {}", self.now_ms, text());
        }
    }
}

/// A record in a trace.
fn shown(bytes: &[u8]) -> String {
    match TopicRecord::decode(bytes) {
        Ok(TopicRecord::Send(sent)) => {
            let message = message(sent.message, 0).expect("a message");
            let Message { send_id, recv_id, client_msg_id, .. } = message;
            format!("{client_msg_id} of {send_id} to {recv_id}")
        }
        Ok(TopicRecord::Relay(relay)) => {
            let message = message(relay.message, 0).expect("a message");
            let members: Vec<_> = relay.members.iter().collect();
            let Message { send_id, recv_id, client_msg_id, .. } = message;
            let Source { of, position } = relay.source;
            format!(
                "relay of {of:?} {position}: {client_msg_id} of {send_id} to {recv_id} {members:?}"
            )
        }
        Ok(TopicRecord::GroupChanged(change)) => {
            let left: Vec<_> = change.left.iter().collect();
            let joined: Vec<_> = change.joined.iter().collect();
            format!("{} {}: {joined:?} in, {left:?} out", change.group, change.version)
        }
        other => format!("{other:?}"),
    }
}
