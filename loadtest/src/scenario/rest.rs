//! `rest`: calls one REST route as fast as the server answers, over keep-alive connections.

use crate::args::{Command, Parsed, flag};
use crate::calls::{Calls, Source};
use crate::crew::{Board, Crew, live, live_end, share};
use crate::envelope::quoted;
use crate::fleet::Losses;
use crate::http;
use crate::latency::{self, Latency};
use crate::report::{Report, rounded};
use crate::roster::Roster;
use crate::setup::{Setup, run_number};
use anyhow::bail;
use serde::Deserialize;
use std::sync::Arc;

/// The table entry.
pub(crate) const COMMAND: Command = Command {
    name: "rest",
    about: "call one REST route over keep-alive connections",
    flags: &[
        flag("calls", "N", "calls to make (100k)"),
        flag("concurrency", "C", "connections, one call at a time on each (64)"),
        flag("route", "NAME", "user_token, user_register, newest_seq or send_msg (user_token)"),
        flag("users", "N", "users to call for, in turn (1000)"),
    ],
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    UserToken,
    UserRegister,
    NewestSeq,
    SendMsg,
}

/// The error code that all routes answer with.
#[derive(Deserialize)]
struct Outcome {
    #[serde(rename = "errCode")]
    code: i64,
}

struct Caller<'a> {
    board: &'a Board,
    roster: &'a Roster,
    host: &'a str,
    secret: String,
    route: Route,
    platform: u8,
    run: u32,
    next: usize,
    end: usize,
    body: Vec<u8>,
    latency: Latency,
    failures: Losses,
}

impl Source for Caller<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        if self.next >= self.end || self.board.stopped() {
            return None;
        }
        let call = self.next;
        self.next += 1;
        Board::add(&self.board.sent, 1);
        let accounts = self.roster.accounts();
        let account = &accounts[call % accounts.len()];
        let uid = quoted(&account.uid);
        let platform = self.platform;
        let (path, token, body) = match self.route {
            Route::UserToken => (
                "/auth/user_token",
                None,
                format!("{{\"secret\":{},\"platform\":{platform},\"uid\":{uid}}}", self.secret),
            ),
            Route::UserRegister => {
                // Of another run nobody is met.
                let uid = quoted(&format!("{}.{}.{call}", account.uid, self.run));
                let body = format!(
                    "{{\"secret\":{},\"platform\":{platform},\"uid\":{uid},\"name\":{uid}}}",
                    self.secret
                );
                ("/auth/user_register", None, body)
            }
            Route::NewestSeq => (
                "/chat/newest_seq",
                Some(account.token.as_str()),
                format!(
                    "{{\"reqIdentifier\":1001,\"sendID\":{uid},\"operationID\":\"lt\",\
                     \"msgIncr\":1}}"
                ),
            ),
            Route::SendMsg => {
                let receiver = quoted(&accounts[(call + 1) % accounts.len()].uid);
                let run = self.run;
                (
                    "/chat/send_msg",
                    Some(account.token.as_str()),
                    format!(
                        "{{\"reqIdentifier\":1003,\"platformID\":{platform},\"sendID\":{uid},\
                         \"operationID\":\"lt\",\"msgIncr\":1,\"data\":{{\"sessionType\":1,\
                         \"msgFrom\":100,\"contentType\":101,\"recvID\":{receiver},\
                         \"forceList\":[],\"content\":\"over REST\",\"options\":{{}},\
                         \"offlineInfo\":{{}},\"clientMsgID\":\"lt.{run}.rest.{call}\"}}}}"
                    ),
                )
            }
        };
        self.body.clear();
        self.body.extend_from_slice(body.as_bytes());
        http::post(out, self.host, path, token, &self.body);
        Some(call)
    }

    fn answered(&mut self, _id: usize, status: u16, body: &[u8], took_ns: u64) {
        match serde_json::from_slice::<Outcome>(body) {
            Ok(Outcome { code: 0 }) if status == 200 => {
                self.latency.record(took_ns);
                Board::add(&self.board.acked, 1);
            }
            Ok(Outcome { code }) => self.fail(format!("HTTP {status}, errCode {code}")),
            Err(_) => self.fail(format!("HTTP {status} without a JSON body")),
        }
    }

    fn failed(&mut self, _id: usize, why: &str) {
        self.fail(why.to_owned());
    }
}

