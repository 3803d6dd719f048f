//! The shard's thread: pinned, one single-threaded runtime, from the first accept to the last flush.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use openim_bus::Doorbell;
use openim_shard::{Admission, CloseReason};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::bus::Inquiry;
use crate::driver::{Core, PULL_BYTES};
use crate::phase::Stage;

/// Time between two looks at deadlines: with something due soon, and idle.
const TICK_BUSY: Duration = Duration::from_millis(50);
const TICK_IDLE: Duration = Duration::from_millis(250);
/// What a drain leaves for the last batch to be stored.
const STORE_TIME: Duration = Duration::from_secs(5);
/// What links that are closed when the drain's time is over get to take their close frame.
const LAST_WORDS: Duration = Duration::from_millis(1500);
/// How often a shard that has closed its listeners looks whether the others have.
const CLOSED_LOOK: Duration = Duration::from_millis(10);

thread_local! {
    /// For the runtime's park hook, which cannot carry the shard's state itself.
    static CORE: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// What a shard thread needs to start.
pub(crate) struct Plan {
    pub(crate) name: String,
    /// Processor to stay on.
    pub(crate) cpu: Option<usize>,
    pub(crate) websocket: Vec<TcpListener>,
    pub(crate) rest: Vec<TcpListener>,
    /// What runs beside the shard.
    pub(crate) beside: Vec<crate::driver::Beside>,
    /// What operators ask, where it comes in.
    pub(crate) inquiries: Option<mpsc::Receiver<Inquiry>>,
    /// Builds the shard's state on its own thread.
    pub(crate) build: Box<dyn FnOnce() -> Rc<Core> + Send>,
}

/// Starts the thread; it ends when the phase says so and its links are gone.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn(plan: Plan) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(plan.name.clone()).spawn(move || run(plan))
}

fn run(plan: Plan) -> io::Result<()> {
    if let Some(cpu) = plan.cpu {
        pin(cpu);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For what the system only answers to a blocked caller: the addresses of a name.
        .max_blocking_threads(1)
        .thread_name("lookup")
        .on_thread_park(before_sleep)
        .on_thread_unpark(after_sleep)
        .build()?;
    let core = (plan.build)();
    CORE.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&core)));
    let local = LocalSet::new();
    let serve = async {
        for beside in plan.beside {
            tokio::task::spawn_local(beside(Rc::clone(&core)));
        }
        if let Some(inquiries) = plan.inquiries {
            tokio::task::spawn_local((core.above.inquire)(Rc::clone(&core), inquiries));
        }
        serve(Rc::clone(&core), plan.websocket, plan.rest).await
    };
    let served = local.block_on(&runtime, serve);
    CORE.with(|slot| *slot.borrow_mut() = None);
    drop((local, core));
    // A lookup that hangs in the system is not waited for.
    runtime.shutdown_background();
    served
}

fn pin(cpu: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    if let Err(cause) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::warn!(cpu, %cause, "cannot pin a shard to its processor");
    }
}

fn before_sleep() {
    CORE.with(|slot| {
        if let Some(core) = slot.borrow().as_ref() {
            core.wheel.bell().going_to_sleep();
            if core.has_input() {
                core.wheel.bell().stay_awake();
                core.wheel.nudge();
            }
        }
    });
}

fn after_sleep() {
    CORE.with(|slot| {
        if let Some(core) = slot.borrow().as_ref() {
            core.wheel.bell().stay_awake();
        }
    });
}

