//! Deliveries that get lost or come twice, to see that the books name them: messages whose `clientMsgID` begins with one of
//! the names here, if `OPENIM_TEST_BOOKS` is set.

use std::sync::OnceLock;

use openim_record::{Addressee, Committed, own_message};

const VARIABLE: &str = "OPENIM_TEST_BOOKS";

fn is_set() -> bool {
    static SET: OnceLock<bool> = OnceLock::new();
    *SET.get_or_init(|| std::env::var_os(VARIABLE).is_some())
}

/// A record on its way to its homes; of `lose-record…` the receiver's does not get it.
pub(crate) fn lose_record(record: Committed) -> Committed {
    if !is_set() || !own_message(&record.record).client_msg_id.starts_with("lose-record") {
        return record;
    }
    let receiver = record.to.iter().find(|to| to.addressee == Addressee::Receiver);
    let lost = receiver.map(|to| to.partition);
    Committed { to: record.to.only(|partition| Some(partition) != lost), ..record }
}

/// How often a push is written: of `lose-push…` never, of `double-push…` twice.
pub(crate) fn pushes(client_msg_id: &str) -> usize {
    match client_msg_id {
        _ if !is_set() => 1,
        id if id.starts_with("lose-push") => 0,
        id if id.starts_with("double-push") => 2,
        _ => 1,
    }
}
