//! Everything of one shard, and the questions its tasks may ask.
//!
//! A task borrows the state for as long as it does not wait; nothing is borrowed across an await.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::hash::Hasher as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use crossbeam_channel::Sender;
use openim_auth::Signer;
use openim_bus::{Doorbell, Shared};
use openim_record::{Placement, StoreBatch, UserId};
use openim_shard::{FrameToken, Now, Shard};
use openim_workers::commit::LogStatus;
use openim_workers::reads::Read;
use openim_workers::writes::Write;
use openim_workers::{Done, Outlet, Ticket};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use tokio::sync::Notify;

use crate::audit::Audit;
use crate::bus::{Answer, Call, Refused};
use crate::doors::{Addresses, Doors, Permits, RestLoad};
use crate::driver::above::Above;
use crate::driver::clock::Clock;
use crate::driver::directory::Directory;
use crate::driver::fanout::Fanout;
use crate::driver::generations::Generations;
use crate::driver::io::{Io, SendOutcome};
use crate::driver::pulls::Pulls;
use crate::driver::quota::Spent;
use crate::driver::trace::Traced;
use crate::egress::Lingering;
use crate::metrics::{ShardMetrics, Waited};
use crate::phase::Phase;
use crate::reload::Reloads;
use crate::settings::{Live, Settings};
use crate::third::Sts;

/// The stores could not give a user's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadFailed;

/// A bounded channel is full, or what was asked is not answered in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRoom;

/// Channels to the workers.
#[derive(Clone)]
pub(crate) struct Workers {
    pub(crate) reads: Sender<(u16, Read)>,
    pub(crate) writes: Sender<(u16, Write)>,
    pub(crate) store: Sender<(u16, StoreBatch)>,
}

/// Waiters for one user's state.
#[derive(Default)]
struct Loading {
    wakers: Vec<Waker>,
    /// How often loading failed while they waited.
    failures: u32,
}

/// What a shard is given at its start, besides its rings.
pub(crate) struct CoreParts {
    pub(crate) index: u16,
    pub(crate) shards: u16,
    pub(crate) placement: Placement,
    pub(crate) settings: Settings,
    pub(crate) live: Live,
    pub(crate) audit: Audit,
    /// Brings others in place of `live`.
    pub(crate) reloads: Reloads,
    pub(crate) signer: Signer,
    pub(crate) shard: Shard,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) phase: Arc<Phase>,
    pub(crate) permits: Permits,
    pub(crate) addresses: Addresses,
    pub(crate) rest_addresses: Addresses,
    pub(crate) bell: Arc<Doorbell>,
    pub(crate) outlet: Outlet,
    pub(crate) log: Arc<LogStatus>,
    pub(crate) clock: Arc<openim_workers::Clock>,
    pub(crate) workers: Workers,
    /// Members of groups that wait for their turn, of all shards.
    pub(crate) fanout: Arc<AtomicUsize>,
    /// Random, one a process: keys the digests of tokens.
    pub(crate) token_key: (u64, u64),
    /// Random, one a shard and start: where the ids of its tokens begin.
    pub(crate) first_jti: u64,
}

/// One shard.
pub(crate) struct Core {
    pub(crate) index: u16,
    pub(crate) shards: u16,
    pub(crate) placement: Placement,
    pub(crate) settings: Settings,
    live: RefCell<Rc<Live>>,
    reloads: Reloads,
    pub(crate) audit: Audit,
    pub(crate) signer: Signer,
    pub(crate) shard: RefCell<Shard>,
    pub(crate) io: RefCell<Io>,
    pub(crate) above: Above,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) phase: Arc<Phase>,
    pub(crate) doors: Doors,
    pub(crate) bell: Arc<Doorbell>,
    pub(crate) outlet: Outlet,
    pub(crate) log: Arc<LogStatus>,
    pub(crate) workers: Workers,
    pub(crate) fanout: Fanout,
    pub(crate) directory: Directory,
    /// Turns in which everything that the log had handed in was taken.
    pub(super) drained: Cell<u64>,
    /// How often users at home here did something.
    pub(crate) quotas: RefCell<Spent>,
    pub(crate) clock: Clock,
    /// One read buffer for all links; taken while a link is read.
    pub(crate) read_buffer: Cell<Vec<u8>>,
    pub(crate) polls: Cell<u32>,
    pub(crate) pump_waker: RefCell<Option<Waker>>,
    pub(crate) pulls: Pulls,
    /// Position of the log at the last store batch, and when it was taken (milliseconds).
    pub(crate) batched: Cell<(u64, u64)>,
    /// Questions to the workers that they have not answered.
    pub(crate) asked: Cell<usize>,
    /// What REST has under way.
    pub(crate) rest: RestLoad,
    /// Wakes the tick when something became due sooner.
    pub(crate) sooner: Notify,
    /// What ended links have still to be written.
    pub(crate) lingering: Lingering,
    /// What clients upload with.
    sts: RefCell<Rc<Sts>>,
    /// Which unit of times the devices of users at home here read.
    pub(super) generations: RefCell<Generations>,
    loading: RefCell<HashMap<UserId, Loading>>,
    token_key: (u64, u64),
    next_jti: Cell<u64>,
}