async fn serve(
    core: Rc<Core>,
    websocket: Vec<TcpListener>,
    rest: Vec<TcpListener>,
) -> io::Result<()> {
    let bell = crate::sys::listen_for(Arc::clone(core.wheel.bell()))?;
    tokio::task::spawn_local(pump(Rc::clone(&core), bell));
    tokio::task::spawn_local(tick(Rc::clone(&core)));
    let mut accepting = Vec::new();
    for listener in websocket {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accept = (core.above.accept_websockets)(Rc::clone(&core), listener);
        accepting.push(tokio::task::spawn_local(accept));
    }
    for listener in rest {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accept = (core.above.accept_rest)(Rc::clone(&core), listener);
        accepting.push(tokio::task::spawn_local(accept));
    }
    while core.phase.get() < Stage::Closing {
        sleep(TICK_IDLE).await;
    }
    // From now on every handshake is answered with 503. What the backlogs hold gets it as well.
    sleep(TICK_IDLE).await;
    for task in accepting {
        task.abort();
        // Gone, and the listener with it.
        drop(task.await);
    }
    core.phase.closed();
    while core.phase.get() < Stage::Draining {
        sleep(CLOSED_LOOK).await;
    }
    drain(&core).await;
    Ok(())
}

/// Pumps whenever the bell rings or somebody asks for it.
async fn pump(core: Rc<Core>, bell: AsyncFd<Arc<Doorbell>>) {
    loop {
        poll_fn(|cx| {
            core.wheel.wake_by(cx.waker());
            while let Poll::Ready(ready) = bell.poll_read_ready(cx) {
                core.wheel.bell().clear();
                match ready {
                    Ok(mut guard) => guard.clear_ready(),
                    Err(_) => break,
                }
            }
            if core.pump() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // More is waiting, behind what the sockets have: the runtime would look at them only once in
        // many polls if this task just woke itself.
        tokio::task::yield_now().await;
    }
}

/// Lets deadlines pass.
async fn tick(core: Rc<Core>) {
    loop {
        let pending = core.shard.borrow().front().pending_len() > 0;
        let longest = if pending { TICK_BUSY } else { TICK_IDLE };
        let due = core.io.borrow().paused.peek().map(|Reverse((at_ms, _))| {
            Duration::from_millis(at_ms.saturating_sub(core.now().mono_ms).max(1))
        });
        tokio::select! {
            () = sleep(due.map_or(longest, |due| due.min(longest))) => core.tick(),
            // Something is due sooner than this knew: look again how long to sleep.
            () = core.wheel.until_sooner() => {}
        }
    }
}

impl Core {
    fn has_input(&self) -> bool {
        let io = self.io.borrow();
        let events = !io.events.is_empty() && self.shard.borrow().back().takes_committed();
        #[cfg(feature = "cluster")]
        if self.has_from_backs() {
            return true;
        }
        events || io.mesh.has_input() || self.asks.has_answers()
    }

    fn tick(self: &Rc<Self>) {
        self.take_reloads();
        let now = self.now();
        self.with(|shard, io| shard.tick(now, io));
        let mut resumed = Vec::new();
        {
            let mut io = self.io.borrow_mut();
            while let Some(Reverse((at_ms, id))) = io.paused.peek().copied() {
                if at_ms > now.mono_ms {
                    break;
                }
                io.paused.pop();
                resumed.push(id);
            }
            for id in resumed {
                openim_shard::FrontEffects::resume(&mut *io, id);
            }
        }
        self.asks.forget_failed_loads();
        self.close_unfinished(now);
        self.pump();
        self.keep_books(now);
        self.publish();
    }
}

impl Core {
    /// Brings the metrics up to date.
    fn publish(&self) {
        let metrics = &self.metrics;
        let shard = self.shard.borrow();
        let mut io = self.io.borrow_mut();
        let counters = std::mem::take(&mut io.counters);
        metrics.sends_acknowledged.add(counters.acknowledged);
        metrics.sends_refused.add(counters.refused);
        metrics.pushes.add(counters.pushes);
        metrics.bytes_out.add(counters.bytes_out);
        metrics.frames_out.add(counters.frames_out);
        metrics.pings_sent.add(counters.pings);
        metrics.links.set(shard.front().links_len() as u64);
        metrics.handshakes_in_flight.set(self.doors.handshakes_len() as u64);
        metrics.rest_connections.set(self.doors.rest_connections_len() as u64);
        metrics.rest_answer_bytes.set(self.rest.answer_bytes() as u64);
        metrics.pulls_in_flight.set(self.pulls.len() as u64);
        let (users, evicted) = shard.back().users_len();
        metrics.users_cached.set(users as u64);
        metrics.users_evicted.add(evicted - metrics.users_evicted.get());
        metrics.duplicates_held.set(shard.back().duplicates_len() as u64);
        let shrunk = shard.back().window_shrunk_to_ms().unwrap_or(0);
        metrics.duplicate_window_shrunk.set(u64::try_from(shrunk).unwrap_or(0));
        metrics.sends_duplicate.add(shard.front().duplicates() - metrics.sends_duplicate.get());
        metrics.sends_ephemeral.add(shard.ephemerals() - metrics.sends_ephemeral.get());
        metrics.outbox_bytes.set(io.outbox_bytes);
        metrics.lingering_bytes.set(self.lingering.bytes() as u64);
        metrics.input_bytes.set(io.input.bytes() as u64);
        metrics.pull_bytes.set((self.pulls.len() * PULL_BYTES) as u64);
        metrics.event_bytes.set(io.events.bytes() as u64);
        metrics.append_bytes.set(io.appends.bytes() as u64);
        metrics.mesh_bytes.set(io.mesh.bytes() as u64);
        metrics.waiting_bytes.set(shard.back().waiting_bytes() as u64);
        metrics.waiting_records.set(shard.back().waiting_len() as u64);
        metrics.fanning_members.set(shard.back().fanning() as u64);
        let (groups, members, _) = shard.groups().len();
        metrics.groups_cached.set(groups as u64);
        metrics.group_members_cached.set(members as u64);
        metrics.unwanted.set(shard.unwilling_len() as u64);
        metrics.profiles_cached.set(self.directory.profiles_len() as u64);
        metrics.generations_cached.set(self.generations_len() as u64);
        metrics.unstored_entries.set(shard.back().unstored_len() as u64);
    }
}

/// Sends that a drain waits for. Of a front alone those that are answered are settled elsewhere, or by nobody any more.
fn owed(core: &Core) -> usize {
    let shard = core.shard.borrow();
    match shard.is_alone() {
        true => shard.front().unanswered_len(),
        false => shard.front().pending_len(),
    }
}

/// Finishes what was accepted: links are closed at a paced rate, each when its sends are answered;
/// then the last batch goes to the history store.
async fn drain(core: &Rc<Core>) {
    let deadline = Instant::now() + core.settings.drain;
    // Leave to close, in thousandths of a link; each turn earns its share of a second.
    let earned = u64::from(core.settings.closes_per_second) * TICK_BUSY.as_millis() as u64;
    let mut leave = 1000_u64;
    while Instant::now() < deadline {
        let ids: Vec<_> = core.shard.borrow().front().links().collect();
        if ids.is_empty() && owed(core) == 0 && core.rest.requests_len() == 0 {
            break;
        }
        leave += earned;
        for id in ids {
            if leave < 1000 {
                break;
            }
            // A link with sends in flight reads nothing more and is closed when they are answered.
            if core.shard.borrow_mut().in_order(id) == Admission::Taken {
                core.close(id, CloseReason::Draining);
                leave -= 1000;
            }
        }
        core.pump();
        sleep(TICK_BUSY).await;
    }
    // Out of time: whoever is left is told all the same, and hardly waited for.
    let left: Vec<_> = core.shard.borrow().front().links().collect();
    let until_gone = deadline.max(Instant::now() + LAST_WORDS);
    let waited_for = if left.is_empty() { deadline } else { until_gone };
    for id in left {
        core.close(id, CloseReason::Draining);
    }
    let until_stored = Instant::now() + STORE_TIME;
    while Instant::now() < until_stored {
        core.pump();
        let stored = {
            let shard = core.shard.borrow();
            let unstored = shard.back().unstored_len() + shard.back().fanning();
            !shard.back().storing() && unstored == 0
        };
        if stored && (core.doors.links_len() == 0 || Instant::now() >= waited_for) {
            break;
        }
        sleep(TICK_BUSY).await;
    }
}
