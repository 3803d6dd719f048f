//! What every token store must do.

use openim_record::UserId;

use super::{Backend, Sites};
use crate::port::{IssuedToken, NewestToken, Terminal};

/// Runs the suite of [`crate::port::Tokens`].
///
/// # Panics
/// Where the contract is broken.
pub fn tokens(sites: Sites<'_>) {
    the_newest_of_each_class_is_known(sites);
    a_restart_brings_no_older_token_back(sites);
}

fn token(n: u8) -> NewestToken {
    let n64 = i64::from(n);
    NewestToken { id: [n; 16], issued_at: n64, expires_at: i64::MAX - n64 }
}

fn issued(user: &str, terminal: Terminal, n: u8) -> IssuedToken {
    IssuedToken { user: UserId::new(user), terminal, newest: token(n) }
}

fn the_newest_of_each_class_is_known(sites: Sites<'_>) {
    use Terminal::{Mobile, Other, Pc};
    let mut site = sites();
    let Backend { tokens, .. } = site.open();
    let users = ["a", "b", "ab", ""].map(UserId::new);
    assert_eq!(tokens.newest(&users[..3]).expect("read"), [[None; 3]; 3]);
    let long = UserId::new(&"u".repeat(70_000));
    assert_eq!(tokens.newest(&[long]).expect("read"), [[None; 3]]);
    // Within a batch, later entries win.
    let batch = [issued("a", Mobile, 1), issued("b", Pc, 2), issued("a", Mobile, 3)];
    tokens.issue(&batch).expect("issued");
    tokens.issue(&[issued("a", Other, 4), issued("b", Pc, 5)]).expect("issued");
    tokens.issue(&[]).expect("issued");
    assert_eq!(
        tokens.newest(&users[..3]).expect("read"),
        [[Some(token(3)), None, Some(token(4))], [None, Some(token(5)), None], [None; 3],]
    );
}

fn a_restart_brings_no_older_token_back(sites: Sites<'_>) {
    let mut site = sites();
    for n in 1..=20 {
        let Backend { tokens, .. } = site.open();
        tokens.issue(&[issued("a", Terminal::Pc, n)]).expect("issued");
        drop(tokens);
        let Backend { tokens, .. } = site.open();
        let newest = tokens.newest(&[UserId::new("a")]).expect("read");
        assert_eq!(newest, [[None, Some(token(n)), None]]);
    }
}
