//! A crowd of blind clients, the same for the server and for the yardstick: in every group one sends, with so many
//! messages under way, and all others count what they are pushed.
//!
//! In: open links by group, the frame that each sender repeats. Out: how many were answered and pushed. Never: reads
//! what it gets; that everything comes, and once, is told by the counts alone (the load tool keeps books).

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use openim_protocol::frame::write_message_masked;

use crate::client::{Link, MASK};
use crate::poll::{Pipe, Poll};

/// Digits at the end of a `clientMsgID` that are different in every message.
const NUMBER_DIGITS: usize = 16;
/// A wait in which nothing comes at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// All links, and what they have seen.
pub struct Crowd {
    poll: Poll,
    pipes: Vec<Pipe>,
    /// What the first link of each group sends, masked, and where its number is.
    frames: Vec<(Vec<u8>, usize)>,
    members: usize,
    buffer: Vec<u8>,
    seen: Seen,
    sent: u64,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Replies.
    pub acked: u64,
    /// Pushes.
    pub pushed: u64,
}

impl Crowd {
    /// Takes the links of all groups, `members` each, the sender first; `payload` gives the text that the sender of a
    /// group sends, around a `clientMsgID` it is given.
    ///
    /// # Errors
    /// When a link cannot be used.
    pub fn new(
        links: Vec<Link>,
        members: usize,
        payload: impl Fn(usize, &str) -> Vec<u8>,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new().context("an epoll instance")?;
        let mut pipes = Vec::new();
        for (number, link) in links.into_iter().enumerate() {
            let pipe = link.into_pipe()?;
            poll.add(pipe.socket(), number).context("watching a link")?;
            pipes.push(pipe);
        }
        let frames = (0..pipes.len() / members).map(|group| frame(&payload, group)).collect();
        let seen = Seen::default();
        Ok(Self { poll, pipes, frames, members, buffer: vec![0; 256 * 1024], seen, sent: 0 })
    }

    /// Sends for `warmup` and then for `measured`, `window` messages under way for each sender; `mark` is called at
    /// the begin and at the end of the second time. Gives what was seen between the two, and how long that was.
    ///
    /// # Errors
    /// When a link ends, or something was not answered or pushed as often as it must be.
    pub fn run(
        &mut self,
        window: usize,
        warmup: Duration,
        measured: Duration,
        mut mark: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<(Seen, Duration)> {
        for group in 0..self.frames.len() {
            self.send(group, window)?;
        }
        self.until(Instant::now() + warmup, true)?;
        let (before, began) = (self.seen, Instant::now());
        mark()?;
        self.until(began + measured, true)?;
        mark()?;
        let (after, took) = (self.seen, began.elapsed());
        self.drain()?;
        let (acked, pushed) = (after.acked - before.acked, after.pushed - before.pushed);
        Ok((Seen { acked, pushed }, took))
    }

    /// Takes turns until `end`; whoever is answered sends as many again.
    fn until(&mut self, end: Instant, again: bool) -> anyhow::Result<()> {
        let (mut ready, mut heard) = (Vec::new(), Instant::now());
        while Instant::now() < end && (again || !self.is_quiet()) {
            self.poll.wait(&mut ready, Duration::from_millis(20)).context("waiting for links")?;
            if !ready.is_empty() {
                heard = Instant::now();
            } else if heard.elapsed() > PATIENCE {
                bail!("nothing came for {} s", PATIENCE.as_secs());
            }
            for &number in &ready {
                let pipe = &mut self.pipes[number];
                let count = pipe.read(&mut self.buffer, |_| ()).context("a link ended")?;
                if !number.is_multiple_of(self.members) {
                    self.seen.pushed += count as u64;
                    continue;
                }
                self.seen.acked += count as u64;
                if again && count > 0 {
                    self.send(number / self.members, count)?;
                }
            }
        }
        Ok(())
    }

    /// Waits for what is under way and compares the counts.
    fn drain(&mut self) -> anyhow::Result<()> {
        self.until(Instant::now() + PATIENCE, false)?;
        if !self.is_quiet() {
            let pushes = self.sent * (self.members as u64 - 1);
            bail!("of {} messages and {pushes} pushes came {:?}", self.sent, self.seen);
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.seen.acked == self.sent && self.seen.pushed == self.sent * (self.members as u64 - 1)
    }

    fn send(&mut self, group: usize, count: usize) -> anyhow::Result<()> {
        let (frame, number_at) = &mut self.frames[group];
        let pipe = &mut self.pipes[group * self.members];
        for _ in 0..count {
            self.sent += 1;
            let digits = format!("{:0NUMBER_DIGITS$}", self.sent);
            // Masked bytes at the same places of the mask, which is why the number keeps its length.
            for (at, digit) in (*number_at..).zip(digits.bytes()) {
                frame[at] = digit ^ MASK[(at - payload_at(frame)) % MASK.len()];
            }
            pipe.out.extend_from_slice(frame);
        }
        // A window is far below what a socket takes at once.
        if !pipe.write().context("writing to a link")? {
            bail!("a socket took no more: the window is too large for this client");
        }
        Ok(())
    }
}

/// The frame of a group's sender, and where the number in it begins.
fn frame(payload: &impl Fn(usize, &str) -> Vec<u8>, group: usize) -> (Vec<u8>, usize) {
    let mark = "#".repeat(NUMBER_DIGITS);
    let text = payload(group, &format!("{group:016}{mark}"));
    let at = text.windows(NUMBER_DIGITS).position(|part| part == mark.as_bytes());
    let mut out = Vec::new();
    write_message_masked(&mut out, true, &text, MASK);
    let begin = payload_at(&out);
    (out, begin + at.unwrap_or(0))
}

/// Where the payload of a masked frame begins.
fn payload_at(frame: &[u8]) -> usize {
    match frame[1] & 0x7f {
        126 => 8,
        127 => 14,
        _ => 6,
    }
}
