//! From an accepted socket to an open link: the HTTP head, the token, the user's home, the 101.
//!
//! The head is read and the token verified where the socket was accepted; then the socket moves to
//! the shard that owns its user, which knows whether the token was superseded.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
#[cfg(feature = "cluster")]
use std::time::Duration;

use openim_auth::Platform;
use openim_protocol::handshake::{
    Head, HeadReader, Refusal, UpgradeRequest, write_refusal, write_switching,
};
use openim_record::UserId;
#[cfg(feature = "cluster")]
use openim_shard::LinkId;
use openim_shard::{Credentials, Shard};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::entrance::write_and_close;
use super::forwarded::origin;
use super::greeting::greet;
use super::link::LinkTask;
use crate::bus::{Handoff, Request};
use crate::doors::{OverLimit, Permit, Seat, SocketPermit};
use crate::driver::{Core, Io, LinkIo, Minute};
use crate::metrics::RefusedWith;
use crate::ops::credentials::{credentials, refused_token, why_refused};
use crate::phase::Stage;
use crate::socket::{Moving, Socket};

/// Largest HTTP head in bytes.
const HEAD_BYTES_MAX: u32 = 8 * 1024;
/// How long a link waits until others can know of it. Longer than a mark stands behind the first look that failed: then they
/// ask here in any case. Clients give a link up after ten seconds.
#[cfg(feature = "cluster")]
const KNOWN_WITHIN: Duration = Duration::from_secs(8);
/// Most heads arrive whole in their first segment.
const HEAD_BYTES_FIRST: usize = 1024;

/// Reads the head and either refuses or moves on to [`admit`] at the user's home. A head that is not there
/// yet makes room for newcomers.
pub(super) async fn handshake(
    core: &Rc<Core>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: SocketPermit,
    seat: Rc<Seat>,
) {
    let mut permit = Some(permit);
    let time = core.settings.handshake_time;
    let until = Instant::now() + time;
    let greeted = tokio::select! {
        greeted = greet(core, stream, time) => greeted,
        () = seat.ended() => return,
    };
    let Some(mut stream) = greeted else { return };
    let read = timeout_at(until, read_head(core, &mut stream, peer, &mut permit));
    let read = tokio::select! {
        read = read => read,
        () = seat.ended() => return,
    };
    seat.moves();
    match read {
        Ok(Ok(handoff)) => forward(core, handoff.into_handoff(stream)).await,
        Ok(Err(Some(refusal))) => refuse(core, stream, refusal, permit),
        // The peer went away, or was too slow to say what it wants.
        Ok(Err(None)) | Err(_) => {}
    }
}

/// What the head said, verified; the socket joins it.
struct Verified {
    early: Vec<u8>,
    uid: UserId,
    platform: u8,
    from: IpAddr,
    credentials: Credentials,
    accept: openim_protocol::handshake::Accept,
    permit: Permit,
}

impl Verified {
    fn into_handoff(self, stream: Socket) -> std::io::Result<Handoff> {
        Ok(Handoff {
            stream: Moving::leave(stream)?,
            early: self.early,
            uid: self.uid,
            platform: self.platform,
            from: self.from,
            credentials: self.credentials,
            accept: self.accept,
            permit: self.permit,
        })
    }
}

async fn read_head(
    core: &Core,
    stream: &mut Socket,
    peer: SocketAddr,
    permit: &mut Option<SocketPermit>,
) -> Result<Verified, Option<Refusal>> {
    let mut head = Vec::with_capacity(HEAD_BYTES_FIRST);
    let mut reader = HeadReader::new(HEAD_BYTES_MAX);
    loop {
        let read = stream.read_buf(&mut head).await.map_err(|_| None)?;
        if read == 0 {
            return Err(None);
        }
        match reader.next(&head) {
            Ok(Head::Partial) => {}
            Ok(Head::Complete { request, consumed }) => {
                let early = head.get(consumed..).unwrap_or_default().to_vec();
                return verify(core, &request, early, peer, permit).map_err(Some);
            }
            Err(error) => return Err(Some(error.refusal())),
        }
    }
}

