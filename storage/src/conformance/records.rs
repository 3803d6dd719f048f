//! What every engine must do whose log is read by place.

use openim_record::Position;

use super::Wait as _;
use super::history::{Logged, fill};
use super::{Backend, Sites};
use crate::port::StoreError;

/// Runs the suite of [`crate::port::Records`].
///
/// # Panics
/// Where the contract is broken.
pub fn records(sites: Sites<'_>) {
    what_was_appended_is_read_back(sites);
    a_position_that_is_no_record_is_refused(sites);
}

fn what_was_appended_is_read_back(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, records, .. } = site.open();
    let at = fill(&mut log, 30, 0);
    let check = |backend: &Backend| {
        let mut record = b"left over".to_vec();
        for Logged { position, body } in at.iter().rev() {
            backend.records.read(*position, &mut record).wait().expect("read");
            assert_eq!(*record, *body.bytes);
        }
    };
    drop((log, records));
    check(&site.open());
}

fn a_position_that_is_no_record_is_refused(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, records, .. } = site.open();
    let at = fill(&mut log, 3, 0);
    let (first, second) = (at[0].position.0, at[1].position.0);
    let mut record = b"left over".to_vec();
    for wrong in [first + 1, second - 1, log.head().0, log.head().0 + 1_000_000, 0] {
        let refused = records.read(Position(wrong), &mut record).wait();
        let refused = refused.expect_err("there is no record");
        assert!(!matches!(refused, StoreError::Unavailable { .. }), "{refused}");
        assert!(record.is_empty(), "nothing may be taken for a record");
    }
}
