//! What a seed means: the size of the world, its bounds, and how much goes wrong.

use openim_front::Limits;
use openim_record::Placement;
use openim_transfer::Settings;

use crate::random::Random;
use crate::rules::Without;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) partitions: u16,
    pub(crate) users: usize,
    pub(crate) groups: usize,
    pub(crate) gateways: usize,
    pub(crate) platforms: Vec<u8>,
    pub(crate) steps: usize,
    /// Presence is emptied all the time, and gateways are quick to write everything again.
    pub(crate) presence_storm: bool,
    /// Changes of members that are begun at a time, where one is; percent of them that are asked for once more, and
    /// that nobody tells the log of.
    pub(crate) changes: usize,
    pub(crate) changes_repeated: usize,
    pub(crate) changes_cut: usize,
    pub(crate) settings: Settings,
    pub(crate) front: Limits,
    /// Records that a producer has under way at most.
    pub(crate) producing_max: usize,
    /// The window never ends within the run: a repeat creates nothing, ever.
    pub(crate) generous_window: bool,
    /// Owners at once, at most.
    pub(crate) hosts_max: usize,
    /// Chances per ten thousand steps.
    pub(crate) kill: usize,
    pub(crate) double: usize,
    pub(crate) pause: usize,
    pub(crate) lose_tail: usize,
    pub(crate) empty_presence: usize,
    pub(crate) presence_away: usize,
    pub(crate) kill_gateway: usize,
    pub(crate) stall_gateway: usize,
    pub(crate) produce_fails: usize,
    pub(crate) store_fails: usize,
    pub(crate) clock_jump: usize,
    pub(crate) stall_topic: usize,
    pub(crate) stick_producer: usize,
    /// Chances in percent.
    /// That the peer of a link takes little or nothing.
    pub(crate) slow: usize,
    pub(crate) answer_lost: usize,
    pub(crate) refused: usize,
    /// That the producer's reports are not there yet.
    pub(crate) slow_reports: usize,
    pub(crate) relay_again: usize,
    pub(crate) repeats: usize,
    pub(crate) load_fails: usize,
    /// That presence is not answered yet.
    pub(crate) slow_looks: usize,
    /// That nobody waits any more for what a gateway writes, which is written all the same, later or never.
    pub(crate) presence_late: usize,
    /// That the entries of a pass are not written yet, and that the answers are not there yet.
    pub(crate) slow_writes: usize,
    pub(crate) slow_answers: usize,
    /// Most records that an owner is handed at a time.
    pub(crate) feed_max: usize,
}

