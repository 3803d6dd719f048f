//! What the sum of all links does, with no link.

use super::*;

const MESSAGE: usize = 64 * 1024;
const FRAME_MS: u64 = 30_000;

/// Links and what is known of each.
struct World {
    input: Input,
    links: Vec<Kept>,
}

impl World {
    fn new(links: usize, bytes_max: usize) -> Self {
        let links = (0..links).map(|_| Kept::default()).collect();
        Self { input: Input::new(bytes_max, MESSAGE, FRAME_MS), links }
    }

    fn may_read(&mut self, link: usize, have: usize) -> Option<usize> {
        self.input.may_read(&mut self.links[link], id(link), have)
    }

    /// The link has `have` bytes of a frame of `whole`.
    fn holds(&mut self, link: usize, have: usize, whole: usize, now_ms: u64) {
        let unfinished = have > 0;
        let (bytes, came, frame_bytes) = (have, have, whole);
        let holds = Holds { bytes, came, frame_bytes, in_parts: false, unfinished };
        self.input.settle(&mut self.links[link], id(link), holds, now_ms);
    }

    fn forget(&mut self, link: usize) {
        self.input.forget(&mut self.links[link], id(link));
    }

    fn call(&mut self) -> Vec<usize> {
        let mut called = Vec::new();
        while let Some(LinkId { index, .. }) = self.input.next_called() {
            called.push(index as usize);
            self.input.call(&mut self.links[index as usize]);
        }
        called
    }
}

fn id(link: usize) -> LinkId {
    LinkId { index: u32::try_from(link).unwrap(), generation: 1 }
}

fn ids(links: impl IntoIterator<Item = usize>) -> Vec<LinkId> {
    links.into_iter().map(id).collect()
}

#[test]
fn at_the_bound_the_begun_may_finish_and_others_wait() {
    let mut world = World::new(20, 4 * MESSAGE);
    for link in 0..4 {
        assert_eq!(world.may_read(link, 0), Some(usize::MAX));
        world.holds(link, 100, MESSAGE, 0);
    }
    assert_eq!(world.input.bytes(), 4 * MESSAGE, "a frame counts as it was announced");
    assert_eq!(world.may_read(0, 100), Some(MESSAGE - 100), "to its end and no further");
    // Whoever has nothing, or so little that it says nothing, waits.
    for link in 4..20 {
        assert_eq!(world.may_read(link, 0), None);
        world.holds(link, 0, 0, 0);
        assert_eq!(world.may_read(link, 0), None, "asked twice, in the queue once");
    }
    assert_eq!(world.call(), [0_usize; 0]);
    world.holds(0, 0, 0, 10);
    world.holds(1, 0, 0, 10);
    assert_eq!(world.call(), [4, 5], "as many as there is room for, who came first first");
    assert_eq!(world.may_read(4, 0), Some(MESSAGE + HEADER_BYTES_MAX));
    world.holds(4, 0, 0, 20);
    assert_eq!(world.call(), [6]);
}

#[test]
fn who_is_gone_gives_back_all() {
    let mut world = World::new(3, MESSAGE);
    world.holds(0, 10, 2 * MESSAGE, 0);
    assert_eq!((world.may_read(1, 0), world.may_read(2, 0)), (None, None));
    world.forget(1);
    world.forget(0);
    assert_eq!((world.input.bytes(), world.call()), (0, vec![2]));
    world.forget(2);
    assert_eq!(world.input.bytes(), 0);
    assert!(world.input.waiting.is_empty() && world.input.begun.is_empty());
    assert!(world.links.iter().all(Kept::is_idle));
}

#[test]
fn a_message_has_its_time_and_as_much_again_for_each_kib() {
    let mut world = World::new(2, 100 * MESSAGE);
    world.holds(0, 100, MESSAGE, 1_000);
    world.holds(1, 100, MESSAGE, 1_000);
    world.holds(1, 2_048, MESSAGE, 2_000);
    assert_eq!(world.input.overdue(1_000 + FRAME_MS - 1), []);
    assert_eq!(world.input.overdue(1_000 + FRAME_MS), ids([0]));
    world.holds(1, 3_000, MESSAGE, 2_500);
    assert_eq!(world.input.overdue(2_000 + FRAME_MS), ids([0, 1]), "less than a KiB is no growth");
    // The next message has its own time.
    world.links[0].finished();
    world.holds(0, 100, MESSAGE, 20_000);
    assert_eq!(world.input.overdue(2_000 + FRAME_MS), ids([1]));
    // What the server does not read is not late.
    let held = Holds { bytes: 5_000, ..Holds::default() };
    world.input.settle(&mut world.links[1], id(1), held, 20_000);
    assert_eq!(world.input.overdue(19_999 + FRAME_MS), [], "and the other began anew");
}

#[test]
fn who_has_not_grown_for_longest_makes_room_when_others_wait() {
    let mut world = World::new(9, 8 * MESSAGE);
    for link in 0..8 {
        world.holds(link, 1_000, MESSAGE, 100 * link as u64);
    }
    let late = CROWDED_MS + 1_000;
    assert_eq!(world.input.overdue(late), [], "nobody waits");
    assert_eq!(world.may_read(8, 0), None);
    assert_eq!(world.input.overdue(CROWDED_MS - 1), [], "all have grown just now");
    assert_eq!(world.input.overdue(late), ids([0, 1, 2, 3]), "until half is free");
    // It grew since.
    world.holds(0, 10_000, MESSAGE, late);
    assert_eq!(world.input.overdue(late), ids([1, 2, 3, 4]));
}

#[test]
fn parts_count_as_all_that_the_message_may_become() {
    let mut world = World::new(2, MESSAGE);
    let parts = Holds { bytes: 10, came: 10, frame_bytes: 0, in_parts: true, unfinished: true };
    world.input.settle(&mut world.links[0], id(0), parts, 0);
    assert!(world.may_read(0, 0).is_some_and(|bytes| bytes > MESSAGE));
    assert_eq!(world.may_read(1, 0), None);
}
