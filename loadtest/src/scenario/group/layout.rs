//! Who is who in a group run: users, pools of members, groups, senders, links. Pure arithmetic.
//!
//! A pool is a set of users; all groups of a pool have exactly these users as members. One pool
//! does unless groups are too small to hold all senders. Users are numbered by pairs of the single
//! chats first, then members by rank and pool, so that the first `links` members are the online
//! ones and the senders are among the first of these. Sender `k`, also called flow `k`, writes to
//! group `k` modulo the number of groups.

use anyhow::bail;

/// Where a flow comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// Group it writes to.
    pub(super) group: usize,
    /// Pool of the group.
    pub(super) pool: usize,
    /// Link of the sender.
    pub(super) link: usize,
    /// Number among the flows of the pool.
    pub(super) place: usize,
}

/// The sizes asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Pairs of single chats.
    pub(super) pairs: usize,
    /// Members of each group.
    pub(super) members: usize,
    /// Those of them with a link.
    pub(super) online: usize,
    pub(super) groups: usize,
    pub(super) senders: usize,
}

/// The whole cast.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) sizes: Sizes,
    pub(super) pools: usize,
    seats: Vec<Seat>,
    /// Flows of each pool, by their place.
    flows: Vec<Vec<usize>>,
}

impl Layout {
    /// Seats everyone in as few pools as the senders allow.
    pub(super) fn new(sizes: Sizes) -> anyhow::Result<Self> {
        let Sizes { members, online, groups, senders, .. } = sizes;
        if members < 2 || !(1..=members).contains(&online) || groups == 0 {
            bail!("--members is 2 or more, --online is 1 to --members, --groups is 1 or more");
        }
        if senders < groups || senders > groups.saturating_mul(online) {
            bail!("--senders: at least one for each group, at most --online for each group");
        }
        let fewest = senders.div_ceil(online);
        let found = (fewest..=groups).find(|pools| most_in_a_pool(sizes, *pools) <= online);
        let pools = found.unwrap_or(groups);
        let mut flows = vec![Vec::new(); pools];
        let seats = (0..senders)
            .map(|flow| {
                let group = flow % groups;
                let pool = group % pools;
                let place = flows[pool].len();
                flows[pool].push(flow);
                Seat { group, pool, link: place * pools + pool, place }
            })
            .collect();
        Ok(Self { sizes, pools, seats, flows })
    }

    /// Users of the run, those of the single chats included.
    pub(super) fn users(&self) -> usize {
        self.first_member() + self.pools * self.sizes.members
    }

    /// Number of the first user who is a member; the single chats have those before.
    pub(super) fn first_member(&self) -> usize {
        self.sizes.pairs * 2
    }

    /// Links of members. Link `i` is member `i`, counted over all pools.
    pub(super) fn links(&self) -> usize {
        self.pools * self.sizes.online
    }

    /// The first links, among which are all that send.
    pub(super) fn sending_links(&self) -> usize {
        (self.places() * self.pools).min(self.links())
    }

    /// Pool of member `member`.
    pub(super) fn pool_of(&self, member: usize) -> usize {
        member % self.pools
    }

    /// Members of the groups of `pool`.
    pub(super) fn members_of(&self, pool: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.sizes.members).map(move |rank| rank * self.pools + pool)
    }

    /// All flows.
    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Flows into the groups of `pool`, by their place.
    pub(super) fn flows_of(&self, pool: usize) -> &[usize] {
        &self.flows[pool]
    }

    /// The most flows that any pool has.
    pub(super) fn places(&self) -> usize {
        self.flows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Who creates `group`: its first sender.
    pub(super) fn owner_of(&self, group: usize) -> usize {
        self.seats[group].link
    }
}

/// Senders of the fullest of `pools` pools.
fn most_in_a_pool(sizes: Sizes, pools: usize) -> usize {
    let mut counts = vec![0; pools];
    (0..sizes.senders).for_each(|flow| counts[flow % sizes.groups % pools] += 1);
    counts.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(members: usize, online: usize, groups: usize, senders: usize) -> Layout {
        Layout::new(Sizes { pairs: 3, members, online, groups, senders }).unwrap()
    }

    fn is_consistent(layout: &Layout) {
        let mut links = std::collections::HashSet::new();
        for (flow, seat) in layout.seats().iter().enumerate() {
            assert!(seat.link < layout.sending_links() && links.insert(seat.link));
            assert_eq!(layout.pool_of(seat.link), seat.pool);
            assert_eq!(layout.flows_of(seat.pool)[seat.place], flow);
            assert_eq!(layout.owner_of(seat.group) % layout.pools, seat.pool);
        }
        assert_eq!(links.len(), layout.sizes.senders);
        let mut all: Vec<_> = (0..layout.pools).flat_map(|pool| layout.members_of(pool)).collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..layout.users() - layout.first_member()));
    }

    #[test]
    fn one_large_group_is_one_pool_and_its_senders_have_the_first_links() {
        let layout = layout(10_000, 2_000, 1, 4);
        is_consistent(&layout);
        assert_eq!((layout.pools, layout.links(), layout.sending_links()), (1, 2_000, 4));
        assert_eq!(layout.users(), 10_006);
    }

    #[test]
    fn many_small_groups_get_as_many_pools_as_their_senders_need() {
        let layout = layout(5, 5, 200, 200);
        is_consistent(&layout);
        assert_eq!((layout.pools, layout.links()), (40, 200));
        let groups: std::collections::HashSet<_> =
            layout.seats().iter().map(|seat| seat.group).collect();
        assert_eq!(groups.len(), 200);
    }

    #[test]
    fn odd_sizes_are_consistent_too() {
        for (members, online, groups, senders) in
            [(5, 3, 4, 9), (2, 1, 7, 7), (9, 4, 3, 12), (10, 10, 3, 3), (4, 2, 1, 2)]
        {
            is_consistent(&layout(members, online, groups, senders));
        }
    }

    #[test]
    fn what_cannot_be_seated_is_refused() {
        for (members, online, groups, senders) in
            [(1, 1, 1, 1), (5, 6, 1, 1), (5, 0, 1, 1), (5, 5, 0, 1), (5, 5, 2, 1), (5, 2, 2, 5)]
        {
            let sizes = Sizes { pairs: 0, members, online, groups, senders };
            assert!(Layout::new(sizes).is_err(), "{sizes:?}");
        }
    }
}
