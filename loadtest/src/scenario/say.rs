//! `say`: a person chats from a terminal, to try a server with nothing else installed.
//!
//! Registers if needed, shows what was missed, prints what comes in and sends each line typed. A
//! lost link is opened again, and what came meanwhile is pulled. Lines that were not acknowledged
//! are sent again, and shown as undelivered if that fails too.

use crate::args::{Command, Parsed, flag};
use crate::clock::{Clock, nanos};
use crate::console;
use crate::envelope::{
    Body, Incoming, KICK_TIP, NEWEST_SEQ, PULL, PUSH, Pulled, SEND, SendTemplate, Speaker,
};
use crate::fleet::{Fleet, Losses, Sink};
use crate::link::Loss;
use crate::roster::Roster;
use crate::setup::{Setup, run_number};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

/// The table entry.
pub(crate) const COMMAND: Command = Command {
    name: "say",
    about: "chat from a terminal: say --me alice --to bob",
    flags: &[
        flag("me", "UID", "your user id; registered if it is new (needed)"),
        flag("to", "UID", "whom your lines go to (needed)"),
        flag("platform", "1..7", "your platform (7, Linux)"),
        flag("history", "N", "show the last N messages first (20)"),
        flag("linger", "S", "stay for S seconds after the end of the input (0)"),
    ],
};

/// Lines sent and not acknowledged; reading the input pauses beyond that.
const UNANSWERED_MAX: usize = 64;
/// Time for the answers to the last lines, and for a link to come back.
const PATIENCE: Duration = Duration::from_secs(10);
const REOPEN_PAUSE_NS: u64 = 1_000_000_000;

/// Runs the chat until the input ends.
pub(crate) fn run(parsed: &Parsed) -> anyhow::Result<bool> {
    let me = parsed.text("me").context("--me is needed, such as --me alice")?;
    let to = parsed.text("to").context("--to is needed, such as --to bob")?;
    let history: i64 = parsed.number_or("history", 20u32)?.into();
    let linger = Duration::from_secs(parsed.number_or("linger", 0)?);
    let mut setup = Setup::read(parsed)?;
    setup.registrar.platform = parsed.number_or("platform", 7)?;
    let roster = setup.registrar.enrol(vec![me.to_owned()], 1, setup.clock)?;
    let mut chat = Chat::new(me, to, history, Arc::new(roster), &setup)?;
    chat.connect()?;
    chat.talk(&typed_lines(), linger)
}