impl Plan {
    /// Where a rule is taken out that only a presence needs which changes all the time, it does.
    pub(crate) fn new(random: &mut Random, without: Option<Without>) -> Self {
        let stormy = matches!(without, Some(Without::MarksTwice | Without::PassNumbers));
        let partitions = random.pick(&[1_u16, 2, 3, 3, 4]);
        let users = random.range(3, 7);
        let (settings, generous_window) = bounds(random, partitions, users);
        // Some worlds are calm, so that what only time and luck could bring is not all there is.
        let faults = !random.percent(15);
        let mut chance = |of: &[usize]| if faults { random.pick(of) } else { 0 };
        let kill = chance(&[0, 20, 60]);
        let double = chance(&[0, 20, 60]);
        let pause = chance(&[0, 20, 60]);
        let lose_tail = chance(&[0, 0, 10, 30]);
        let empty_presence = chance(&[0, 5, 20]);
        let presence_away = chance(&[0, 0, 5]);
        let kill_gateway = chance(&[0, 5, 20]);
        let stall_gateway = chance(&[0, 0, 5]);
        let produce_fails = chance(&[0, 0, 100]);
        let store_fails = chance(&[0, 0, 100]);
        let clock_jump = chance(&[0, 0, 50]);
        let stall_topic = chance(&[0, 0, 10]);
        let stick_producer = chance(&[0, 0, 5]);
        let mut plan = Self {
            presence_storm: random.percent(15) || stormy,
            partitions,
            users,
            groups: random.pick(&[0, 1, 2, 2]),
            gateways: random.range(1, 3),
            platforms: (0..random.range(1, 2)).map(|_| random.range(1, 7) as u8).collect(),
            steps: random.range(4000, 12_000),
            changes: 1,
            changes_repeated: 20,
            changes_cut: 10,
            settings,
            front: limits(random),
            producing_max: random.pick(&[1, 4, 1000]),
            generous_window,
            hosts_max: usize::from(partitions) * 2 + random.range(0, 6),
            kill,
            double,
            pause,
            lose_tail,
            empty_presence,
            presence_away,
            kill_gateway,
            stall_gateway,
            produce_fails,
            store_fails,
            clock_jump,
            stall_topic,
            stick_producer,
            slow: random.pick(&[0, 20, 20]),
            answer_lost: random.pick(&[0, 5, 20]),
            refused: random.pick(&[0, 5, 20]),
            slow_reports: random.pick(&[0, 0, 0, 70]),
            relay_again: random.pick(&[0, 20, 20]),
            repeats: random.pick(&[10, 25, 60]),
            load_fails: random.pick(&[0, 0, 20]),
            slow_looks: random.pick(&[0, 0, 90]),
            presence_late: random.pick(&[0, 0, 10]),
            slow_writes: random.pick(&[0, 0, 80]),
            slow_answers: random.pick(&[0, 0, 80]),
            feed_max: random.pick(&[1, 4, 16]),
        };
        if plan.presence_storm && (faults || stormy) {
            plan.storm();
        }
        plan.lean_on(without);
        plan
    }

    /// More of what a rule that was taken out is for.
    fn lean_on(&mut self, without: Option<Without>) {
        match without {
            Some(Without::PassNumbers) => {
                (self.presence_late, self.slow_answers, self.slow_writes) = (20, 50, 80);
            }
            Some(Without::NamelessRepeat) => {
                (self.changes, self.changes_repeated, self.changes_cut) = (5, 50, 40);
            }
            _ => {}
        }
    }

    fn storm(&mut self) {
        self.empty_presence = 100;
        self.gateways = 1;
        self.platforms.truncate(1);
        self.slow_looks = 30;
        (self.presence_late, self.slow_writes, self.slow_answers) = (0, 0, 0);
    }
}

/// The bounds of fronts.
fn limits(random: &mut Random) -> Limits {
    Limits {
        in_flight_per_link: random.pick(&[1, 2, 8]),
        outbox_bytes_max: random.pick(&[1000, 20_000, 20_000]),
        outbox_burst_bytes_max: 0,
        frames_per_second: 0,
        ping_s: random.pick(&[0, 1, 2]),
        pings_missed_max: random.pick(&[1, 2]),
        write_stall_s: random.pick(&[0, 3]),
        send_timeout_ms: 4000,
        users_max: 100,
        unsettled_max: random.pick(&[1, 4, 10_000, 10_000]),
    }
}

/// The bounds of owners, and whether their windows never end.
fn bounds(random: &mut Random, partitions: u16, users: usize) -> (Settings, bool) {
    let generous_window = random.percent(70);
    let (window_ms, keys_max) = match generous_window {
        true => (i64::MAX / 4, 100_000),
        false => (random.pick(&[0, 200, 2000]), random.pick(&[2, 6, 1000])),
    };
    let settings = Settings {
        placement: Placement::new(partitions),
        window_ms,
        keys_max,
        users_max: random.range(1, 2 * users),
        group_members_max: random.pick(&[1, 4, 100]),
        bytes_max: random.pick(&[1, 2000, 100_000]),
        relay_bytes_max: random.pick(&[1, 1000, 100_000]),
        entries_max: random.pick(&[1, 3, 8]),
        stages_max: random.pick(&[1, 2, 4]),
        gateways_ms: 2000,
        checkpoint_every_ms: random.pick(&[0, 0, 1000, 5000]),
    };
    (settings, generous_window)
}
