//! The whole way over real sockets: frames written, receipts and pushes read back, with the messages
//! durable in between. Times are per message; client and server share the machine.

mod settings;

use std::time::Instant;

use criterion::{BenchmarkId, Criterion};
use openim_bench::{Link, Server, Setup, User, release_binary, send_payload};

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let program = release_binary("openim-gateway", "openim").expect("the server builds");
    let folder = settings::folder();
    let server = Setup::new(&program, folder.path())
        .env("OPENIM_LIMITS_FRAMESPERSECOND", "0")
        .start()
        .expect("the server starts");
    let secret = std::fs::read_to_string(folder.path().join("data/secret"))
        .expect("the server has made a secret");
    let mut pair = Pair::new(&server, secret.trim()).expect("both can log in");
    let mut group = criterion.benchmark_group("end_to_end");
    for window in [1_u64, 16, 128] {
        group.bench_function(BenchmarkId::new("message_of_window", window), |bencher| {
            bencher.iter_custom(|iterations| {
                let rounds = iterations.div_ceil(window);
                let began = Instant::now();
                for _ in 0..rounds {
                    pair.talk(window).expect("every message is answered and delivered");
                }
                began.elapsed().mul_f64(iterations as f64 / (rounds * window) as f64)
            });
        });
    }
    group.finish();
}

/// Two users of whom one speaks.
struct Pair {
    speaker: User,
    listener: User,
    speaking: Link,
    listening: Link,
    sent: u64,
}

impl Pair {
    fn new(server: &Server, secret: &str) -> anyhow::Result<Self> {
        let speaker = User::register(server.rest(), secret, "speaker")?;
        let listener = User::register(server.rest(), secret, "listener")?;
        let speaking = Link::open(server.ws(), &speaker)?;
        let listening = Link::open(server.ws(), &listener)?;
        Ok(Self { speaker, listener, speaking, listening, sent: 0 })
    }

    /// Sends `count` messages at once and waits for what must come of them.
    fn talk(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            self.sent += 1;
            let Self { speaker, listener, sent, .. } = self;
            let id = format!("message-{sent}");
            self.speaking.queue(&send_payload(&speaker.token, &speaker.uid, &listener.uid, &id));
        }
        self.speaking.flush()?;
        self.speaking.expect(usize::try_from(count)?, "\"errCode\":0")?;
        self.listening.expect(usize::try_from(count)?, "\"reqIdentifier\":2001")
    }
}
