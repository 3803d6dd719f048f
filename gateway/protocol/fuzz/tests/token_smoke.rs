//! Seeded mutations of valid tokens, on any toolchain.

use std::path::Path;

use openim_protocol_fuzz::mutate::Mutator;
use openim_protocol_fuzz::token;

#[test]
fn the_seeds_are_tokens_as_they_are_issued_now() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/token");
    assert_eq!(Mutator::read_seeds(&folder), token::seeds());
}

#[test]
fn no_altered_token_is_accepted() {
    let mut mutator = Mutator::new(token::seeds(), 4);
    for _ in 0..20_000 {
        token::token(&mutator.input());
    }
}
