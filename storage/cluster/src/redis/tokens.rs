//! What holds of users' tokens, remembered (R9): never older than the look, or not at all.
//!
//! A user's key is a hash: `s` what was read of the store, or `l` the leave to hand in what is being read, `r` the life of
//! the server in which either was written, and a field for each change that is not known to be over. MySQL decides. Who
//! changes a user's tokens there
//! 1. puts a field of its own here and takes `s` and `l` away, in one script, and changes nothing if that is not answered;
//! 2. changes MySQL;
//! 3. takes its field away, when it knows that the change is over. Where nobody knows, because the process was killed or
//!    MySQL was late, the field stays until no tokens of the user have changed for a day, and the user is read in MySQL for
//!    so long.
//!
//! While there is such a field nothing is known and nothing handed in, and what was read before it came has lost its leave.
//! So what is known was read in MySQL behind every change that was over, and before any other was begun: it does not
//! matter where a process is killed, nor how late a call arrives.
//!
//! Redis itself may lose what it was told:
//! - emptied, it knows nothing, and nobody's leave;
//! - started again, or replaced by another server, with what there was some time ago: `r` is of another life, and neither
//!   known nor leave;
//! - with a change's field, in the moment between 1 and 2: the change finds it gone in 3 and takes away what was handed in
//!   since. If the process is killed in the next moment, between 2 and 3, too, what was handed in between is believed until
//!   [`Options::tokens_kept`](super::Options) is over. So is what a server gives that does not know yet that another is in
//!   its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openim_record::{Class, Newest, Seq, TokenId, UserId};
use openim_storage::port::{Access, Ban, Lease, Remembered, Standing, StoreError, TokenCache};
use redis::Script;

use super::{Call, Connection, Redis, late};

/// A leave is good for so many seconds: longer than the store may take.
const LEASE_SECONDS: u64 = 60;
/// A change that nobody knows the end of is over after so many seconds: no process stands still for so long between two
/// of its steps and then goes on.
const CHANGE_SECONDS: u64 = 24 * 60 * 60;
/// Changes of one user that are told apart. With more, none is known to be over.
const CHANGES_MAX: u64 = 16;
/// How long whoever comes in waits for Redis before MySQL is asked.
const LOOK_WITHIN: Duration = Duration::from_millis(500);
/// For so long nobody looks behind a look that failed.
const AWAY: Duration = Duration::from_secs(1);

/// `ARGV` a leave, and the seconds it is good for. What is known; empty: nothing, and the leave is given; nil: it changes.
const LOOK: &str = r"
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local found = redis.call('HMGET', KEYS[1], 's', 'l', 'r')
if found[1] and found[3] == life then return found[1] end
local own = 0
for field = 1, 3 do if found[field] then own = own + 1 end end
if redis.call('HLEN', KEYS[1]) > own then return false end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'l', ARGV[1], 'r', life)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return ''
";

/// `ARGV` the leave, what was read, and the seconds it is kept.
const REMEMBER: &str = r"
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local found = redis.call('HMGET', KEYS[1], 'l', 'r')
if found[1] ~= ARGV[1] or found[2] ~= life then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 's', ARGV[2], 'r', life)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
";