impl Core {
    pub(crate) fn new(parts: CoreParts, mut io: Io, above: Above) -> Rc<Self> {
        let CoreParts {
            index,
            shards,
            placement,
            settings,
            live,
            reloads,
            audit,
            signer,
            shard,
            metrics,
            phase,
            permits,
            addresses,
            rest_addresses,
            bell,
            outlet,
            log,
            clock,
            workers,
            fanout,
            token_key,
            first_jti,
        } = parts;
        io.traced = Traced::new(&live.trace_uids);
        let sts = Sts::new(live.tencent.clone(), Arc::clone(&clock), Arc::clone(&metrics));
        let fanout = Fanout::new(fanout, settings.group_fanout_max, shard.back().fanned());
        Rc::new(Self {
            index,
            shards,
            placement,
            reloads,
            audit,
            signer,
            shard: RefCell::new(shard),
            io: RefCell::new(io),
            above,
            metrics,
            phase,
            doors: Doors::new(permits, addresses, rest_addresses),
            bell,
            outlet,
            log,
            workers,
            fanout,
            directory: Directory::new(settings.profiles_max),
            quotas: RefCell::new(Spent::new(settings.limits.back.users_max)),
            drained: Cell::new(0),
            clock: Clock::new(clock),
            read_buffer: Cell::new(vec![0; settings.message_bytes_max as usize + 16 * 1024]),
            polls: Cell::new(0),
            pump_waker: RefCell::new(None),
            pulls: Pulls::new(&settings),
            batched: Cell::new((0, 0)),
            asked: Cell::new(0),
            rest: RestLoad::new(settings.answers_bytes_max),
            sooner: Notify::new(),
            lingering: Lingering::default(),
            sts: RefCell::new(Rc::new(sts)),
            generations: RefCell::new(Generations::new(settings.limits.back.users_max)),
            loading: RefCell::new(HashMap::new()),
            token_key,
            next_jti: Cell::new(first_jti),
            // Last: others are made from them.
            settings,
            live: RefCell::new(Rc::new(live)),
        })
    }

    /// The queue of answers to this shard.
    pub(crate) fn done(&self) -> &Shared<Done> {
        &self.outlet[usize::from(self.index)]
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The shard that is home to `uid`.
    pub(crate) fn home(&self, uid: &str) -> u16 {
        self.placement.home(uid, self.shards)
    }

    /// A keyed digest of a token's text: equal texts, equal digests, and nobody can aim at one.
    pub(crate) fn digest(&self, token: &str) -> FrameToken {
        let mut hasher = SipHasher13::new_with_keys(self.token_key.0, self.token_key.1);
        hasher.write(token.as_bytes());
        FrameToken::new(hasher.finish128().as_u128())
    }

    /// An id for a token, told apart from all others of the same user.
    pub(crate) fn next_jti(&self) -> String {
        let jti = self.next_jti.get();
        self.next_jti.set(jti.wrapping_add(1));
        format!("{jti:016x}")
    }

    /// Runs `f` on the shard and its surroundings.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Shard, &mut Io) -> T) -> T {
        f(&mut self.shard.borrow_mut(), &mut self.io.borrow_mut())
    }

