//! `yardstick`: the least that a server of these frames can do, for the figures to be compared with.
//!
//! In: links in groups, the first of each sends. Out: for each frame of a sender an answer to it and a push to each
//! other link of its group, as long as those of the server; with `--flush FILE` the frames of a turn are appended to
//! that file and flushed before anything is answered. One thread, one bare epoll loop. Never: looks into a frame;
//! tokens, numbers, order, duplicates, limits and recovery are what the server has beyond this.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_bench::{CONTENT, Pipe, Poll, RECEIVER, message};
use openim_protocol::push::push;
use openim_protocol::reply::{TimeUnit, receipt};
use openim_protocol::shown::Shown;
use openim_protocol::{frame, request};
use openim_record::Message;

/// The clients of the figures all use one key.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const LISTENER: usize = usize::MAX;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (members, file) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--members", members] => (members, None),
        ["--members", members, "--flush", file] => (members, Some(file)),
        _ => bail!("usage: yardstick --members N [--flush FILE]"),
    };
    let members: usize = members.parse().context("--members is a number")?;
    let log = file.map(File::create).transpose().context("the file to flush")?;
    let listener = TcpListener::bind("127.0.0.1:0").context("a port")?;
    let poll = Poll::new().context("an epoll instance")?;
    poll.add(&listener, LISTENER)?;
    let address = listener.local_addr()?;
    println!("websocket ws://{address}\nrest http://{address}\nready");
    Yardstick { poll, listener, links: Vec::new(), members: members.max(1), log }.run()
}

struct Yardstick {
    poll: Poll,
    listener: TcpListener,
    /// In the order in which they came; `None` is gone.
    links: Vec<Option<Pipe>>,
    members: usize,
    log: Option<File>,
}

impl Yardstick {
    fn run(mut self) -> anyhow::Result<()> {
        let (answer, pushed) = frames();
        let mut buffer = vec![0; 256 * 1024];
        let (mut ready, mut turn, mut dirty) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            // What a socket did not take is tried again soon.
            let wait =
                if dirty.is_empty() { Duration::from_secs(1) } else { Duration::from_millis(1) };
            self.poll.wait(&mut ready, wait)?;
            for &number in &ready {
                if number == LISTENER {
                    self.accept()?;
                    continue;
                }
                let Some(pipe) = &mut self.links[number] else { continue };
                let keep = self.log.is_some();
                let take = |frames: &[u8]| {
                    if keep {
                        turn.extend_from_slice(frames);
                    }
                };
                match pipe.read(&mut buffer, take) {
                    Ok(0) => {}
                    Ok(count) => {
                        let first = number / self.members * self.members;
                        for other in first..first + self.members {
                            let Some(Some(pipe)) = self.links.get_mut(other) else { continue };
                            let out = if other == number { &answer } else { &pushed };
                            (0..count).for_each(|_| pipe.out.extend_from_slice(out));
                            dirty.push(other);
                        }
                    }
                    Err(_) => self.links[number] = None,
                }
            }
            if let Some(log) = self.log.as_mut().filter(|_| !turn.is_empty()) {
                log.write_all(&turn).and_then(|()| log.sync_data()).context("flushing")?;
                turn.clear();
            }
            dirty.retain(|&number: &usize| {
                let Some(pipe) = &mut self.links[number] else { return false };
                match pipe.write() {
                    Ok(all) => !all,
                    Err(_) => {
                        self.links[number] = None;
                        false
                    }
                }
            });
        }
    }

    /// Takes one link: its head, without looking at it, and the answer.
    fn accept(&mut self) -> anyhow::Result<()> {
        let (mut socket, _) = self.listener.accept().context("accepting")?;
        let rest = shake_hands(&mut socket).context("a handshake")?;
        let pipe = Pipe::new(socket, rest)?;
        self.poll.add(pipe.socket(), self.links.len())?;
        self.links.push(Some(pipe));
        Ok(())
    }
}

fn shake_hands(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut head, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match socket.read(&mut part)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&part[..count]),
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            socket.write_all(ANSWER)?;
            return Ok(head.split_off(end + 4));
        }
    }
}

/// An answer and a push as the server would write them for the message of the benches.
fn frames() -> (Vec<u8>, Vec<u8>) {
    let message = message(1);
    let server_msg_id = message.key.server_id(message.send_id);
    let send_time = TimeUnit::Seconds.from_nanos(message.send_time_ns);
    let (mut answer, mut pushed) = (Vec::new(), Vec::new());
    let mark = frame::begin_text(&mut answer);
    let number = request::SEND.into();
    receipt(&mut answer, number, Some(7), message.client_msg_id, &server_msg_id, send_time);
    frame::finish(&mut answer, mark);
    let mark = frame::begin_text(&mut pushed);
    let message = Message { recv_id: RECEIVER, content: CONTENT, ..message };
    let body = Shown { message, server_msg_id: &server_msg_id, seq: 123_456, send_time };
    push(&mut pushed, &body, false);
    frame::finish(&mut pushed, mark);
    (answer, pushed)
}
