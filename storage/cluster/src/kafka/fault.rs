//! What can go wrong with a call, by what its caller does about it.

use openim_storage::port::StoreError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Nothing can be said but that it may be tried again.
pub(super) fn unavailable(what: &str, cause: impl Into<String>) -> StoreError {
    StoreError::Unavailable { what: what.to_owned(), cause: cause.into().into() }
}

pub(super) fn rejected(what: &str, cause: impl Into<String>) -> StoreError {
    StoreError::Rejected { what: what.to_owned(), cause: cause.into().into() }
}

pub(super) fn conflict(what: &str, cause: impl Into<String>) -> StoreError {
    StoreError::Conflict { what: what.to_owned(), cause: cause.into().into() }
}

/// What the client or a broker says.
pub(super) fn told(what: &str, error: KafkaError) -> StoreError {
    match error {
        KafkaError::ClientConfig(_, cause, key, _) => rejected(what, format!("{key}: {cause}")),
        KafkaError::Nul(_) => rejected(what, "a name with a zero in it"),
        error => match error.rdkafka_error_code() {
            Some(code) => by_code(what, code),
            None => unavailable(what, error.to_string()),
        },
    }
}

pub(super) fn by_code(what: &str, code: RDKafkaErrorCode) -> StoreError {
    match code {
        // Of one record alone.
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
            rejected(what, code.to_string())
        }
        _ => unavailable(what, code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_what_is_done_about_them() {
        let class = |code| by_code("w", code);
        assert!(matches!(
            class(RDKafkaErrorCode::MessageSizeTooLarge),
            StoreError::Rejected { .. }
        ));
        assert!(matches!(class(RDKafkaErrorCode::MessageTimedOut), StoreError::Unavailable { .. }));
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        assert!(matches!(told("w", full), StoreError::Unavailable { .. }));
        let canceled = told("asking", KafkaError::Canceled);
        assert!(canceled.to_string().starts_with("asking: "), "{canceled}");
    }
}
