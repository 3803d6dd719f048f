//! What Redis knows of tokens is never older than the truth: whoever changes it, is killed, reads or is late, in whichever
//! order.

use std::collections::VecDeque;

use openim_cluster::redis::{Change, TokenStates};
use openim_record::{Newest, NewestTokens, TokenId, UserId};
use openim_storage::port::{Access, Lease, Remembered, Standing, TokenCache, wait};

use super::Place;

/// What is told apart by a number.
fn standing(n: u64) -> Standing {
    let newest = Newest { id: TokenId([7; 16]), issued_at: n as i64, expires_at: None };
    Standing { newest: NewestTokens { mobile: Some(newest), ..Default::default() }, access: None }
}

fn known(n: u64) -> Remembered {
    Remembered::Known(Box::new(standing(n)))
}

struct Scene {
    place: Place,
    states: TokenStates,
    ann: UserId,
}

impl Scene {
    fn open(test: &str) -> Option<Self> {
        let place = Place::open(test)?;
        let states = TokenStates::new(place.redis());
        Some(Self { place, states, ann: UserId::new("ann") })
    }

    fn look(&self) -> Remembered {
        wait(self.states.look(&self.ann)).expect("Redis answers")
    }

    fn leave(&self) -> Lease {
        match self.look() {
            Remembered::Unknown(lease) => lease,
            other => panic!("no leave: {other:?}"),
        }
    }

    fn remember(&self, lease: Lease, standing: &Standing) {
        wait(self.states.remember(&self.ann, lease, standing)).expect("Redis answers");
    }

    fn begin(&self) -> Change {
        let change = Change::new().expect("a random number");
        wait(self.states.changes(&self.ann, change)).expect("Redis answers");
        change
    }

    fn end(&self, change: Change) {
        wait(self.states.changed(&self.ann, change)).expect("Redis answers");
    }

    fn raw(&mut self, command: &str, more: &[&str]) -> i64 {
        let key = format!("{}tok:ann", self.place.options.prefix);
        let mut command = redis::cmd(command);
        command.arg(key).arg(more);
        command.query(&mut *self.place.raw).expect("Redis answers")
    }
}

#[test]
fn what_was_read_is_known_until_somebody_changes_it() {
    let Some(mut scene) = Scene::open("tokens") else { return };
    let lease = scene.leave();
    let mut access = Access::default();
    access.end(0, 12);
    let full = Standing { access: Some(Box::new(access)), ..standing(1) };
    scene.remember(lease, &full);
    assert_eq!(scene.look(), Remembered::Known(Box::new(full)));
    assert!((1..=600).contains(&scene.raw("TTL", &[])), "not for ever");
    let change = scene.begin();
    assert_eq!(scene.look(), Remembered::Changing);
    scene.end(change);
    // What was read before a change is not taken behind it, nor what another has asked for since.
    let early = scene.leave();
    let change = scene.begin();
    scene.remember(early, &standing(1));
    assert_eq!(scene.look(), Remembered::Changing);
    scene.end(change);
    scene.remember(early, &standing(1));
    let (first, second) = (scene.leave(), scene.leave());
    scene.remember(first, &standing(2));
    scene.remember(second, &standing(3));
    assert_eq!(scene.look(), known(3));
    wait(scene.states.forget(&scene.ann)).expect("Redis answers");
    scene.leave();
    let looks = scene.states.looks();
    let count = |of: &std::sync::atomic::AtomicU64| of.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((count(&looks.known), count(&looks.unknown)), (2, 7));
}

#[test]
fn nothing_is_known_while_any_change_is_not_over() {
    let Some(mut scene) = Scene::open("changes") else { return };
    let (one, other) = (scene.begin(), scene.begin());
    scene.end(other);
    assert_eq!(scene.look(), Remembered::Changing, "the other is not");
    scene.end(one);
    scene.end(one);
    scene.leave();
    // Of processes that were killed there may be many; they cost reads for a day, and a field or two.
    let killed: Vec<Change> = (0..40).map(|_| scene.begin()).collect();
    killed[..39].iter().for_each(|change| scene.end(*change));
    assert_eq!(scene.look(), Remembered::Changing);
    assert!(scene.raw("HLEN", &[]) <= 17);
    assert!((86_000..=86_400).contains(&scene.raw("TTL", &[])));
}

#[test]
fn what_another_life_of_the_server_knew_is_nothing() {
    let Some(mut scene) = Scene::open("lives") else { return };
    let lease = scene.leave();
    scene.remember(lease, &standing(1));
    // As after a start with what was saved some time ago.
    scene.raw("HSET", &["r", "0123456789abcdef"]);
    let lease = scene.leave();
    scene.raw("HSET", &["r", "0123456789abcdef"]);
    scene.remember(lease, &standing(1));
    scene.leave();
    // A change that was lost finds what was handed in since, and takes it away.
    let change = scene.begin();
    scene.place.empty();
    let lease = scene.leave();
    scene.remember(lease, &standing(1));
    scene.end(change);
    scene.leave();
}

/// Who reads, or changes, as far as they have come.
#[derive(Clone, Copy)]
enum Step {
    /// Has a leave.
    Reads(Lease),
    /// And has read this.
    Read(Lease, u64),
    /// Has said that it changes.
    Changes(Change),
    /// And has changed it.
    Changed(Change),
}

#[test]
fn by_chance_what_is_known_is_the_truth() {
    let Some(mut scene) = Scene::open("chance") else { return };
    let mut found = 0;
    for seed in 1..=30_u64 {
        scene.place.empty();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |max: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % max as u64) as usize
        };
        let (mut truth, mut steps) = (0, VecDeque::new());
        for _ in 0..150 {
            match below(10) {
                0..3 => match scene.look() {
                    Remembered::Known(is) => {
                        assert_eq!(*is, standing(truth), "seed {seed}");
                        found += 1;
                    }
                    Remembered::Unknown(lease) => steps.push_back(Step::Reads(lease)),
                    Remembered::Changing => {}
                },
                3 if below(3) == 0 => steps.push_back(Step::Changes(scene.begin())),
                // Not between the first two steps of a change: see the module.
                4 if below(4) == 0 && !steps.iter().any(|s| matches!(s, Step::Changes(_))) => {
                    scene.place.empty();
                }
                // A process is killed.
                5 if below(4) == 0 => drop(steps.pop_back()),
                _ if !steps.is_empty() => {
                    let step = steps.remove(below(steps.len())).expect("it is there");
                    match step {
                        Step::Reads(lease) => steps.push_back(Step::Read(lease, truth)),
                        Step::Read(lease, read) => scene.remember(lease, &standing(read)),
                        Step::Changes(change) => {
                            truth += 1;
                            steps.push_back(Step::Changed(change));
                        }
                        Step::Changed(change) => scene.end(change),
                    }
                }
                _ => {}
            }
        }
        // All who are alive come to their end; what is known then is the truth all the same.
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Reads(lease) => steps.push_back(Step::Read(lease, truth)),
                Step::Read(lease, read) => scene.remember(lease, &standing(read)),
                Step::Changes(change) => {
                    truth += 1;
                    steps.push_front(Step::Changed(change));
                }
                Step::Changed(change) => scene.end(change),
            }
        }
        if let Remembered::Known(is) = scene.look() {
            assert_eq!(*is, standing(truth), "seed {seed}");
        }
    }
    assert!(found > 100, "much is known: {found}");
}
