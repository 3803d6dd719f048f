//! What clients do: log in, connect, send, send again, ask, leave.

use openim_auth::{Newest, Platform, TokenId};
use openim_record::{MessageKey, Switches, UserId};
use openim_shard::{Credentials, FrameToken, LinkId};

use crate::io::{Ask, Call, Frame, Handshake};
use crate::oracle::Sent;
use crate::world::{Issue, Node, World};

impl World {
    /// Some terminal does something.
    pub(crate) fn client(&mut self) {
        if self.replay.is_some() {
            return;
        }
        let number = self.random.below(self.devices.len());
        let device = &self.devices[number];
        match (device.link, device.token) {
            _ if device.busy => {}
            // Not at once: two terminals that supersede each other would do nothing else.
            (_, None) => {
                if self.random.percent(10) {
                    self.login(number);
                }
            }
            (None, Some(token)) => match self.random.below(40) {
                0 => self.login(number),
                1..4 => self.rest(number, token),
                _ => self.connect(number, token),
            },
            (Some((at, link)), Some(token)) => match self.random.below(200) {
                0 => self.login(number),
                1 | 2 => self.end(at, link),
                // A client that redials before its old socket is gone.
                3 => self.connect(number, token),
                4..14 => self.rest(number, token),
                14..30 => self.write(number, at, link, Ask::Query),
                _ => {
                    let message = self.message(number, false);
                    self.write(number, at, link, Ask::Send(message));
                }
            },
        }
    }

    fn login(&mut self, number: usize) {
        let id = self.number();
        // An issuer never goes back behind a token it knows: else the older one would look newer.
        let uid = self.users[self.devices[number].user].clone();
        let queued = self.issues.iter().filter(|issue| issue.uid == uid);
        let last = queued.map(|issue| issue.newest.issued_at).max();
        let newest = self.oracle.tokens.newest(&uid);
        let stored = [newest.mobile, newest.pc, newest.other].into_iter().flatten();
        let last = stored.map(|newest| newest.issued_at).max().max(last).unwrap_or(0);
        let issued_at = self.now().unix_s().max(last);
        let expires_at = issued_at + self.random.range(1, self.plan.token_s) as i64;
        let device = &mut self.devices[number];
        device.busy = true;
        let platform = Platform::from_id(device.platform.into()).expect("1 to 7");
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&id.to_le_bytes());
        let token = Credentials {
            class: platform.class(),
            platform: platform.id(),
            id: TokenId(bytes),
            issued_at,
            expires_at,
            frame: FrameToken::new(id.into()),
        };
        self.issues.push_back(Issue {
            device: number,
            uid,
            platform,
            newest: Newest { id: token.id, issued_at, expires_at: Some(expires_at) },
            token,
            durable: false,
        });
    }

    fn connect(&mut self, number: usize, token: Credentials) {
        self.devices[number].busy = true;
        let home = self.home(&self.users[self.devices[number].user]);
        let handshake = Handshake { device: number, token };
        self.nodes[home].io.handshakes.push_back(handshake);
    }

    fn rest(&mut self, device: usize, token: Credentials) {
        let home = self.home(&self.users[self.devices[device].user]);
        if self.open_calls() < 8 {
            let message = self.message(device, true);
            let number = self.number();
            self.nodes[home].io.calls.push_back(Call { number, message, token });
        }
    }

    fn open_calls(&self) -> usize {
        let open = |node: &Node| {
            let io = &node.io;
            let groups = io.group_calls.len() + io.held_group_calls.len();
            io.calls.len() + io.held_calls.len() + groups + node.shard.back().fanning()
        };
        self.nodes.iter().map(open).sum()
    }

    fn write(&mut self, device: usize, at: usize, link: LinkId, ask: Ask) {
        // The newest token the terminal knows, or the one the link was opened with.
        let newest = self.random.percent(80);
        let token = self.devices[device].token.filter(|_| newest);
        let Some(socket) = self.nodes[at].io.sockets.get_mut(&link) else { return };
        if socket.frames.len() >= 10 {
            return;
        }
        let token = token.unwrap_or(socket.credentials);
        let msg_incr = socket.next_incr;
        socket.next_incr += 1;
        socket.frames.push_back(Frame { ask, token, msg_incr, counted: false });
    }

    /// A new message of the terminal's user, or one of the last to send again.
    ///
    /// What a link sends to a group, its driver carries to the group's home as a call.
    fn message(&mut self, device: usize, to_groups: bool) -> usize {
        let user = self.devices[device].user;
        if self.random.percent(self.plan.repeats) {
            let own = self.oracle.messages.iter().enumerate().rev().take(60);
            let own: Vec<usize> = own
                .filter(|(_, sent)| sent.sender == user && (to_groups || !sent.group))
                .map(|(n, _)| n)
                .take(12)
                .collect();
            if !own.is_empty() {
                return self.random.pick(&own);
            }
        }
        let sender = self.users[user].clone();
        let group = to_groups && self.plan.groups > 0 && self.random.percent(60);
        let receiver = match self.random.below(10) {
            _ if group => {
                let nth = self.random.below(self.plan.groups);
                let groups = self.groups.members.keys();
                UserId::new(groups.map(|group| group.as_str()).nth(nth).expect("it is there"))
            }
            0 => sender.clone(),
            1 => UserId::new(&format!("nobody{}", self.random.below(3))),
            _ => self.users[self.random.below(self.users.len())].clone(),
        };
        let client_msg_id = format!("m{}", self.number());
        let bits = self.random.below(16) as u8;
        let switches =
            if self.random.percent(70) { Switches::ON } else { Switches::from_bits(bits) };
        let content = "x".repeat(self.random.pick(&[0, 1, 30, 250]));
        let session_type = if group { 2 } else { 1 };
        let key = MessageKey::new(sender.as_str(), session_type, receiver.as_str(), &client_msg_id);
        self.oracle.add(Sent {
            sender: user,
            receiver,
            group,
            client_msg_id,
            switches,
            content,
            key,
            attempts: 0,
            wanted: false,
            receipts: Vec::new(),
        })
    }
}
