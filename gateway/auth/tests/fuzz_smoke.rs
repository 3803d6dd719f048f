//! The token's fuzz target on any toolchain: seeded mutations of valid tokens, always the same.

#[path = "../../protocol/fuzz/src/mutate.rs"]
#[expect(unreachable_pub, reason = "public in the fuzz crate, which is where the file lives")]
mod mutate;
#[path = "../../protocol/fuzz/src/token.rs"]
#[expect(unreachable_pub, reason = "public in the fuzz crate, which is where the file lives")]
mod token;

use mutate::Mutator;
use std::path::Path;

const ITERATIONS: usize = 20_000;

#[test]
fn no_altered_token_is_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/seeds/token");
    assert_eq!(Mutator::read_seeds(&folder), token::seeds(), "the seeds are tokens as issued now");
    let mut mutator = Mutator::new(token::seeds(), 4);
    for _ in 0..ITERATIONS {
        token::token(&mutator.input());
    }
}
