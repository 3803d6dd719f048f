//! Everything of one shard, and the questions its tasks may ask.
//!
//! A task borrows the state for as long as it does not wait; nothing is borrowed across an await.

#[cfg(feature = "cluster")]
use std::cell::OnceCell;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use openim_record::{Placement, UserId};
use openim_shard::{Now, Shard};
use openim_workers::commit::LogStatus;
use openim_workers::reads::Read;
use openim_workers::{Done, Ticket};

use crate::audit::Audit;
use crate::bus::{Answer, Call, Refused};
use crate::doors::{Doors, RestLoad};
use crate::driver::above::Above;
#[cfg(feature = "cluster")]
use crate::driver::abroad::{GroupsAbroad, TokensAbroad, Whereabouts};
use crate::driver::asks::{Asks, LoadFailed, NoRoom};
use crate::driver::books::Books;
use crate::driver::changing::Changing;
use crate::driver::clock::Clock;
use crate::driver::directory::DirectoryCache;
use crate::driver::fanout::Fanout;
#[cfg(feature = "cluster")]
use crate::driver::from_back::{Delivering, FromBacks};
use crate::driver::generations::Generations;
use crate::driver::io::{Io, SendOutcome};
use crate::driver::journal::AskLinks;
use crate::driver::keys::Keys;
#[cfg(any(feature = "cluster", feature = "testing"))]
use crate::driver::memberships::GroupChanges;
use crate::driver::pulls::Pulls;
use crate::driver::quota::Spent;
use crate::driver::trace::Traced;
use crate::driver::unwanted::Unwanted;
use crate::driver::wheel::Wheel;
use crate::egress::Lingering;
use crate::metrics::{ShardMetrics, Waited};
use crate::phase::Phase;
use crate::settings::{Live, Settings};
use crate::socket::Terms;

/// Which shard this is, and who is at home where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) index: u16,
    pub(crate) shards: u16,
    pub(crate) placement: Placement,
}

impl Here {
    /// The shard that is home to `uid`.
    pub(crate) fn home(self, uid: &str) -> u16 {
        self.placement.home(uid, self.shards)
    }
}

/// What a shard is given at its start and keeps as it is. Each is named here, and in `boot`, which makes it; [`Core`]
/// has all of it by [`Deref`].
pub(crate) struct Given {
    pub(crate) here: Here,
    pub(crate) settings: Settings,
    pub(crate) changing: Changing,
    pub(crate) audit: Audit,
    pub(crate) keys: Keys,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) phase: Arc<Phase>,
    pub(crate) clock: Clock,
    pub(crate) doors: Doors,
    /// Whether connections are taken with TLS, and with which certificate.
    pub(crate) terms: Terms,
    pub(crate) wheel: Wheel,
    pub(crate) asks: Asks,
    pub(crate) log: Arc<LogStatus>,
    /// Members of groups that wait for their turn, of all shards.
    pub(crate) fanout: Fanout,
    /// Conversations that somebody does not receive, of all shards.
    pub(crate) unwanted: Unwanted,
    /// What other processes tell the shards, if these have only fronts.
    #[cfg(feature = "cluster")]
    pub(crate) from_backs: Option<FromBacks>,
    /// Of groups whose members are remembered, of all shards.
    #[cfg(any(feature = "cluster", feature = "testing"))]
    pub(crate) group_changes: Arc<GroupChanges>,
    /// The way to ask the journal of links, if there is one.
    pub(crate) links: Option<AskLinks>,
    /// The layers above.
    pub(crate) above: Above,
}

/// One shard.
pub(crate) struct Core {
    given: Given,
    pub(crate) shard: RefCell<Shard>,
    pub(crate) io: RefCell<Io>,
    /// Whether the log was told that much waits here.
    pub(super) full: Cell<bool>,
    /// What REST has under way.
    pub(crate) rest: RestLoad,
    pub(crate) pulls: Pulls,
    pub(super) directory: DirectoryCache,
    /// How often users at home here did something.
    pub(super) quotas: RefCell<Spent>,
    /// Which unit of times the devices of users at home here read.
    pub(super) generations: RefCell<Generations>,
    pub(super) books: Books,
    /// What ended links have still to be written.
    pub(super) lingering: Lingering,
    /// What the shard tells other processes by itself, if there are any.
    #[cfg(feature = "cluster")]
    pub(super) abroad: OnceCell<Box<dyn TokensAbroad>>,
    /// The same of changes of groups.
    #[cfg(feature = "cluster")]
    pub(super) groups_abroad: OnceCell<GroupsAbroad>,
    /// Asks others for their links, likewise.
    #[cfg(feature = "cluster")]
    pub(super) whereabouts: OnceCell<Whereabouts>,
    /// Deliveries of another process that were begun.
    #[cfg(feature = "cluster")]
    pub(super) delivering: RefCell<Option<Delivering>>,
    /// One read buffer for all links; taken while a link is read.
    pub(crate) read_buffer: Cell<Vec<u8>>,
}