impl Caller<'_> {
    fn fail(&mut self, why: String) {
        self.failures.count(why);
        Board::add(&self.board.failed, 1);
    }
}

/// Runs the scenario.
pub(crate) fn run(parsed: &Parsed) -> anyhow::Result<bool> {
    let total: usize = parsed.number_or("calls", 100_000)?;
    let concurrency: usize = parsed.number_or("concurrency", 64usize)?.max(1);
    let users: usize = parsed.number_or("users", 1000usize)?.clamp(1, total.max(1));
    let route = match parsed.text_or("route", "user_token") {
        "user_token" => Route::UserToken,
        "user_register" => Route::UserRegister,
        "newest_seq" => Route::NewestSeq,
        "send_msg" => Route::SendMsg,
        other => {
            bail!("--route {other}: user_token, user_register, newest_seq and send_msg are known")
        }
    };
    let setup = Setup::read(parsed)?;
    let mut report = Report::new(COMMAND.name);
    let roster = setup.enrol(users, 1)?;
    let threads = setup.threads(concurrency);
    let clock = setup.clock;
    let registrar = setup.registrar.clone();
    let (secret, run) = (quoted(&registrar.secret), run_number());

    let before = setup.usage();
    let began_ns = clock.now_ns();
    let board = Arc::new(Board::default());
    let crew = Crew::start(threads, Arc::clone(&board), move |number, board| {
        let (first, count) = share(total, threads, number);
        let lanes = share(concurrency, threads, number).1;
        let mut caller = Caller {
            board,
            roster: &roster,
            host: &registrar.rest.host,
            secret: secret.clone(),
            route,
            platform: registrar.platform,
            run,
            next: first,
            end: first + count,
            body: Vec::new(),
            latency: Latency::new(),
            failures: Losses::default(),
        };
        Calls::new(registrar.rest.clone(), lanes, registrar.timeout, clock)?.run(&mut caller)?;
        board.arrive();
        Ok((caller.latency, caller.failures))
    })?;
    let all = crew.len();
    let show = || {
        live(setup.progress, || {
            let [acked, failed] = [&board.acked, &board.failed].map(Board::read);
            format!("{acked} of {total} calls answered, {failed} failed")
        });
    };
    let over = crew.wait(show, |board| board.arrived() == all);
    let took_ns = clock.now_ns() - began_ns;
    let after = setup.usage();
    live_end(setup.progress);
    if !over {
        return Err(crew.abandon());
    }
    if let (Some(before), Some(after)) = (before, after) {
        let each = after.cpu_us_since(&before) as f64 / total.max(1) as f64;
        report.figure("server_cpu_us_per_call", rounded(each));
        report.line("server CPU", format!("{each:.1} us per call"));
    }
    let parts = crew.join()?;
    finish(report, parsed, total, took_ns, parts)
}

fn finish(
    mut report: Report,
    parsed: &Parsed,
    total: usize,
    took_ns: u64,
    parts: Vec<(Latency, Losses)>,
) -> anyhow::Result<bool> {
    let (mut latency, mut failures) = (Latency::new(), Losses::default());
    for (part, failed) in parts {
        latency.add(&part);
        failures.merge(failed);
    }
    let summary = latency.summary();
    report.plot(latency::plot(&[("call", &latency)]));
    let seconds = took_ns as f64 / 1e9;
    let rate = summary.count as f64 / seconds;
    report.figure("calls", total);
    report.figure("answered", summary.count);
    report.figure("seconds", rounded(seconds));
    report.figure("calls_per_s", rounded(rate));
    report.figure("latency", summary);
    report.figure("failures", &failures.0);
    report.line("calls", format!("{} in {seconds:.2} s ({rate:.0}/s)", summary.count));
    report.line("latency", summary.line());
    if failures.total() > 0 || summary.count != total as u64 {
        report.problem(format!("calls failed: {}", failures.line()));
    }
    report.finish(parsed)
}
