//! Entries of links, and the marks that say whether a process' entries are complete (R7).
//!
//! An entry is text: process, slot, generation and epoch, in hexadecimal, parted by colons. A mark is `w` or `a` and the
//! number of its pass.

use std::collections::BTreeSet;
use std::time::Duration;

use openim_record::{Announced, Entry, LinkId, Process, Sight, UserId, Written};
use openim_storage::port::StoreError;
use redis::{Script, pipe};

use super::{Connection, Redis};
use crate::process::{hex, unhex};

/// Users that one round trip asks for.
const USERS_AT_ONCE: usize = 256;
/// How long a mark stands that its process does not look at: of one that has ended, or is cut off from here and writes no
/// entries. It looks each second, so some looks may fail. Who comes while Redis is away waits until it has gone.
pub const MARK_KEPT: Duration = Duration::from_secs(4);
/// How long a look at a mark takes at most: for that long nobody knows whether it has kept the mark.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// `KEYS[1]` a user's entries; `ARGV` platform, process, slot, generation, epoch or 0, seconds they are kept.
/// The server's time, in microseconds, gives a new entry its epoch, so that it rises though all was emptied.
const WRITE: &str = r"
local before = redis.call('HGET', KEYS[1], ARGV[1])
local epoch = tonumber(ARGV[5])
local was = before and tonumber(string.match(before, ':(%x+)$'), 16) or 0
if epoch == 0 then
    local now = redis.call('TIME')
    epoch = math.max(now[1] * 1000000 + now[2], was + 1)
elseif was > epoch then
    return {'', before}
end
local written = string.format('%s:%s:%s:%x', ARGV[2], ARGV[3], ARGV[4], epoch)
redis.call('HSET', KEYS[1], ARGV[1], written)
redis.call('EXPIRE', KEYS[1], ARGV[6])
return {written, before or ''}
";

/// Removes an entry of which all but the epoch is `ARGV[2]`.
const REMOVE: &str = r"
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before and string.match(before, '^(.*):%x+$') == ARGV[2] then
    redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
";

/// Turns the mark `ARGV[1]` into `ARGV[2]`; whether it was that.
const TURN: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
";

/// Where links are.
#[derive(Clone)]
pub struct Presence(Redis);

impl Presence {
    /// On this way to Redis.
    #[must_use]
    pub const fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// Writes a link's entry, unless a later link of the user stands on that platform. An epoch of 0 is given one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it is perhaps written all the same.
    pub async fn write(
        &self,
        user: &UserId,
        platform: u8,
        entry: Entry,
    ) -> Result<Written, StoreError> {
        let key = self.of(user);
        let kept = self.0.options.entries_kept.as_secs();
        let Entry { process, link, epoch } = entry;
        let call = async move |mut connection: Connection| {
            Script::new(WRITE)
                .key(key)
                .arg(platform)
                .arg(hex(process))
                .arg(format!("{:x}", link.index))
                .arg(format!("{:x}", link.generation))
                .arg(epoch)
                .arg(kept)
                .invoke_async::<(String, String)>(&mut connection)
                .await
        };
        let (written, before) = self.0.with("writing an entry to", call).await?;
        if written.is_empty() {
            return Ok(Written::Older);
        }
        let epoch = read(&written).map_or(epoch, |entry| entry.epoch);
        let other = |before: &Entry| (before.process, before.link) != (process, link);
        Ok(Written::Stands { epoch, replaced: read(&before).filter(other) })
    }

