//! What can go wrong with a call, by what its caller does about it.

use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind};
use openim_record::Contradiction;
use openim_storage::port::{Spot, StoreError};

/// What the server says by number of a document that it can never take: too large.
const UNFIT: [i32; 3] = [10_334, 17_419, 17_420];
/// It cannot rely upon its own files.
const DAMAGED: i32 = 285;
/// Another document has the same `_id`.
pub(super) const DUPLICATE: i32 = 11_000;

/// Nothing can be said but that it may be tried again.
pub(super) fn unavailable(what: &str, cause: impl Into<String>) -> StoreError {
    StoreError::Unavailable { what: what.to_owned(), cause: cause.into().into() }
}

/// What the driver or a server says.
pub(super) fn told(what: &str, error: Error) -> StoreError {
    let code = match &*error.kind {
        ErrorKind::Command(command) => command.code,
        _ => 0,
    };
    by_code(what, code, crate::short(&error.to_string()))
}

fn by_code(what: &str, code: i32, cause: impl Into<openim_storage::port::Cause>) -> StoreError {
    let (what, cause) = (what.to_owned(), cause.into());
    match code {
        DAMAGED => StoreError::Corrupt { place: Spot::Engine(what), cause },
        code if UNFIT.contains(&code) => StoreError::Rejected { what, cause },
        _ => StoreError::Unavailable { what, cause },
    }
}

/// The owner's memory and the store do not agree.
pub(super) fn contradicts(what: &str, contradiction: Contradiction) -> StoreError {
    StoreError::Conflict { what: what.to_owned(), cause: Box::new(contradiction) }
}

/// How the store contradicts whoever wrote, if that is why it has refused.
#[must_use]
pub fn contradiction(refused: &StoreError) -> Option<&Contradiction> {
    match refused {
        StoreError::Conflict { cause, .. } => cause.downcast_ref(),
        StoreError::Unavailable { .. }
        | StoreError::Rejected { .. }
        | StoreError::Corrupt { .. } => None,
    }
}

/// What a command has written.
#[derive(Debug)]
pub(super) struct Written {
    /// Documents found or made.
    pub(super) found: usize,
    /// Places in the command of those that another document's `_id` stands in the way of.
    pub(super) duplicates: Vec<usize>,
}

impl Written {
    /// From the answer. What was refused for another reason, or is not durable, is an error.
    pub(super) fn read(what: &str, answer: &Document) -> Result<Self, StoreError> {
        if let Ok(error) = answer.get_document("writeConcernError") {
            return Err(unavailable(what, format!("it is not durable: {error}")));
        }
        let found = answer.get_i32("n").ok().and_then(|found| usize::try_from(found).ok());
        let Some(found) = found else {
            return Err(unavailable(what, format!("the server says {answer}")));
        };
        let mut written = Self { found, duplicates: Vec::new() };
        for error in answer.get_array("writeErrors").into_iter().flatten() {
            let part = |key| error.as_document().and_then(|error| error.get_i32(key).ok());
            match (part("code"), part("index").and_then(|index| usize::try_from(index).ok())) {
                (Some(DUPLICATE), Some(index)) => written.duplicates.push(index),
                (code, _) => {
                    return Err(by_code(what, code.unwrap_or_default(), error.to_string()));
                }
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn answers_are_sorted_by_what_is_done_about_them() {
        let written = Written::read("w", &doc! { "n": 3, "ok": 1.0 }).expect("written");
        assert_eq!((written.found, written.duplicates.len()), (3, 0));
        let error = |code: i32| doc! { "index": 7, "code": code, "errmsg": "no" };
        let refused = |code: i32| doc! { "n": 0, "ok": 1.0, "writeErrors": [error(code)] };
        assert_eq!(Written::read("w", &refused(DUPLICATE)).expect("written").duplicates, [7]);
        let class = |answer| Written::read("w", &answer).expect_err("refused");
        assert!(matches!(class(refused(10_334)), StoreError::Rejected { .. }));
        assert!(matches!(class(refused(DAMAGED)), StoreError::Corrupt { .. }));
        assert!(matches!(class(refused(91)), StoreError::Unavailable { .. }));
        let late = doc! { "n": 1, "writeConcernError": { "code": 64 } };
        assert!(matches!(class(late), StoreError::Unavailable { .. }));
        assert!(matches!(class(doc! { "ok": 1.0 }), StoreError::Unavailable { .. }));
    }

    #[test]
    fn a_contradiction_is_told_as_what_it_is() {
        let missing =
            Contradiction::Density(openim_record::UserId::new("u"), openim_record::Seq(3));
        let refused = contradicts("storing", missing.clone());
        assert_eq!(contradiction(&refused), Some(&missing));
        assert_eq!(refused.to_string(), "storing: entries of u before seq 3 are missing");
        assert_eq!(contradiction(&unavailable("storing", "away")), None);
    }
}
