//! What a seed means: the size of the world, its limits, and how much goes wrong.

use openim_auth::LoginPolicy;
use openim_shard::Limits;

use crate::random::Random;

/// A run's fixed parameters.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) partitions: u16,
    pub(crate) users: usize,
    pub(crate) groups: usize,
    pub(crate) platforms: Vec<u8>,
    pub(crate) policy: LoginPolicy,
    pub(crate) limits: Limits,
    pub(crate) unstored_max: usize,
    /// Items in a ring from a shard to the log, back, and between two shards.
    pub(crate) appends_max: usize,
    pub(crate) events_max: usize,
    pub(crate) mesh_max: usize,
    pub(crate) batch_max: usize,
    /// The duplicate window never ends within the run: a repeat creates nothing, ever.
    pub(crate) generous_window: bool,
    /// The driver corrects the outbox after each flush, or counts what it queues and writes.
    pub(crate) outbox_by_flush: bool,
    pub(crate) steps: usize,
    /// Chances per ten thousand steps.
    pub(crate) crash: usize,
    pub(crate) clock_jump: usize,
    pub(crate) log_stall: usize,
    /// Chance in percent that a batch is refused.
    pub(crate) log_refuses: usize,
    /// Chance in percent that a client sends an older message again.
    pub(crate) repeats: usize,
    /// Chance in percent that a new link's peer reads slowly, or never.
    pub(crate) slow: usize,
    /// How eager the loader is, in percent.
    pub(crate) load_speed: usize,
    /// Chance in percent that a load fails, or takes so long that its user comes and goes meanwhile.
    pub(crate) load_fails: usize,
    pub(crate) load_slow: usize,
    /// Loads of one shard under way at once.
    pub(crate) asked_max: usize,
    pub(crate) store_speed: usize,
    /// Seconds that a token lives at most.
    pub(crate) token_s: usize,
}

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let users = random.range(2, 6);
        let partitions = random.pick(&[1_u16, 2, 4, 5, 16]);
        let platforms = random.pick(&[1, 2, 2, 3]);
        let ring = |random: &mut Random| if random.percent(60) { 1 } else { random.range(1, 8) };
        let generous_window = random.percent(60);
        let mut plan = Self {
            partitions,
            users,
            groups: random.pick(&[0, 1, 2, 2]),
            platforms: (0..platforms).map(|_| random.range(1, 7) as u8).collect(),
            policy: random.pick(&[
                LoginPolicy::OneTerminal,
                LoginPolicy::MobileAndPc,
                LoginPolicy::MobileAndPc,
                LoginPolicy::AllTerminals,
            ]),
            limits: limits(random, users, partitions, generous_window),
            unstored_max: random.pick(&[1, 4, 32, 1000]),
            appends_max: ring(random),
            events_max: ring(random),
            mesh_max: ring(random),
            batch_max: random.range(1, 8),
            generous_window,
            outbox_by_flush: random.percent(50),
            steps: random.range(4000, 16_000),
            crash: random.pick(&[0, 1, 2, 5, 20]),
            clock_jump: random.pick(&[0, 10, 50]),
            log_stall: random.pick(&[0, 0, 2, 10]),
            log_refuses: random.pick(&[0, 0, 5, 30]),
            repeats: random.pick(&[25, 25, 70]),
            slow: random.pick(&[0, 5, 30]),
            load_speed: random.pick(&[10, 50, 100]),
            load_fails: random.pick(&[0, 0, 10, 40]),
            load_slow: random.pick(&[0, 0, 10, 40]),
            asked_max: random.pick(&[1, 2, 8]),
            store_speed: random.pick(&[10, 50, 100]),
            token_s: random.pick(&[10, 60, 10_000, 10_000]),
        };
        if random.percent(15) {
            plan.forgetful(random);
        }
        plan
    }

    /// Few users who send again what the window has just forgotten, a store that takes many sends at a
    /// time, and crashes: a key comes back from the store twice.
    fn forgetful(&mut self, random: &mut Random) {
        self.users = 2;
        self.partitions = random.pick(&[1, 2]);
        self.generous_window = false;
        self.limits.back.duplicate_window_ms = random.pick(&[500, 1000, 2000]);
        self.limits.back.duplicates_max = 2000;
        self.repeats = 80;
        self.crash = 15;
        self.store_speed = 50;
        self.load_speed = 100;
        self.load_fails = 0;
        self.load_slow = 0;
        self.slow = 0;
        self.clock_jump = 0;
        self.token_s = 10_000;
    }
}

fn limits(random: &mut Random, users: usize, partitions: u16, generous: bool) -> Limits {
    let partitions = usize::from(partitions);
    let (duplicate_window_ms, duplicates_max) = match generous {
        true => (i64::MAX, partitions * 100_000),
        // Few entries, or enough for time alone to end the window.
        false => {
            let entries = if random.percent(50) { random.range(1, 6) } else { 1000 };
            (random.pick(&[0, 200, 500, 2000]), partitions * entries)
        }
    };
    let users_max = random.range(1, 2 * users);
    Limits {
        front: openim_front::Limits {
            in_flight_per_link: random.pick(&[1, 2, 8]),
            outbox_bytes_max: random.pick(&[300, 2000, 20_000]),
            outbox_burst_bytes_max: 0,
            frames_per_second: random.pick(&[0, 0, 20]),
            ping_s: random.pick(&[0, 2, 5]),
            pings_missed_max: random.pick(&[1, 2]),
            write_stall_s: random.pick(&[0, 3]),
            send_timeout_ms: random.pick(&[500, 5000]),
            users_max,
            // As many as can wait for users of theirs.
            unsettled_max: usize::MAX,
        },
        back: openim_back::Limits {
            duplicate_window_ms,
            duplicates_max,
            users_max,
            waiting_max: random.pick(&[1, 2, 8]),
            waiting_bytes_max: random.pick(&[1, 500, 100_000]),
            group_members_max: random.pick(&[1, 4, 100]),
        },
    }
}