    /// Removes the entry of a link that has gone; another's stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn remove(
        &self,
        user: &UserId,
        platform: u8,
        process: Process,
        link: LinkId,
    ) -> Result<(), StoreError> {
        let key = self.of(user);
        let own = format!("{}:{:x}:{:x}", hex(process), link.index, link.generation);
        let call = async move |mut connection: Connection| {
            Script::new(REMOVE)
                .key(key)
                .arg(platform)
                .arg(own)
                .invoke_async::<i32>(&mut connection)
                .await
        };
        self.0.with("removing an entry from", call).await.map(drop)
    }

    /// Puts this in the place of a process' mark.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it stands there perhaps.
    pub async fn announce(&self, process: Process, what: Announced) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.mark(process)).arg(mark_text(what)).arg("EX").arg(MARK_KEPT.as_secs());
        self.0.call("writing a mark to", command).await
    }

    /// Turns the number of a pass into the mark, if it is still in its place; whether it was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn complete(&self, process: Process, pass: u64) -> Result<bool, StoreError> {
        let key = self.mark(process);
        let call = async move |mut connection: Connection| {
            Script::new(TURN)
                .key(key)
                .arg(mark_text(Announced::Writing(pass)))
                .arg(mark_text(Announced::All(pass)))
                .arg(MARK_KEPT.as_secs())
                .invoke_async::<bool>(&mut connection)
                .await
        };
        self.0.with("turning a mark in", call).await
    }

    /// What stands in the place of a process' own mark; `keeps`: which stands for longer by that.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn announced(
        &self,
        process: Process,
        keeps: bool,
    ) -> Result<Option<Announced>, StoreError> {
        let mut command = redis::cmd("GETEX");
        command.arg(self.mark(process));
        if keeps {
            command.arg("EX").arg(MARK_KEPT.as_secs());
        }
        let limit = LOOK_WITHIN.min(self.0.options.call_timeout);
        let look = async move |mut connection: Connection| {
            command.query_async::<Option<String>>(&mut connection).await
        };
        let found = self.0.within(limit, "looking for a mark in", look).await?;
        Ok(found.as_deref().and_then(read_mark))
    }

    /// Reads the marks of these gateways, where users have links, and the marks once more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sight(&self, users: &[UserId], gateways: &[Process]) -> Result<Sight, StoreError> {
        let before = self.marks(gateways).await?;
        let mut found = Vec::with_capacity(users.len());
        for some in users.chunks(USERS_AT_ONCE) {
            let keys = some.iter().map(|user| self.of(user)).collect();
            let entries: Vec<Vec<String>> = self.each("HVALS", keys).await?;
            for (user, entries) in some.iter().zip(entries) {
                let processes = entries.iter().filter_map(|text| Some(read(text)?.process));
                found.push((user.clone(), processes.collect()));
            }
        }
        let after = self.marks(gateways).await?;
        Ok(Sight { before, users: found, after })
    }

    /// On which platforms users have links, ascending; same order. Entries of a process that looks at its mark no more say
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn platforms(&self, users: &[UserId]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::with_capacity(users.len());
        for some in users.chunks(USERS_AT_ONCE) {
            let keys = some.iter().map(|user| self.of(user)).collect();
            let entries: Vec<Vec<(String, String)>> = self.each("HGETALL", keys).await?;
            let links = |of: Vec<(String, String)>| {
                let link = |(platform, entry): (String, String)| {
                    Some((platform.parse().ok()?, read(&entry)?.process))
                };
                of.into_iter().filter_map(link).collect::<Vec<(u8, Process)>>()
            };
            found.extend(entries.into_iter().map(links));
        }
        let processes: BTreeSet<Process> =
            found.iter().flatten().map(|(_, process)| *process).collect();
        let keys = processes.iter().map(|&process| self.mark(process)).collect();
        let marks: Vec<Option<String>> = self.each("GET", keys).await?;
        let alive: BTreeSet<Process> = processes
            .into_iter()
            .zip(marks)
            .filter_map(|(process, mark)| mark.map(|_| process))
            .collect();
        let platforms = |links: Vec<(u8, Process)>| {
            let links = links.into_iter().filter(|(_, process)| alive.contains(process));
            let mut platforms: Vec<u8> = links.map(|(platform, _)| platform).collect();
            platforms.sort_unstable();
            platforms
        };
        Ok(found.into_iter().map(platforms).collect())
    }

    async fn marks(&self, gateways: &[Process]) -> Result<Vec<(Process, u64)>, StoreError> {
        let keys = gateways.iter().map(|&process| self.mark(process)).collect();
        let found: Vec<Option<String>> = self.each("GET", keys).await?;
        let complete =
            |(&process, text): (&Process, &Option<String>)| match read_mark(text.as_deref()?)? {
                Announced::All(pass) => Some((process, pass)),
                Announced::Writing(_) => None,
            };
        Ok(gateways.iter().zip(&found).filter_map(complete).collect())
    }

    /// The answers of one command to each of some keys, in one round trip to each server.
    async fn each<T: redis::FromRedisValue + Send + 'static>(
        &self,
        command: &'static str,
        keys: Vec<String>,
    ) -> Result<Vec<T>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let call = async move |mut connection: Connection| {
            if let Connection::One(_) = connection {
                let mut all = pipe();
                for key in keys {
                    all.cmd(command).arg(key);
                }
                return all.query_async(&mut connection).await;
            }
            // Keys of a cluster lie on several servers; its client takes many calls at once.
            let mut asked = tokio::task::JoinSet::new();
            for (at, key) in keys.into_iter().enumerate() {
                let mut connection = connection.clone();
                asked.spawn(async move {
                    let mut asked = redis::cmd(command);
                    asked.arg(key);
                    asked.query_async::<T>(&mut connection).await.map(|answer| (at, answer))
                });
            }
            let mut found = Vec::new();
            while let Some(answer) = asked.join_next().await {
                found.push(answer.map_err(|_| super::late())??);
            }
            found.sort_by_key(|(at, _)| *at);
            Ok(found.into_iter().map(|(_, answer)| answer).collect())
        };
        self.0.with("reading presence from", call).await
    }

    fn of(&self, user: &UserId) -> String {
        self.0.key(&format!("pres:{user}"))
    }

    fn mark(&self, process: Process) -> String {
        self.0.key(&format!("gw:{}", hex(process)))
    }
}

