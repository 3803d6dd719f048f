//! What is known of a failed call, in a few words: clients of components give whole paragraphs, or hardly any.

use std::error::Error;

/// Longer texts are cut.
const CHARS_MAX: usize = 120;

/// What a text says that has one of these in it; the first that is found counts, as clients add what they make of it.
const KNOWN: [(&str, &[&str]); 6] = [
    ("the connection is refused", &["onnection refused"]),
    (
        "nobody knows that name",
        &[
            "failed to lookup address",
            "Name or service not known",
            "name resolution",
            "Host resolution failure",
            "dns error",
        ],
    ),
    ("no way leads there", &["No route to host", "etwork is unreachable", "ost is unreachable"]),
    ("the connection was reset", &["onnection reset", "roken pipe", "end of file", "early eof"]),
    ("no answer in time", &["timed out", "Timed out", "timeout", "takes too long", "no answer"]),
    ("there is no connection", &["roker transport failure", "transport error", "brokers are down"]),
];

/// What clients say when the account is not let in.
const NOT_LET_IN: [&str; 12] = [
    "Access denied",
    "uthentication fail",
    "uthentication is not enabled",
    "requires authentication",
    "user name is empty",
    "permission denied",
    "not authorized",
    "WRONGPASS",
    "NOAUTH",
    "NOPERM",
    "SASL",
    "without any password configured",
];

/// Where such a text is about TLS, it begins there.
const OF_TLS: [&str; 3] = ["invalid peer certificate", "certificate", "security.protocol"];

/// Whether a text of a client says that the account is not let in.
#[must_use]
pub fn is_not_let_in(text: &str) -> bool {
    NOT_LET_IN.iter().any(|said| text.contains(said))
}

/// The text of a cause, in one short line: what is known, else its beginning.
#[must_use]
pub fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let marks = NOT_LET_IN.iter().chain(&OF_TLS);
    if let Some(at) = marks.filter_map(|mark| line.find(mark)).min() {
        // From the beginning of its word, where it is far within.
        let word = line[..at].rfind(' ').map_or(0, |space| space + 1);
        return cut(if line.chars().count() > CHARS_MAX { &line[word..] } else { &line });
    }
    let known = KNOWN.iter().find(|(_, said)| said.iter().any(|said| line.contains(said)));
    known.map_or_else(|| cut(&line), |(known, _)| (*known).to_owned())
}

/// An error and what it came of, as one text: some say only there what has happened.
#[must_use]
pub fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_said_and_else_the_beginning() {
        let of_mongodb = "Kind: Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { \
            Address: 127.0.0.1:1, Type: Unknown, Error: Kind: I/O error: Connection refused (os error 111), labels: {} } ] }";
        assert_eq!(short(of_mongodb), "the connection is refused");
        let silent = "Kind: Server selection timeout: No available servers. Topology: { }";
        assert_eq!(short(silent), "no answer in time");
        assert_eq!(
            short("failed to lookup address information: Name or service not known"),
            "nobody knows that name"
        );
        let refused = format!(
            "Kind: {} SCRAM failure: Authentication failed., labels: {{}}",
            "x".repeat(200)
        );
        assert!(
            short(&refused).starts_with("Authentication failed.")
                && is_not_let_in(&short(&refused))
        );
        assert_eq!(short("a\n   b\t c"), "a b c");
        assert_eq!(short(&"é".repeat(500)).chars().count(), CHARS_MAX + 1);
    }

    #[test]
    fn an_error_says_what_it_came_of() {
        #[derive(Debug, thiserror::Error)]
        #[error("transport error")]
        struct Outer(#[source] std::io::Error);
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(short(&whole(&Outer(refused))), "the connection is refused");
    }
}
