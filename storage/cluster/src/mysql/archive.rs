//! The archive on MySQL: a row of `chat_log` for each persistent message, by its `serverMsgID`.
//!
//! A message is kept in columns, as the original's tools read them, and can be had back byte for byte. A row that the
//! server refuses for ever goes into `dead_letter` with its record, is counted, and holds nothing else up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use openim_record::{Message, MessageKey, Position, Switches};
use openim_storage::port::{Archive, Archived, StoreError};
use sha2::{Digest as _, Sha256};
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use super::fault::{DUPLICATE, Fault, number};
use super::statement::{Statement, id, millis, push_between, push_time, text};
use super::store::Store;

/// Messages and bytes of them that one statement has at most; a single message may have more.
const STATEMENT_ROWS: usize = 512;
const STATEMENT_BYTES: usize = 1 << 20;

/// The archive on MySQL.
pub struct MysqlArchive {
    pub(super) store: Arc<Store>,
    dead: Arc<AtomicU64>,
}

impl MysqlArchive {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, dead: Arc::default() }
    }

    /// How many records went into `dead_letter` since this was opened.
    #[must_use]
    pub fn dead_letters(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }

    /// Keeps what lies in the log and is no record in `dead_letter`. To keep it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_aside(
        &self,
        position: Position,
        append_ms: i64,
        why: &str,
        record: &[u8],
    ) -> Result<(), StoreError> {
        let logged = Logged { position, append_ms, record: record.to_vec() };
        let of = (logged, why.to_owned(), Arc::clone(&self.dead));
        self.store
            .read("setting a record aside", of, |on, (logged, why, dead)| {
                Box::pin(bury(on, logged, why, dead))
            })
            .await
    }
}

/// A record of the log, kept while it is written.
struct Logged {
    position: Position,
    append_ms: i64,
    record: Vec<u8>,
}

#[async_trait]
impl Archive for MysqlArchive {
    async fn append(&self, messages: &[Archived<'_>]) -> Result<(), StoreError> {
        let kept = messages.iter().filter(|archived| Message::kept_forever(archived.record));
        let kept = kept.map(|archived| Logged {
            position: archived.position,
            append_ms: archived.append_ms,
            record: archived.record.to_vec(),
        });
        let kept: Vec<Logged> = kept.collect();
        if kept.is_empty() {
            return Ok(());
        }
        // Each statement by itself: what is there already is left as it is, so all of it can be done again.
        let of = (kept, Arc::clone(&self.dead));
        self.store
            .read("archiving messages", of, |on, (kept, dead)| Box::pin(append(on, kept, dead)))
            .await
    }

    async fn scan(
        &self,
        from: Position,
        messages_max: usize,
        each: &mut (dyn for<'r> FnMut(Archived<'r>) + Send),
    ) -> Result<Option<Position>, StoreError> {
        let of = (from, messages_max.max(1));
        let (shown, next) = self
            .store
            .read("reading the archive", of, |on, (from, messages_max)| {
                Box::pin(scan(on, *from, *messages_max))
            })
            .await?;
        for Logged { position, append_ms, record } in &shown {
            each(Archived { position: *position, append_ms: *append_ms, record });
        }
        Ok(next)
    }
}

async fn append(on: &mut MySqlConnection, kept: &[Logged], dead: &AtomicU64) -> Result<(), Fault> {
    let mut rows = Vec::with_capacity(kept.len());
    for logged in kept {
        match Message::decode(&logged.record) {
            Ok(message) => rows.push((logged, message)),
            Err(why) => bury(on, logged, &why.to_string(), dead).await?,
        }
    }
    // Those that are still to be written, the next ones last.
    let mut parts = statements(&rows);
    parts.reverse();
    while let Some(part) = parts.pop() {
        match insert(on, part).await {
            Err(fault) if fault.unfit() => match part {
                [(logged, _)] => bury(on, logged, &fault.to_string(), dead).await?,
                _ => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            },
            written => written?,
        }
    }
    Ok(())
}

/// Parts of rows that are no more than one statement takes; a power of two of them, as in [`super::statement::parts`].
fn statements<'a, 'm>(
    mut rows: &'a [(&'m Logged, Message<'m>)],
) -> Vec<&'a [(&'m Logged, Message<'m>)]> {
    let mut parts = Vec::new();
    while !rows.is_empty() {
        let mut bytes = 0;
        let fits = rows.iter().take(STATEMENT_ROWS).take_while(|(logged, _)| {
            bytes += logged.record.len();
            bytes <= STATEMENT_BYTES
        });
        let len = fits.count().checked_ilog2().map_or(1, |bits| 1 << bits);
        let (part, rest) = rows.split_at(len);
        parts.push(part);
        rows = rest;
    }
    parts
}