fn mark_text(what: Announced) -> String {
    match what {
        Announced::Writing(pass) => format!("w{pass}"),
        Announced::All(pass) => format!("a{pass}"),
    }
}

/// `None` for what no gateway has written.
fn read_mark(text: &str) -> Option<Announced> {
    let (kind, pass) = text.split_at_checked(1)?;
    let pass = pass.parse().ok()?;
    match kind {
        "w" => Some(Announced::Writing(pass)),
        "a" => Some(Announced::All(pass)),
        _ => None,
    }
}

/// How an entry is written.
pub(super) fn text(entry: Entry) -> String {
    let Entry { process, link, epoch } = entry;
    format!("{}:{:x}:{:x}:{epoch:x}", hex(process), link.index, link.generation)
}

/// `None` for what no gateway has written.
pub(super) fn read(text: &str) -> Option<Entry> {
    let mut parts = text.split(':');
    let mut next = || parts.next();
    let (process, index, generation, epoch) = (next()?, next()?, next()?, next()?);
    let number = |text| u32::from_str_radix(text, 16).ok();
    let link = LinkId { index: number(index)?, generation: number(generation)? };
    let epoch = u64::from_str_radix(epoch, 16).ok()?;
    Some(Entry { process: unhex(process.as_bytes())?, link, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_entry_is_none() {
        let process = Process([7; 16]);
        let text = format!("{}:a:1f:2c", hex(process));
        let link = LinkId { index: 10, generation: 31 };
        let entry = Entry { process, link, epoch: 44 };
        assert_eq!((read(&text), super::text(entry)), (Some(entry), text.clone()));
        for wrong in ["", "x", "::::", &text[1..], &text[..text.len() - 3]] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_mark_is_none() {
        for what in [Announced::Writing(3), Announced::All(u64::MAX)] {
            assert_eq!(read_mark(&mark_text(what)), Some(what));
        }
        for wrong in ["", "a", "b1", "a-1", "é1"] {
            assert_eq!(read_mark(wrong), None, "{wrong}");
        }
    }
}