/// The checks in the order clients observe (spec, websocket 1.2), but for what only the home knows.
fn verify(
    core: &Core,
    request: &UpgradeRequest<'_>,
    early: Vec<u8>,
    peer: SocketAddr,
    permit: &mut Option<SocketPermit>,
) -> Result<Verified, Refusal> {
    if core.phase.get() >= Stage::Closing {
        return Err(Refusal::Unavailable);
    }
    let forwarded = request.forwarded_for.iter().copied();
    let from = origin(peer.ip(), &core.live().trusted_proxies, forwarded);
    // Before anything that costs: clients redial with refused tokens every other second.
    let counted = core.doors.count_link(from, core.now().mono_ms / 1000);
    let counted = counted.map_err(|OverLimit| Refusal::Unavailable)?;
    let refused = |reason: &str| {
        let claimed = request.send_id.as_deref().unwrap_or_default();
        refused_token(core, claimed, Some(from), reason);
        Refusal::Unauthorized
    };
    let (Some(token), Some(uid), Some(platform)) =
        (&request.token, &request.send_id, &request.platform_id)
    else {
        return Err(refused("a parameter is missing"));
    };
    let platform = platform.parse().ok().and_then(Platform::from_id);
    let platform = platform.ok_or_else(|| refused("no such platform"))?.id();
    let credentials = credentials(core, token, uid, Some(platform))
        .ok_or_else(|| refused(&why_refused(core, token, uid)))?;
    let accept = request.upgrade()?;
    let mut permit = match permit.take().map(SocketPermit::into_link) {
        Some(Ok(link)) => link,
        Some(Err(socket)) => {
            *permit = Some(socket);
            return Err(Refusal::Unavailable);
        }
        None => return Err(Refusal::Unavailable),
    };
    permit.address = counted;
    let uid = UserId::new(uid);
    Ok(Verified { early, uid, platform, from, credentials, accept, permit })
}

async fn forward(core: &Rc<Core>, handoff: std::io::Result<Handoff>) {
    let Ok(handoff) = handoff else { return };
    let home = core.here.home(handoff.uid.as_str());
    let handoff = Box::new(handoff);
    if home == core.here.index {
        // On a small task of its own: many may wait for their users to be loaded.
        let core = Rc::clone(core);
        tokio::task::spawn_local(async move { admit(&core, handoff).await });
        return;
    }
    let mut request = Request::Socket(handoff);
    loop {
        let sent = core.io.borrow_mut().mesh.send(home, request);
        match sent {
            Ok(()) => return,
            Err(back) => request = back,
        }
        core.room().await;
    }
}

/// At the home of its user: the token against the newest ones, then the 101, then the link.
pub(crate) async fn admit(core: &Rc<Core>, handoff: Box<Handoff>) {
    let loaded = core.ensure_loaded(&handoff.uid).await;
    let handoff = *handoff;
    let Ok(stream) = handoff.stream.arrive() else { return };
    if loaded.is_err() {
        return refuse(core, stream, Refusal::Unavailable, handoff.permit);
    }
    // Whoever is let in now would be sent away at once.
    if core.phase.get() >= Stage::Closing {
        return refuse(core, stream, Refusal::Unavailable, handoff.permit);
    }
    let uid = handoff.uid.as_str();
    let refused = |refusal| {
        if refusal == Refusal::Unauthorized {
            refused_token(core, uid, Some(handoff.from), "superseded");
        }
        refusal
    };
    if let Err(refusal) = admits(core, &handoff.uid, &handoff.credentials).await {
        return refuse(core, stream, refused(refusal), handoff.permit);
    }
    // The link is registered before the peer can know that it is open, so no push is missed.
    let frame_max = core.settings.message_bytes_max;
    let open = |shard: &mut Shard, io: &mut Io| {
        shard.open(uid, handoff.platform, handoff.credentials, core.now(), io)
    };
    let id = core.with(open);
    #[cfg(feature = "cluster")]
    if let Err(refusal) = join(core, id, &handoff.uid, &handoff.credentials).await {
        core.drop_link(id);
        return refuse(core, stream, refused(refusal), handoff.permit);
    }
    let now = core.now();
    core.with(|_, io| {
        let unit = core.unit_of(uid, handoff.platform);
        let mut link = LinkIo::new(id.generation, stream, handoff.permit, frame_max, unit);
        link.since = Minute::of(now.mono_ms);
        link.keep(&handoff.early, 0);
        io.insert(id, link);
        io.frame(id, |out| write_switching(out, &handoff.accept));
    });
    core.metrics.links_opened.add(1);
    core.trace(uid, "link opened", || {
        format!("platform={} from={}", handoff.platform, handoff.from)
    });
    tokio::task::spawn_local(LinkTask::new(Rc::clone(core), id));
    core.end_turn(now);
}