/// `ARGV` the change's field, how many there may be, and the seconds they are kept.
const CHANGES: &str = r"
redis.call('HDEL', KEYS[1], 's', 'l', 'r')
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[2]) then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'many', 1)
end
redis.call('HSET', KEYS[1], ARGV[1], 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
";

/// `ARGV` the change's field. If it is not there any more, what is known was handed in while nobody could see it.
const CHANGED: &str = r"
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then redis.call('HDEL', KEYS[1], 's', 'l', 'r') end
return 1
";

/// Who changes a user's tokens, by a number that nobody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change(pub u64);

/// What was found, since the start.
#[derive(Debug, Default)]
pub struct Looks {
    /// Looks that found what holds.
    pub known: AtomicU64,
    /// Others, behind each of which the store was asked.
    pub unknown: AtomicU64,
    /// Looks that Redis did not answer, or that were left out as it had just not answered one: the same.
    pub failed: AtomicU64,
}

/// See the module.
#[derive(Clone)]
pub struct TokenStates {
    redis: Redis,
    looks: Arc<Looks>,
    began: Instant,
    /// Until when nobody looks, in milliseconds since `began`.
    away_until_ms: Arc<AtomicU64>,
}

impl TokenStates {
    /// On this way to Redis.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        let (looks, away_until_ms) = Default::default();
        Self { redis, looks, began: Instant::now(), away_until_ms }
    }

    /// What was found.
    #[must_use]
    pub fn looks(&self) -> Arc<Looks> {
        Arc::clone(&self.looks)
    }

    /// Tokens of a user are about to change: from the answer on nothing is known of them, until [`Self::changed`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing may be changed. [`Self::changed`] makes good what was said all the same.
    pub async fn changes(&self, user: &UserId, change: Change) -> Result<(), StoreError> {
        let key = self.of(user);
        let call = async move |mut connection: Connection| {
            let script = Script::new(CHANGES);
            let mut script = script.key(key);
            script.arg(field(change)).arg(CHANGES_MAX).arg(CHANGE_SECONDS);
            script.invoke_async::<i32>(&mut connection).await
        };
        self.redis.with("saying that tokens change to", call).await.map(drop)
    }

    /// A change is over, or was not made: what the store has from now on may be handed in.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: to be said again.
    pub async fn changed(&self, user: &UserId, change: Change) -> Result<(), StoreError> {
        let key = self.of(user);
        let call = async move |mut connection: Connection| {
            Script::new(CHANGED)
                .key(key)
                .arg(field(change))
                .invoke_async::<i32>(&mut connection)
                .await
        };
        self.redis.with("saying that tokens have changed to", call).await.map(drop)
    }

    /// Nothing is known of a user any more, until it is read again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget(&self, user: &UserId) -> Result<(), StoreError> {
        let mut command = redis::cmd("HDEL");
        command.arg(self.of(user)).arg(&["s", "l", "r"]);
        self.redis.call::<i32>("forgetting tokens in", command).await.map(drop)
    }

    fn of(&self, user: &UserId) -> String {
        self.redis.key(&format!("tok:{user}"))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn away(&self) -> Result<(), StoreError> {
        match self.now_ms() < self.away_until_ms.load(Ordering::Relaxed) {
            true => Err(super::failed(&self.redis.options, "looking for tokens in", late())),
            false => Ok(()),
        }
    }

    /// A call that nobody waits for any longer than for the store.
    async fn quickly<T: Send + 'static>(
        &self,
        doing: &str,
        call: impl Call<T>,
    ) -> Result<T, StoreError> {
        self.away()?;
        let limit = LOOK_WITHIN.min(self.redis.options.call_timeout);
        let answer = self.redis.within(limit, doing, call).await;
        if answer.is_err() {
            let until_ms = self.now_ms().saturating_add(AWAY.as_millis() as u64);
            self.away_until_ms.store(until_ms, Ordering::Relaxed);
        }
        answer
    }
}

impl Change {
    /// One that nobody else makes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the system gives no random numbers.
    pub fn new() -> Result<Self, StoreError> {
        random().map(Self)
    }
}

