//! The whole way over real sockets: frames written, receipts and pushes read back, with the messages
//! durable in between; and beside it an echo on the same codec, as a measure of the machine. Times are per
//! message; client and server share the cores.

mod settings;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use criterion::{BenchmarkId, Criterion};
use openim_bench::{
    CLIENT_MSG_ID, Link, RECEIVER, SENDER, Server, Setup, User, release_binary, release_example,
    send_payload,
};

/// Messages under way at once.
const WINDOWS: [u64; 3] = [1, 16, 128];

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
    let mut echo = Echo::start().expect("the echo builds and starts");
    let mut group = criterion.benchmark_group("end_to_end");
    for window in WINDOWS {
        group.bench_function(BenchmarkId::new("message_of_window", window), |bencher| {
            bencher.iter_custom(|messages| {
                timed(messages, window, || pair.talk(window))
                    .expect("every message is answered and delivered")
            });
        });
        group.bench_function(BenchmarkId::new("echo_of_window", window), |bencher| {
            bencher.iter_custom(|messages| {
                timed(messages, window, || echo.call(window)).expect("every message is echoed")
            });
        });
    }
    group.finish();
}

/// The time of `messages`, from that of as many whole windows as they need.
fn timed(
    messages: u64,
    window: u64,
    mut round: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Duration> {
    let rounds = messages.div_ceil(window);
    let began = Instant::now();
    for _ in 0..rounds {
        round()?;
    }
    Ok(began.elapsed().mul_f64(messages as f64 / (rounds * window) as f64))
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

/// The example server that answers each message with itself.
struct Echo {
    process: Child,
    link: Option<Link>,
    payload: Vec<u8>,
}

impl Echo {
    fn start() -> anyhow::Result<Self> {
        let process = Command::new(release_example("openim-gateway", "ws_echo")?)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()?;
        // From here on dropping it kills the process.
        let user = User { uid: SENDER.to_owned(), token: "none".to_owned() };
        let payload = send_payload(&"t".repeat(190), SENDER, RECEIVER, CLIENT_MSG_ID);
        let mut echo = Self { process, link: None, payload };
        let mut line = String::new();
        let stdout = echo.process.stdout.take().context("standard output was piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split_whitespace().last().context("the echo names its address")?;
        echo.link = Some(Link::open(address, &user)?);
        Ok(echo)
    }

    fn call(&mut self, count: u64) -> anyhow::Result<()> {
        let link = self.link.as_mut().context("set when it was started")?;
        for _ in 0..count {
            link.queue(&self.payload);
        }
        link.flush()?;
        link.expect(usize::try_from(count)?, CLIENT_MSG_ID)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