/// Whether somebody who is in memory is to be let in with this token.
async fn admits(core: &Rc<Core>, uid: &UserId, credentials: &Credentials) -> Result<(), Refusal> {
    let by_memory = || {
        let shard = core.shard.borrow();
        shard.front().admits(uid.as_str(), credentials, core.now().trusted_s()) == Some(true)
    };
    #[cfg(feature = "cluster")]
    if core.notes_comings() && !by_memory() {
        // Of a login elsewhere this shard has not heard yet, perhaps.
        core.reload(uid).await.map_err(|_| Refusal::Unavailable)?;
    }
    if by_memory() { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// In a cluster a link that is open waits for its 101 until others can know of it. Then its token is read: who supersedes
/// it from now on finds the link.
#[cfg(feature = "cluster")]
async fn join(
    core: &Rc<Core>,
    id: LinkId,
    uid: &UserId,
    credentials: &Credentials,
) -> Result<(), Refusal> {
    if !core.notes_comings() {
        return Ok(());
    }
    let known = timeout(KNOWN_WITHIN, core.known_abroad(id)).await;
    known.map_err(|_| Refusal::Unavailable)?;
    core.reload(uid).await.map_err(|_| Refusal::Unavailable)?;
    admits(core, uid, credentials).await?;
    // Replaced meanwhile, or the doors are closed. Nothing is waited for behind this.
    let open = core.shard.borrow().front().links_of(uid.as_str()).any(|(link, _)| link == id);
    match open && core.phase.get() < Stage::Closing {
        true => Ok(()),
        false => Err(Refusal::Unavailable),
    }
}

/// Answers on a task of its own, so that the many handshakes that succeed need no room for it. `held` is
/// given back when the socket is closed.
fn refuse(core: &Rc<Core>, mut stream: Socket, refusal: Refusal, held: impl Sized + 'static) {
    let with = match refusal {
        Refusal::BadRequest => RefusedWith::BadRequest,
        Refusal::Unauthorized => RefusedWith::Unauthorized,
        Refusal::MethodNotAllowed => RefusedWith::MethodNotAllowed,
        Refusal::HeadTooLarge => RefusedWith::HeadTooLarge,
        Refusal::Unavailable => RefusedWith::Unavailable,
    };
    core.metrics.handshakes_refused.of(with).add(1);
    let core = Rc::clone(core);
    let place = core.doors.handshake();
    tokio::task::spawn_local(async move {
        let mut answer = Vec::new();
        write_refusal(&mut answer, refusal);
        let seat = Rc::new(Seat::default());
        seat.waits(core.doors.heads());
        // A peer that does not take its refusal in time is dropped all the same.
        tokio::select! {
            _ = timeout(core.settings.handshake_time, write_and_close(&mut stream, &answer)) => {}
            () = seat.ended() => {}
        }
        seat.moves();
        drop((stream, held, place));
    });
}
