//! What has become of the deliveries that came to a front, for the books: each is with a link at least, or waits until it
//! is pulled.

use openim_record::{Account, Deliver};

/// See the module. Deliveries without a place in the log are not counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Links of the user got it.
    pub pushed: Account,
    /// Nobody was there.
    pub waiting: Account,
    /// Pushes to links: as many of a delivery as there were links.
    pub pushes: Account,
}

impl Delivered {
    pub(super) const fn settle(&mut self, deliver: &Deliver<'_>, links: u64) {
        let ticket = deliver.ticket;
        if ticket == 0 {
            return;
        }
        match links {
            0 => self.waiting.add(ticket),
            _ => {
                self.pushed.add(ticket);
                self.pushes.add_many(links, ticket.wrapping_mul(links));
            }
        }
    }
}
