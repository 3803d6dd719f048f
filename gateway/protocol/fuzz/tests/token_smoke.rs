//! Seeded mutations of valid tokens, on any toolchain.

use openim_protocol_fuzz::mutate::Mutator;
use openim_protocol_fuzz::token;

#[test]
fn no_altered_token_is_accepted() {
    let mut mutator = Mutator::new(token::seeds(), 4);
    for _ in 0..20_000 {
        token::token(&mutator.input());
    }
}