impl Deref for Core {
    type Target = Given;

    fn deref(&self) -> &Given {
        &self.given
    }
}

impl Given {
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The settings that may change.
    pub(crate) fn live(&self) -> Rc<Live> {
        self.changing.live()
    }
}

impl Core {
    pub(crate) fn new(given: Given, mut shard: Shard, mut io: Io) -> Rc<Self> {
        io.traced = Traced::new(&given.live().trace_uids);
        given.fanout.begin(shard.back().fanned());
        shard.begin_books();
        given.unwanted.begin(shard.unwilling_len());
        let settings = &given.settings;
        Rc::new(Self {
            shard: RefCell::new(shard),
            io: RefCell::new(io),
            full: Cell::new(false),
            rest: RestLoad::new(settings.answers_bytes_max),
            pulls: Pulls::new(settings),
            directory: DirectoryCache::new(&given),
            quotas: RefCell::new(Spent::new(settings.limits.back.users_max)),
            generations: RefCell::new(Generations::new(settings.limits.back.users_max)),
            books: Books::default(),
            lingering: Lingering::default(),
            #[cfg(feature = "cluster")]
            delivering: RefCell::default(),
            #[cfg(feature = "cluster")]
            abroad: OnceCell::new(),
            #[cfg(feature = "cluster")]
            groups_abroad: OnceCell::new(),
            #[cfg(feature = "cluster")]
            whereabouts: OnceCell::new(),
            read_buffer: Cell::new(vec![0; settings.message_bytes_max as usize + 16 * 1024]),
            given,
        })
    }

    /// Runs `f` on the shard and its surroundings.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Shard, &mut Io) -> T) -> T {
        f(&mut self.shard.borrow_mut(), &mut self.io.borrow_mut())
    }

    /// Offers a send to the shard.
    pub(crate) fn offer<T>(&self, now: Now, send: impl FnOnce(&mut Shard, &mut Io) -> T) -> T {
        self.with(|shard, io| {
            // It comes between turns: that of the last one may be long ago.
            io.turn_ns = now.unix_ns;
            io.offering = true;
            let offered = send(shard, io);
            io.offering = false;
            offered
        })
    }

    /// Takes settings that an operator has changed.
    pub(crate) fn take_reloads(&self) {
        let Some(live) = self.changing.take() else { return };
        self.shard.borrow_mut().set_frames_per_second(live.frames_per_second);
        self.io.borrow_mut().traced = Traced::new(&live.trace_uids);
        self.doors.limit(
            live.connections_per_address,
            live.handshakes_per_second_per_address,
            live.requests_per_second_per_address,
        );
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
        let failures = self.asks.failures(uid);
        let mut own = None;
        let loaded = poll_fn(|cx| {
            if self.knows(uid.as_str()) {
                return Poll::Ready(Ok(()));
            }
            own = Some(cx.waker().clone());
            // Joins the load under way, or asks again after one that failed.
            if let Err(failed) = self.asks.join(uid, failures, cx.waker()) {
                return Poll::Ready(Err(failed));
            }
            self.shard.borrow_mut().want(uid);
            self.wheel.nudge();
            Poll::Pending
        });
        let loaded = self.in_time(Waited::Load, loaded).await;
        if let (Err(_), Some(own)) = (&loaded, own) {
            self.asks.leave(uid, &own);
        }
        loaded.unwrap_or(Err(LoadFailed))
    }

    /// Reads a user's newest tokens again: those in memory are no older than this call then.
    #[cfg(feature = "cluster")]
    pub(crate) async fn reload(&self, uid: &UserId) -> Result<(), LoadFailed> {
        let answered = self.asks.rereads(uid);
        self.shard.borrow_mut().reload(uid);
        self.wheel.nudge();
        match self.in_time(Waited::Load, answered).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(LoadFailed),
        }
    }

    /// Asks the readers for what is waited for so; `read` is given the ticket.
    pub(crate) async fn read(
        &self,
        what: Waited,
        read: impl FnOnce(Ticket) -> Read,
    ) -> Result<Done, NoRoom> {
        self.in_time(what, self.asks.read(read)).await.unwrap_or(Err(NoRoom))
    }

    /// Runs a call at its home shard, which answers in time.
    pub(crate) async fn call(self: &Rc<Self>, home: u16, call: Call) -> Result<Answer, Refused> {
        if home == self.here.index {
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

        impl Drop for $name<'_> {
            fn drop(&mut self) {
                if !self.over {
                    self.core.io.borrow_mut().$field.abandon(self.ticket);
                }
            }
        }
    };
}

wait!(SendWait, sends, SendOutcome);
wait!(CallWait, calls, Result<Answer, Refused>);
