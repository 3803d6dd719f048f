//! Stage 3: a token checked in full, as at the handshake, and compared, as in each frame after it.

mod settings;

use std::hint::black_box;

use criterion::Criterion;
use openim_auth::{Platform, Signer};
use openim_bench::SENDER;
use openim_shard::FrameToken;
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hasher as _;

const NOW_UNIX: i64 = 1_622_033_433;

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let signer = Signer::new(b"a secret of thirty-two bytes ...", 604_800);
    let issued = signer.issue(SENDER, Platform::ALL[0], NOW_UNIX, "0123456789abcdef");
    let known = digest(&issued.token);
    let mut group = criterion.benchmark_group("token");
    group.bench_function("issue", |bencher| {
        bencher.iter(|| {
            signer.issue(black_box(SENDER), Platform::ALL[0], NOW_UNIX, "0123456789abcdef")
        });
    });
    group.bench_function("verify", |bencher| {
        bencher.iter(|| signer.verify(black_box(&issued.token), NOW_UNIX).expect("just issued"));
    });
    group.bench_function("compare", |bencher| {
        bencher.iter(|| digest(black_box(&issued.token)) == known);
    });
    group.finish();
}

/// What the driver does with the token of each frame.
fn digest(token: &str) -> FrameToken {
    let mut hasher = SipHasher13::new_with_keys(1, 2);
    hasher.write(token.as_bytes());
    FrameToken::new(hasher.finish128().as_u128())
}
