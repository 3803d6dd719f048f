//! `openim backup`, `verify` and `restore`: copies by command.
//!
//! In: what the operator asked for. Out: a line with position and time, or one of what stands in the way.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{anyhow, bail};
use openim_config::Config;
use openim_storage::embedded::OpenError;
use openim_storage::embedded::copy::{
    self, Copy, CopyError, Manifest, Moment, Source, SourceError, Stopped,
};

use super::Remote;
use crate::clock::unix_ms;
use crate::console;
use crate::line::timestamp;
use crate::moment::in_utc;
use crate::secrets;
use crate::visit::{Elsewhere, Place};

/// What follows asks so often at most: a part of a second behind is near enough, and costs the server little.
const FOLLOW_EVERY: Duration = Duration::from_millis(600);
const FOLLOW_WAIT_MS: u64 = 500;
/// Pause before a server that cannot be reached is asked again.
const AGAIN: Duration = Duration::from_millis(500);
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Damages that are told one by one.
const DAMAGES_TOLD_MAX: u64 = 100;

/// What a copy is made from.
pub struct From<'a> {
    /// Settings of the server.
    pub config: &'a Config,
    /// Its data directory.
    pub data_dir: &'a Path,
    /// Where its operators' port is, if it is not this machine's, as the settings say.
    pub elsewhere: &'a Elsewhere,
}

/// Makes or goes on with a copy in `dir`; with `follow` it goes on until it is ended.
///
/// # Errors
/// One line of what stands in the way.
pub fn backup(dir: &Path, follow: bool, from: &From<'_>) -> anyhow::Result<()> {
    from.is_apart_from(dir)?;
    match follow {
        true => follow_on(dir, &mut from.remote(Some(name(dir)))?),
        false => once(dir, &mut *from.source()?),
    }
}

impl From<'_> {
    /// Refuses a copy inside of what is copied: what takes one would take both.
    fn is_apart_from(&self, dir: &Path) -> anyhow::Result<()> {
        let data = self.data_dir.canonicalize().ok();
        let whole = std::path::absolute(dir).ok();
        let above = whole.iter().flat_map(|whole| whole.ancestors());
        let real = above.filter_map(|above| above.canonicalize().ok()).next();
        match data.zip(real).is_some_and(|(data, real)| real.starts_with(data)) {
            true => bail!(
                "{}: lies in the data directory that it is to be a copy of; choose another place, on another disk",
                dir.display()
            ),
            false => Ok(()),
        }
    }

    fn source(&self) -> anyhow::Result<Box<dyn Source>> {
        if self.elsewhere.from.is_some() {
            return Ok(Box::new(self.remote(None)?));
        }
        match Stopped::open(self.data_dir, unix_ms) {
            Ok(Some(stopped)) => Ok(Box::new(stopped)),
            Ok(None) => bail!(
                "{}: no data of openim is here; --data-dir is the server's embedded.dataDir, or --from URL its operators' port",
                self.data_dir.display()
            ),
            Err(SourceError::Open(OpenError::Locked { .. })) => Ok(Box::new(self.remote(None)?)),
            Err(error) => Err(error.into()),
        }
    }

    /// The running server.
    pub(crate) fn remote(&self, follow: Option<String>) -> anyhow::Result<Remote> {
        let secret = secrets::to_ask(self.config, self.data_dir)?;
        let Some(secret) = secret else {
            bail!(
                "admin.secret of the server is not known here: set OPENIM_ADMIN_SECRET to it (it is in its settings, or in the \
                 file admin_secret of its data directory)"
            );
        };
        let place = match self.elsewhere.place(self.config).map_err(anyhow::Error::msg)? {
            Some(place) => place,
            None => Place::of_operators(self.config).map_err(anyhow::Error::msg)?,
        };
        Remote::at(place, secret, follow).map_err(anyhow::Error::msg)
    }
}

/// Under which name a copy in `dir` is known to the server.
fn name(dir: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("backup:{}:{}", host.trim(), dir.display())
}

fn once(dir: &Path, source: &mut dyn Source) -> anyhow::Result<()> {
    let mut copy = Copy::open(dir, source)?;
    let (mut taken, mut told) = (0, Instant::now());
    loop {
        taken += copy.step(source, 0)?.bytes;
        if copy.is_whole() {
            break;
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let (at, of) = copy.progress();
            tracing::info!("copying: at position {at} of {of}");
        }
    }
    copy.finish()?;
    console::print(&format!("{}, {taken} bytes taken\n", line(dir, copy.manifest())))
}

fn line(dir: &Path, manifest: &Manifest) -> String {
    format!(
        "{}: a backup up to position {}, as of {}",
        dir.display(),
        manifest.checked.at,
        utc(manifest.time_ms)
    )
}

fn utc(ms: i64) -> String {
    timestamp(UNIX_EPOCH + Duration::from_millis(ms.max(0).cast_unsigned()))
}