#[async_trait]
impl TokenCache for TokenStates {
    async fn look(&self, user: &UserId) -> Result<Remembered, StoreError> {
        let (key, lease) = (self.of(user), random()?);
        let call = async move |mut connection: Connection| {
            let script = Script::new(LOOK);
            let mut script = script.key(key);
            script.arg(lease).arg(LEASE_SECONDS);
            script.invoke_async::<Option<Vec<u8>>>(&mut connection).await
        };
        let found: Result<Option<Vec<u8>>, _> = self.quickly("looking for tokens in", call).await;
        let found = found.inspect_err(|_| {
            self.looks.failed.fetch_add(1, Ordering::Relaxed);
        })?;
        let found = match found.as_deref() {
            Some([]) => Remembered::Unknown(Lease(lease)),
            // What a later build has written is passed over as long as it is there.
            Some(bytes) => decode(bytes)
                .map_or(Remembered::Changing, |standing| Remembered::Known(Box::new(standing))),
            None => Remembered::Changing,
        };
        let count = match found {
            Remembered::Known(_) => &self.looks.known,
            Remembered::Unknown(_) | Remembered::Changing => &self.looks.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    async fn remember(
        &self,
        user: &UserId,
        Lease(lease): Lease,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let (key, bytes) = (self.of(user), encode(standing));
        let kept = self.redis.options.tokens_kept.as_secs();
        let call = async move |mut connection: Connection| {
            let script = Script::new(REMEMBER);
            let mut script = script.key(key);
            script.arg(lease).arg(bytes).arg(kept);
            script.invoke_async::<i32>(&mut connection).await
        };
        self.quickly("remembering tokens in", call).await.map(drop)
    }
}

fn field(Change(number): Change) -> String {
    format!("c{number:x}")
}

fn random() -> Result<u64, StoreError> {
    getrandom::u64().map_err(|cause| StoreError::Unavailable {
        what: "asking the system for a random number".to_owned(),
        cause: cause.to_string().into(),
    })
}

const VERSION: u8 = 1;

/// Version; of each class 0, or 1 and identity, `iat`, `exp`; 0, or 1 and what was decided. An `exp` and a ban have their 0
/// or 1 before them, a reason its length. Numbers are little endian.
fn encode(standing: &Standing) -> Vec<u8> {
    let mut out = vec![VERSION];
    let number = |out: &mut Vec<u8>, number: i64| out.extend(number.to_le_bytes());
    for class in Class::ALL {
        let newest = standing.newest.of(class);
        out.push(newest.is_some().into());
        let Some(Newest { id, issued_at, expires_at }) = newest else { continue };
        out.extend(id.0);
        number(&mut out, *issued_at);
        out.push(expires_at.is_some().into());
        expires_at.iter().for_each(|at| number(&mut out, *at));
    }
    out.push(standing.access.is_some().into());
    if let Some(access) = &standing.access {
        access.endings().iter().for_each(|at| number(&mut out, *at));
        out.push(access.ban.is_some().into());
        if let Some(Ban { until_s, reason }) = &access.ban {
            number(&mut out, *until_s);
            number(&mut out, i64::try_from(reason.len()).unwrap_or(i64::MAX));
            out.extend(reason.as_bytes());
        }
        out.push(access.erased.into());
        out.extend(access.min.0.to_le_bytes());
    }
    out
}

/// `None` for what this build has not written.
fn decode(bytes: &[u8]) -> Option<Standing> {
    let mut from = Reader(bytes);
    if from.byte()? != VERSION {
        return None;
    }
    let mut standing = Standing::default();
    for class in Class::ALL {
        if !from.flag()? {
            continue;
        }
        let (id, issued_at) = (TokenId(from.bytes()?), from.number()?);
        let expires_at = if from.flag()? { Some(from.number()?) } else { None };
        *standing.newest.of_mut(class) = Some(Newest { id, issued_at, expires_at });
    }
    if from.flag()? {
        let mut endings = [0; 8];
        for at in &mut endings {
            *at = from.number()?;
        }
        let mut access = Access::with_endings(endings);
        if from.flag()? {
            let until_s = from.number()?;
            let len = usize::try_from(from.number()?).ok()?;
            let reason = std::str::from_utf8(from.take(len)?).ok()?.to_owned();
            access.ban = Some(Ban { until_s, reason });
        }
        access.erased = from.flag()?;
        access.min = Seq(u64::from_le_bytes(from.bytes()?));
        standing.access = Some(Box::new(access));
    }
    from.0.is_empty().then_some(standing)
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(len)?;
        self.0 = left;
        Some(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<i64> {
        self.bytes().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use openim_record::NewestTokens;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let newest =
            |n, expires_at| Newest { id: TokenId([n; 16]), issued_at: i64::from(n), expires_at };
        let tokens = NewestTokens {
            mobile: Some(newest(1, Some(i64::MAX))),
            pc: None,
            other: Some(newest(2, None)),
        };
        let mut banned = Access::default();
        banned.end(3, 1_700_000_000);
        banned.ban = Some(Ban { until_s: i64::MAX, reason: "spam, \u{4e2d}\u{6587}".to_owned() });
        (banned.erased, banned.min) = (true, Seq(u64::MAX));
        for newest in [NewestTokens::default(), tokens] {
            for access in [None, Some(Access::default()), Some(banned.clone())] {
                let standing = Standing { newest, access: access.map(Box::new) };
                let bytes = encode(&standing);
                assert_eq!(decode(&bytes), Some(standing));
                for end in 0..bytes.len() {
                    assert_eq!(decode(&bytes[..end]), None, "{end} bytes of it");
                }
                assert_eq!(decode(&[&bytes[..], &[0]].concat()), None, "and more");
                assert_eq!(decode(&[&[VERSION + 1], &bytes[1..]].concat()), None, "later");
            }
        }
    }
}
