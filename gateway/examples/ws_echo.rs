//! An echo server on this project's websocket codec and nothing else, so that an outside conformance
//! suite (Autobahn, sections 1 to 7) can be pointed at it:
//!
//! ```text
//! cargo run --example ws_echo -- 127.0.0.1:9001
//! ```
//!
//! It answers every message with itself, and pings and closes as the standard wants. No login.

use std::io;
use std::process::ExitCode;

use openim_protocol::frame::{
    Event, FrameError, Reader, Side, Step, write_close, write_close_echo, write_message, write_pong,
};
use openim_protocol::handshake::{Head, HeadReader, Refusal, write_refusal, write_switching};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The largest message the suite sends (section 9).
const MESSAGE_BYTES_MAX: u32 = 16 << 20;

const HEAD_BYTES_MAX: u32 = 8 * 1024;

const READ_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .and_then(|runtime| runtime.block_on(listen(&address)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ws_echo on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("echoing on ws://{}", listener.local_addr()?);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let (socket, peer) = listener.accept().await?;
                tokio::task::spawn_local(async move {
                    if let Err(error) = Link::new(socket).serve().await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
        })
        .await
}

/// One client: what it sent and is not read yet, what it has not been sent yet.
struct Link {
    socket: TcpStream,
    unread: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Link {
    fn new(socket: TcpStream) -> Self {
        Self { socket, unread: Vec::new(), outgoing: Vec::new() }
    }

    async fn serve(&mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        let mut open = self.upgrade().await?;
        let mut reader = Reader::new(Side::Server, MESSAGE_BYTES_MAX);
        while open {
            open = match self.answer_all(&mut reader) {
                Ok(open) => open,
                Err(error) => {
                    write_close(&mut self.outgoing, error.close_code(), error.reason().text());
                    false
                }
            };
            self.flush().await?;
            if open && !self.receive().await? {
                return Ok(());
            }
        }
        self.linger().await
    }

    /// Whether the link became a websocket.
    async fn upgrade(&mut self) -> io::Result<bool> {
        let mut head = HeadReader::new(HEAD_BYTES_MAX);
        let refusal = loop {
            match head.next(&self.unread) {
                Ok(Head::Partial) => {}
                Ok(Head::Complete { request, consumed }) => match request.upgrade() {
                    Ok(accept) => {
                        write_switching(&mut self.outgoing, &accept);
                        self.unread.drain(..consumed);
                        return Ok(true);
                    }
                    Err(refusal) => break refusal,
                },
                Err(error) => break error.refusal(),
            }
            if !self.receive().await? {
                break Refusal::BadRequest;
            }
        };
        write_refusal(&mut self.outgoing, refusal);
        self.flush().await?;
        Ok(false)
    }

    /// Answers every whole frame that arrived; `false` after a close frame.
    fn answer_all(&mut self, reader: &mut Reader) -> Result<bool, FrameError> {
        let mut at = 0;
        let open = loop {
            match reader.next(self.unread.get_mut(at..).unwrap_or_default())? {
                Step::Event { event, consumed } => {
                    at += consumed;
                    match event {
                        Event::Message { text, payload } => {
                            write_message(&mut self.outgoing, text, payload);
                        }
                        Event::Ping(payload) => write_pong(&mut self.outgoing, payload),
                        Event::Pong(_) => {}
                        Event::Close { code, .. } => {
                            write_close_echo(&mut self.outgoing, code);
                            break false;
                        }
                    }
                }
                Step::Progress { consumed } => at += consumed,
                Step::More { .. } => break true,
            }
        };
        self.unread.drain(..at);
        Ok(open)
    }

    /// Reads what the socket has; `false` at its end.
    async fn receive(&mut self) -> io::Result<bool> {
        self.unread.reserve(READ_BYTES);
        Ok(self.socket.read_buf(&mut self.unread).await? > 0)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        Ok(())
    }

    /// Waits for the peer's end, so that unread bytes do not turn the close frame into a reset.
    async fn linger(&mut self) -> io::Result<()> {
        self.socket.shutdown().await?;
        loop {
            self.unread.clear();
            if !self.receive().await? {
                return Ok(());
            }
        }
    }
}