    /// Offers a send to the shard.
    pub(crate) fn offer<T>(&self, send: impl FnOnce(&mut Shard, &mut Io) -> T) -> T {
        self.with(|shard, io| {
            io.offering = true;
            let offered = send(shard, io);
            io.offering = false;
            offered
        })
    }

    /// The settings that may change.
    pub(crate) fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }

    /// What clients upload with. Whoever holds it finishes with this account though another has come.
    pub(crate) fn sts(&self) -> Rc<Sts> {
        Rc::clone(&self.sts.borrow())
    }

    fn sts_of(&self, live: &Live) -> Sts {
        let (clock, metrics) = (Arc::clone(self.clock.process()), Arc::clone(&self.metrics));
        Sts::new(live.tencent.clone(), clock, metrics)
    }

    /// Takes settings that an operator has changed.
    pub(crate) fn take_reloads(&self) {
        let Some(live) = self.reloads.try_iter().last() else { return };
        self.shard.borrow_mut().set_frames_per_second(live.frames_per_second);
        self.io.borrow_mut().traced = Traced::new(&live.trace_uids);
        self.doors.limit(
            live.connections_per_address,
            live.handshakes_per_second_per_address,
            live.requests_per_second_per_address,
        );
        if *self.sts().account() != live.tencent {
            self.sts.replace(Rc::new(self.sts_of(&live)));
        }
        self.live.replace(Rc::new(live));
    }

    /// Makes the pump run soon.
    pub(crate) fn nudge(&self) {
        if let Some(waker) = self.pump_waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Whether a user's state is in memory.
    pub(crate) fn knows(&self, uid: &str) -> bool {
        let shard = self.shard.borrow();
        shard.knows(uid)
    }

    /// Brings a user at home here into memory.
    pub(crate) async fn ensure_loaded(&self, uid: &UserId) -> Result<(), LoadFailed> {
        if self.knows(uid.as_str()) {
            return Ok(());
        }
        let failures = self.loading.borrow().get(uid).map_or(0, |loading| loading.failures);
        let mut own = None;
        let loaded = poll_fn(|cx| {
            if self.knows(uid.as_str()) {
                return Poll::Ready(Ok(()));
            }
            own = Some(cx.waker().clone());
            let mut loading = self.loading.borrow_mut();
            match loading.get_mut(uid) {
                Some(entry) if entry.failures > failures => {
                    return Poll::Ready(Err(LoadFailed));
                }
                Some(entry) => {
                    entry.wakers.push(cx.waker().clone());
                    // Joins the load under way, or asks again after one that failed.
                    self.shard.borrow_mut().want(uid);
                    self.nudge();
                }
                None => {
                    loading.insert(
                        uid.clone(),
                        Loading { wakers: vec![cx.waker().clone()], failures: 0 },
                    );
                    self.shard.borrow_mut().want(uid);
                    self.nudge();
                }
            }
            Poll::Pending
        });
        let loaded = self.in_time(Waited::Load, loaded).await;
        if loaded.is_err()
            && let (Some(entry), Some(own)) = (self.loading.borrow_mut().get_mut(uid), own)
        {
            // A load that stalls must not gather all who ever wanted it.
            entry.wakers.retain(|waker| !waker.will_wake(&own));
        }
        loaded.unwrap_or(Err(LoadFailed))
    }

    /// Whether a load of `uid` is already on its way for a task.
    pub(crate) fn load_ended(&self, uid: &UserId, ok: bool) {
        let mut loading = self.loading.borrow_mut();
        if ok {
            if let Some(entry) = loading.remove(uid) {
                entry.wakers.into_iter().for_each(Waker::wake);
            }
        } else if let Some(entry) = loading.get_mut(uid) {
            entry.failures += 1;
            entry.wakers.drain(..).for_each(Waker::wake);
        }
    }

    /// Forgets the failures that all waiters have seen.
    pub(crate) fn forget_failed_loads(&self) {
        self.loading.borrow_mut().retain(|_, entry| !entry.wakers.is_empty());
    }

    /// Whether another question to the readers would be taken.
    pub(crate) fn readers_have_room(&self) -> bool {
        self.asked.get() < ASKED_MAX && !self.workers.reads.is_full()
    }

    /// Whether another change would be taken by the writer.
    pub(crate) fn writer_has_room(&self) -> bool {
        self.asked.get() < ASKED_MAX && !self.workers.writes.is_full()
    }

    /// Asks the readers for what is waited for so; `read` is given the ticket.
    pub(crate) async fn read(
        &self,
        what: Waited,
        read: impl FnOnce(Ticket) -> Read,
    ) -> Result<Done, NoRoom> {
        let asked =
            self.ask(|ticket| self.workers.reads.try_send((self.index, read(ticket))).is_ok());
        self.in_time(what, asked).await.unwrap_or(Err(NoRoom))
    }

    /// Asks the writers, and waits until they have answered; `write` is given the ticket.
    pub(crate) async fn write(&self, write: impl FnOnce(Ticket) -> Write) -> Result<Done, NoRoom> {
        self.ask(|ticket| self.workers.writes.try_send((self.index, write(ticket))).is_ok()).await
    }

    /// Asks the workers by `send`, which says whether there was room, and waits for the answer. No
    /// more is asked at once than the queue of answers holds.
    async fn ask(&self, send: impl FnOnce(Ticket) -> bool) -> Result<Done, NoRoom> {
        let ticket = self.io.borrow_mut().answers.open();
        let wait = DoneWait { core: self, ticket, over: false };
        if self.asked.get() >= ASKED_MAX || !send(Ticket(ticket as u64)) {
            wait.cancel();
            return Err(NoRoom);
        }
        self.asked.set(self.asked.get() + 1);
        Ok(wait.await)
    }

    /// Runs a call at its home shard, which answers in time.
    pub(super) async fn call(self: &Rc<Self>, home: u16, call: Call) -> Result<Answer, Refused> {
        if home == self.index {
            return self.run_in_time(call).await;
        }
        let asked = async move {
            let mut call = Box::new(call);
            loop {
                match self.try_call(home, call) {
                    Ok(ticket) => return ticket,
                    Err(back) => call = back,
                }
                self.room().await;
            }
        };
        let ticket = self.in_time(Waited::Room, asked).await?;
        CallWait { core: self, ticket, over: false }.await
    }

    /// Sends a call if there is room for it and for its answer.
    fn try_call(&self, home: u16, call: Box<Call>) -> Result<usize, Box<Call>> {
        let mut io = self.io.borrow_mut();
        let ticket = io.calls.open();
        match io.mesh.call(home, ticket as u32, call) {
            Ok(()) => Ok(ticket),
            Err(back) => {
                io.calls.cancel(ticket);
                Err(back)
            }
        }
    }

    /// Waits until a ring may have room again.
    pub(crate) async fn room(&self) {
        let mut waited = false;
        poll_fn(|cx| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            let mut io = self.io.borrow_mut();
            io.starved = true;
            io.room_wakers.push_back(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits for the end of a send that was taken.
    pub(crate) async fn sent(&self, ticket: usize) -> SendOutcome {
        SendWait { core: self, ticket, over: false }.await
    }
}

/// Questions that one shard may have open with the workers: its answer queue holds as many.
pub(crate) const ASKED_MAX: usize = 1024;

macro_rules! wait {
    ($name:ident, $field:ident, $answer:ty) => {
        struct $name<'a> {
            core: &'a Core,
            ticket: usize,
            over: bool,
        }

        impl Future for $name<'_> {
            type Output = $answer;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<$answer> {
                let answer = self.core.io.borrow_mut().$field.poll(self.ticket, cx.waker());
                match answer {
                    Some(answer) => {
                        self.over = true;
                        Poll::Ready(answer)
                    }
                    None => Poll::Pending,
                }
            }
        }

        impl $name<'_> {
            /// The question was never asked: no answer will come.
            #[allow(dead_code, reason = "not every kind of question can fail to be asked")]
            fn cancel(mut self) {
                self.over = true;
                self.core.io.borrow_mut().$field.cancel(self.ticket);
            }
        }

        impl Drop for $name<'_> {
            fn drop(&mut self) {
                if !self.over {
                    self.core.io.borrow_mut().$field.abandon(self.ticket);
                }
            }
        }
    };
}

wait!(DoneWait, answers, Done);
wait!(SendWait, sends, SendOutcome);
wait!(CallWait, calls, Result<Answer, Refused>);