/// Lines of the standard input, read on a thread of their own because that blocks.
fn typed_lines() -> Receiver<String> {
    let (sender, receiver) = sync_channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Output in which incoming messages do not tear the prompt apart.
struct Screen {
    fancy: bool,
}

impl Screen {
    fn print(&self, color: &str, name: &str, text: &str) {
        // What others send must not steer the terminal.
        let clean = |text: &str| -> String {
            text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
        };
        let (name, text) = (clean(name), clean(text));
        if self.fancy {
            console::out(&format!("\r\x1b[K\x1b[{color}m{name}\x1b[0m {text}\n> "));
        } else {
            console::out(&format!("{name} {text}\n"));
        }
    }

    fn note(&self, text: &str) {
        self.print("2", "--", text);
    }

    fn prompt(&self) {
        if self.fancy {
            console::out("> ");
        }
    }
}

/// The link's events, and what they showed.
struct Talk {
    screen: Screen,
    me: String,
    to: String,
    /// Highest seq shown, so that a message is shown once.
    shown: i64,
    history: i64,
    /// Whether the link has been up before.
    known: bool,
    newest: Option<i64>,
    pulled: bool,
    up: bool,
    down: Option<Loss>,
    superseded: bool,
    /// Lines not yet acknowledged, by the number in their `msgIncr`.
    unanswered: BTreeMap<u32, String>,
    refused: u64,
    errors: Losses,
}

impl Talk {
    fn show(&mut self, body: &Body<'_>, again: bool) {
        // seq 0 is a message that is stored nowhere.
        if body.seq != 0 {
            if body.seq <= self.shown {
                return;
            }
            self.shown = body.seq;
        }
        let text = match body.content_type {
            0 | 101 => body.content.to_string(),
            other => format!("[message of type {other}]"),
        };
        // Own lines stand on the screen since they were typed, except those of earlier days.
        if body.sender == self.me && again {
            return;
        }
        if body.sender == self.me {
            self.screen.print("36", "you:", &text);
        } else {
            let color = if body.sender == self.to { "32" } else { "33" };
            self.screen.print(color, &format!("{}:", body.sender), &text);
        }
    }

    fn acked(&mut self, answer: &Incoming<'_>) {
        let Some(line) = self.unanswered.remove(&(answer.incr as u32)) else { return };
        if answer.code == 0 {
            return;
        }
        self.refused += 1;
        let reason = format!("errCode {} {}", answer.code, answer.text);
        self.screen.print("31", "not sent:", &format!("{line} ({reason})"));
    }
}

impl Sink for Talk {
    fn opened(&mut self, _link: usize, _took_ns: u64) {
        self.up = true;
        self.down = None;
    }

    fn message(&mut self, _link: usize, payload: &[u8], _now_ns: u64) {
        let Ok(answer) = serde_json::from_slice::<Incoming<'_>>(payload) else { return };
        match (answer.request, &answer.data) {
            (PUSH, Some(body)) if body.content_type == KICK_TIP => self.superseded = true,
            (PUSH, Some(body)) => self.show(body, false),
            (SEND, _) => self.acked(&answer),
            (NEWEST_SEQ, Some(body)) if answer.code == 0 => self.newest = Some(body.seq),
            (PULL, _) => {
                if let Ok(pulled) = serde_json::from_slice::<Pulled<'_>>(payload) {
                    let again = self.known;
                    pulled.data.into_messages().iter().for_each(|body| self.show(body, again));
                }
                self.pulled = true;
            }
            _ if answer.code != 0 => {
                self.errors.count(format!("errCode {} {}", answer.code, answer.text));
                self.screen.print("31", "server:", &answer.text);
            }
            _ => {}
        }
    }

    fn lost(&mut self, _link: usize, _was_open: bool, loss: Loss) {
        self.up = false;
        self.down = Some(loss);
    }
}

struct Chat {
    /// The server's websocket.
    host: String,
    fleet: Fleet,
    clock: Clock,
    timeout: Duration,
    speaker: Speaker,
    template: SendTemplate,
    talk: Talk,
    screen: Screen,
    run: u32,
    next: u32,
    payload: Vec<u8>,
}

impl Chat {
    fn new(
        me: &str,
        to: &str,
        history: i64,
        roster: Arc<Roster>,
        setup: &Setup,
    ) -> anyhow::Result<Self> {
        let (account, platform) = roster.link(0);
        let speaker = Speaker::new(&account.uid, &account.token);
        let template = SendTemplate::new(&speaker, platform, to, "{}");
        let fancy = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        let talk = Talk {
            screen: Screen { fancy },
            me: me.to_owned(),
            to: to.to_owned(),
            shown: 0,
            history,
            known: false,
            newest: None,
            pulled: false,
            up: false,
            down: None,
            superseded: false,
            unanswered: BTreeMap::new(),
            refused: 0,
            errors: Losses::default(),
        };
        Ok(Self {
            host: setup.ws.host.clone(),
            fleet: Fleet::new(roster, 0, 1, setup.route(1, None), setup.clock)?,
            clock: setup.clock,
            timeout: setup.timeout,
            speaker,
            template,
            talk,
            screen: Screen { fancy },
            run: run_number(),
            next: 1,
            payload: Vec::new(),
        })
    }