fn follow_on(dir: &Path, source: &mut Remote) -> anyhow::Result<()> {
    let mut copy: Option<Copy> = None;
    let (mut greeted, mut away, mut near, mut fenced) = (false, false, false, false);
    loop {
        let stepped = match &mut copy {
            None => Copy::open(dir, source).map(|opened| {
                copy = Some(opened);
                None
            }),
            Some(copy) if !greeted => copy.greet(source).map(|()| None),
            Some(copy) => copy.step(source, FOLLOW_WAIT_MS).map(Some),
        };
        match stepped {
            Ok(step) => {
                greeted = true;
                if std::mem::take(&mut away) {
                    tracing::info!("the server is reached again");
                }
                if let Some(why) = source.fenced().filter(|_| !fenced) {
                    fenced = true;
                    let of = source.url();
                    tracing::warn!(
                        "{of} is fenced ({why}), and gets nothing new: follow the new server"
                    );
                }
                let Some(step) = step.filter(|step| step.done) else { continue };
                if !std::mem::replace(&mut near, step.done)
                    && let Some(copy) = &copy
                {
                    let so_far = line(dir, copy.manifest());
                    console::print(&format!("{so_far}; following {}\n", source.url()))?;
                }
                sleep(FOLLOW_EVERY);
            }
            Err(error) if error.may_pass() => {
                greeted = false;
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(cause = %error, "the copy does not go on; it is tried again");
                }
                sleep(AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads all that is in a copy, or in the data directory of a stopped server, and tells what is damaged; whether nothing is.
///
/// # Errors
/// One line where it cannot be read at all.
pub fn verify(dir: &Path) -> anyhow::Result<bool> {
    let mut told = 0;
    let verified = copy::verify(dir, &mut |damage| {
        told += 1;
        if told <= DAMAGES_TOLD_MAX {
            console::complain(damage);
        }
    })?;
    if told > DAMAGES_TOLD_MAX {
        console::complain(&format!("and {} more", told - DAMAGES_TOLD_MAX));
    }
    let copy::Verified { position, last_ms, segments, records, bases, inboxes, damages } = verified;
    let whole = match damages {
        0 => "whole".to_owned(),
        1 => "1 damage".to_owned(),
        damages => format!("{damages} damages"),
    };
    let last = if records == 0 { "never".to_owned() } else { utc(last_ms) };
    console::print(&format!(
        "{}: {whole}; up to position {position}, the last record of {last}; {segments} segments, {records} records, {bases} \
         bases, {inboxes} inboxes in the newest\n",
        dir.display()
    ))?;
    Ok(damages == 0)
}

/// Makes the data directory `to` from the copy in `from`, as of a moment: a position, a time, or the last there is.
///
/// # Errors
/// One line of what stands in the way.
pub fn restore(from: &Path, to: &Path, at: Option<Moment>) -> anyhow::Result<()> {
    let moment = at.unwrap_or(Moment::Last);
    let restored = copy::restore(from, to, moment);
    let restored = restored.map_err(|error| match (error, moment) {
        (CopyError::Refused(what), Moment::Time(_)) => match Manifest::read(from) {
            Ok(Some(manifest)) => anyhow!("{what} (it is as of {})", utc(manifest.time_ms)),
            _ => anyhow!(what),
        },
        (error, _) => error.into(),
    })?;
    let copy::Restored { position, last_ms, records, epoch, lost, .. } = restored;
    for name in lost {
        console::complain(&format!(
            "{}: is missing, or is not what was copied, and is left out: put the one of the server into {}",
            from.join(name).display(),
            to.display()
        ));
    }
    let last = if records == 0 { "none".to_owned() } else { utc(last_ms) };
    console::print(&format!(
        "{}: restored up to position {position}, the last record of {last}; epoch {epoch} begins here. Start it with --data-dir: \
         the first start makes the index\n",
        to.display()
    ))
}

/// A position, or a time as `2021-06-01T12:00:00Z`.
///
/// # Errors
/// What it must be like.
pub fn moment(text: &str) -> Result<Moment, &'static str> {
    if let Ok(position) = text.parse() {
        return Ok(Moment::Position(position));
    }
    let is_number = text.parse::<i64>().is_ok();
    let time = in_utc(text).ok().filter(|_| !is_number);
    time.map(Moment::Time)
        .ok_or("it must be a position, or a time like 2021-06-01T12:00:00Z, in UTC unless it says otherwise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_positions_or_times() {
        assert_eq!(moment("900").unwrap(), Moment::Position(900));
        for (text, ms) in [
            ("2021-06-01T12:00:00Z", 1_622_548_800_000),
            ("2021-06-01 12:00:00.5Z", 1_622_548_800_500),
            ("2021-06-01T12:00:00.123456Z", 1_622_548_800_123),
            ("2021-06-01T14:00:00+02:00", 1_622_548_800_000),
            ("2021-06-01T09:30:00-02:30", 1_622_548_800_000),
            ("2021-06-01T12:00", 1_622_548_800_000),
            ("2021-06-01", 1_622_505_600_000),
        ] {
            assert_eq!(moment(text).unwrap(), Moment::Time(ms), "{text}");
        }
        for text in ["", "-1", "yesterday", "2021-13-01T12:00:00Z"] {
            let told = moment(text).unwrap_err();
            assert!(told.contains("2021-06-01T12:00:00Z"), "{told}");
        }
        assert_eq!(in_utc(&utc(1_622_548_800_123)), Ok(1_622_548_800_123));
    }
}