async fn insert(on: &mut MySqlConnection, rows: &[(&Logged, Message<'_>)]) -> Result<(), Fault> {
    let mut insertion = Statement::new(
        "INSERT INTO chat_log (msg_id, send_id, session_type, recv_id, content_type, msg_from, content, \
         sender_platform_id, position, send_time_ns, switches, origin_platform, client_msg_id, sender_nick_name, \
         sender_face_url, offline_info, send_time) VALUES ",
    );
    for (n, (logged, message)) in rows.iter().enumerate() {
        push_between(&mut insertion, n, ", ");
        let mut row = insertion.separated(", ");
        row.push_unseparated("(").push_bind(message.key.server_id(message.send_id).into_bytes());
        row.push_bind(message.send_id.as_bytes()).push_bind(message.session_type);
        row.push_bind(message.recv_id.as_bytes()).push_bind(message.content_type);
        row.push_bind(message.msg_from).push_bind(message.content);
        row.push_bind(message.sender_platform_id).push_bind(logged.position.0);
        row.push_bind(message.send_time_ns).push_bind(message.switches.to_bits());
        row.push_bind(message.origin_platform).push_bind(message.client_msg_id);
        row.push_bind(message.sender_nick_name).push_bind(message.sender_face_url);
        row.push_bind(message.offline_info).push_unseparated(", ");
        push_time(&mut insertion, logged.append_ms);
        insertion.push(")");
    }
    // Whatever else is wrong with a row must be an error, so it is not ignored.
    insertion.push(" ON DUPLICATE KEY UPDATE msg_id = msg_id");
    insertion.build().execute(on).await?;
    Ok(())
}

/// Keeps a record that can never be archived.
async fn bury(
    on: &mut MySqlConnection,
    logged: &Logged,
    why: &str,
    dead: &AtomicU64,
) -> Result<(), Fault> {
    let mut insertion = Statement::new(
        "INSERT INTO dead_letter (digest, position, reason, record, append_time) VALUES (",
    );
    // The same one again is known by where it lay and what it is.
    let digest = Sha256::new().chain_update(logged.position.0.to_be_bytes());
    let digest = digest.chain_update(&logged.record).finalize();
    insertion.push_bind(&digest[..]).push(", ").push_bind(logged.position.0);
    insertion.push(", ").push_bind(why).push(", ").push_bind(&*logged.record).push(", ");
    push_time(&mut insertion, logged.append_ms);
    insertion.push(")");
    match insertion.build().execute(on).await {
        Err(error) if number(&error) == Some(DUPLICATE) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            dead.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
}

/// Messages in log order, and where to go on. Places of different partitions may be the same: who shares one is shown
/// together.
async fn scan(
    on: &mut MySqlConnection,
    from: Position,
    messages_max: usize,
) -> Result<(Vec<Logged>, Option<Position>), Fault> {
    let limit = (messages_max as u64).saturating_add(1);
    let mut shown = find(on, ">=", from, limit).await?;
    if shown.len() <= messages_max {
        return Ok((shown, None));
    }
    let next = shown.pop().map_or(from, |more| more.position);
    if shown.iter().all(|logged| logged.position == next) {
        return Ok((find(on, "=", next, u64::MAX).await?, Some(Position(next.0 + 1))));
    }
    shown.retain(|logged| logged.position != next);
    Ok((shown, Some(next)))
}

async fn find(
    on: &mut MySqlConnection,
    compared: &str,
    position: Position,
    limit: u64,
) -> Result<Vec<Logged>, Fault> {
    let mut look = Statement::new(concat!(
        "SELECT send_id, session_type, recv_id, content_type, msg_from, content, sender_platform_id, position, \
         send_time_ns, switches, origin_platform, client_msg_id, sender_nick_name, sender_face_url, offline_info, ",
        millis!("send_time"),
        " FROM chat_log WHERE position "
    ));
    look.push(compared).push(" ").push_bind(position.0);
    look.push(" ORDER BY position, msg_id LIMIT ").push_bind(limit);
    look.build().fetch_all(on).await?.iter().map(logged_of).collect()
}

fn logged_of(row: &MySqlRow) -> Result<Logged, Fault> {
    let (send_id, recv_id, session_type) = (id(row, 0)?, id(row, 2)?, row.try_get(1)?);
    let (content, client_msg_id) = (text(row, 5)?, text(row, 11)?);
    let [nick_name, face_url, offline_info] = [text(row, 12)?, text(row, 13)?, text(row, 14)?];
    let message = Message {
        key: MessageKey::new(send_id, session_type, recv_id, &client_msg_id),
        send_time_ns: row.try_get(8)?,
        switches: Switches::from_bits(row.try_get(9)?),
        origin_platform: row.try_get(10)?,
        msg_from: row.try_get(4)?,
        content_type: row.try_get(3)?,
        session_type,
        sender_platform_id: row.try_get(6)?,
        send_id,
        recv_id,
        client_msg_id: &client_msg_id,
        sender_nick_name: &nick_name,
        sender_face_url: &face_url,
        offline_info: &offline_info,
        content: &content,
    };
    let mut record = Vec::with_capacity(message.encoded_len());
    message.encode(&mut record);
    Ok(Logged { position: Position(row.try_get(7)?), append_ms: row.try_get(15)?, record })
}