    /// Opens the link and shows what was missed.
    fn connect(&mut self) -> anyhow::Result<()> {
        self.fleet.begin(0, self.clock.now_ns(), &mut self.talk);
        self.turn_until(|talk| talk.up || talk.down.is_some())?;
        if let Some(loss) = &self.talk.down {
            bail!(
                "cannot log in at {}: {loss} (--ws is where the server's websocket listens)",
                self.host
            );
        }
        if !self.talk.known {
            let Talk { me, to, .. } = &self.talk;
            self.screen.note(&format!("{me} is online; each line goes to {to}; Ctrl-D ends"));
        }
        self.payload.clear();
        self.speaker.newest_seq(&mut self.payload, 1);
        self.fleet.send(0, &self.payload);
        self.talk.newest = None;
        self.turn_until(|talk| talk.newest.is_some() || talk.down.is_some())?;
        let newest = self.talk.newest.unwrap_or(0);
        let first = if self.talk.known {
            self.talk.shown + 1
        } else {
            (newest - self.talk.history).max(0) + 1
        };
        if first <= newest {
            self.payload.clear();
            self.speaker.pull(&mut self.payload, 2, first, newest);
            self.fleet.send(0, &self.payload);
            self.talk.pulled = false;
            self.turn_until(|talk| talk.pulled || talk.down.is_some())?;
        }
        self.talk.known = true;
        Ok(())
    }

    fn turn_until(&mut self, done: impl Fn(&Talk) -> bool) -> anyhow::Result<()> {
        let deadline_ns = self.clock.now_ns() + nanos(self.timeout);
        while !done(&self.talk) {
            if self.clock.now_ns() > deadline_ns {
                bail!("the server does not answer");
            }
            self.fleet.turn(Duration::from_millis(20), &mut self.talk)?;
        }
        Ok(())
    }

    fn talk(&mut self, lines: &Receiver<String>, linger: Duration) -> anyhow::Result<bool> {
        let mut leave_ns = None;
        loop {
            while leave_ns.is_none() && self.talk.unanswered.len() < UNANSWERED_MAX {
                match lines.try_recv() {
                    Ok(line) => self.say(line),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        leave_ns = Some(self.clock.now_ns() + nanos(linger));
                    }
                }
            }
            self.fleet.turn(Duration::from_millis(20), &mut self.talk)?;
            if self.talk.superseded {
                self.screen
                    .note("this link is over: you logged in elsewhere, or an operator ended it");
                return Ok(true);
            }
            if self.talk.down.is_some() {
                self.come_back()?;
            }
            if let Some(leave_ns) = leave_ns {
                let now_ns = self.clock.now_ns();
                let answered = self.talk.unanswered.is_empty();
                if now_ns >= leave_ns && (answered || now_ns >= leave_ns + nanos(PATIENCE)) {
                    break;
                }
            }
        }
        for line in self.talk.unanswered.values() {
            self.screen.print("31", "not acknowledged:", line);
        }
        Ok(self.talk.unanswered.is_empty() && self.talk.refused == 0)
    }

    fn say(&mut self, line: String) {
        if line.trim().is_empty() {
            self.screen.prompt();
            return;
        }
        let number = self.next;
        self.next += 1;
        self.talk.unanswered.insert(number, line);
        self.put(number);
        self.screen.prompt();
    }

    fn put(&mut self, number: u32) {
        let Some(line) = self.talk.unanswered.get(&number) else { return };
        self.payload.clear();
        let client_id = format!("say.{}.{number}", self.run);
        self.template.text(&mut self.payload, number, line, &client_id);
        self.fleet.send(0, &self.payload);
    }

    fn come_back(&mut self) -> anyhow::Result<()> {
        let Some(mut loss) = self.talk.down.clone() else { return Ok(()) };
        self.screen.note(&format!("link lost ({loss}); opening it again"));
        let deadline_ns = self.clock.now_ns() + nanos(PATIENCE) * 6;
        while self.clock.now_ns() < deadline_ns {
            let pause_end_ns = self.clock.now_ns() + REOPEN_PAUSE_NS;
            while self.clock.now_ns() < pause_end_ns {
                self.fleet.turn(Duration::from_millis(50), &mut self.talk)?;
            }
            self.talk.down = None;
            if self.connect().is_ok() && self.talk.up {
                self.screen.note("back online");
                let again: Vec<u32> = self.talk.unanswered.keys().copied().collect();
                again.into_iter().for_each(|number| self.put(number));
                return Ok(());
            }
            loss = self.talk.down.clone().unwrap_or(loss);
            if matches!(loss, Loss::Refused(401)) {
                break;
            }
        }
        bail!("the link cannot be opened again: {loss}")
    }
}
