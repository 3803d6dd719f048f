//! The roll: which processes of the cluster run, of those that use this Redis.
//!
//! A sorted set: each process by the second of the server's clock up to which it is known to run.

use std::time::Duration;

use openim_record::Process;
use openim_storage::port::StoreError;
use redis::Script;

use super::{Connection, Redis};
use crate::process::{hex, unhex};

/// Processes that are told at most.
const TOLD: u32 = 10_000;

/// `ARGV` a process, and the seconds it stands.
const SIGN: &str = r"
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
";

/// `ARGV` how many at most.
const READ: &str = r"
local now = redis.call('TIME')[1]
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[1])
";

/// See the module.
#[derive(Clone)]
pub struct Roll(Redis);

impl Roll {
    /// On this way to Redis.
    #[must_use]
    pub const fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// Says that a process runs, for so long, in seconds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sign(&self, process: Process, stands: Duration) -> Result<(), StoreError> {
        let (key, seconds) = (self.key(), stands.as_secs().max(1));
        let call = async move |mut connection: Connection| {
            let script = Script::new(SIGN);
            let mut script = script.key(key);
            script.arg(hex(process)).arg(seconds);
            script.invoke_async::<i32>(&mut connection).await
        };
        self.0.with("signing the roll in", call).await.map(drop)
    }

    /// Who runs.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read(&self) -> Result<Vec<Process>, StoreError> {
        let key = self.key();
        let call = async move |mut connection: Connection| {
            Script::new(READ).key(key).arg(TOLD).invoke_async::<Vec<String>>(&mut connection).await
        };
        let found = self.0.with("reading the roll in", call).await?;
        Ok(found.iter().filter_map(|process| unhex(process.as_bytes())).collect())
    }

    /// Says that a process does not run any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it stands for as long as it was said last.
    pub async fn leave(&self, process: Process) -> Result<(), StoreError> {
        let mut remove = redis::cmd("ZREM");
        remove.arg(self.key()).arg(hex(process));
        self.0.call::<i32>("leaving the roll in", remove).await.map(drop)
    }

    fn key(&self) -> String {
        self.0.key("run")
    }
}
