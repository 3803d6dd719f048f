//! Whether the process is worth keeping, and whether new clients should come: what `/healthz` and `/readyz`
//! answer.
//!
//! In: what the process knows of itself ([`Sources`]). Out: yes or no, and the reasons, a line each. Never:
//! asks the disk; the threads that use it say what they met.

use std::sync::atomic::Ordering;

use crate::metrics::Sources;
use crate::phase::Stage;

/// An answer: yes or no, and the text for the operator.
pub(crate) struct Verdict {
    /// Yes.
    pub(crate) good: bool,
    /// Lines, each ended.
    pub(crate) text: String,
}

/// Whether the process is worth keeping: it is not when only a restart helps.
pub(crate) fn worth_keeping(sources: &Sources) -> Verdict {
    match beyond_help(sources) {
        None if sources.phase.get() == Stage::Following => {
            Verdict { good: true, text: "ok: a standby, which follows another server\n".to_owned() }
        }
        None => Verdict { good: true, text: "ok\n".to_owned() },
        Some(why) => Verdict { good: false, text: format!("{why}\n") },
    }
}

/// Whether new clients should be sent here: they could not log in, or not send, where nothing can be made
/// durable. Damage in old messages is told, but keeps nobody out.
pub(crate) fn welcome(sources: &Sources) -> Verdict {
    let stage = sources.phase.get();
    let mut reasons = Vec::new();
    if stage != Stage::Serving {
        reasons.push(stage.name().to_owned());
    }
    match beyond_help(sources) {
        Some(why) => reasons.push(why),
        None => {
            let told_here = !sources.log.told_elsewhere.load(Ordering::Acquire);
            let log = sources.log.trouble.why().filter(|_| told_here);
            let troubles = [
                ("messages cannot be stored", log),
                ("logins and changes cannot be stored", sources.writes.trouble.why()),
            ];
            let told = troubles.into_iter().filter_map(|(what, why)| Some((what, why?)));
            reasons.extend(told.map(|(what, why)| format!("{what}: {why}")));
        }
    }
    let parts = sources.parts.parts();
    reasons.extend(parts.iter().flat_map(|part| part.missing()));
    let good = reasons.is_empty();
    if good {
        reasons.push("ready".to_owned());
    }
    reasons.extend(sources.damage.told().map(|what| format!("damaged: {what}")));
    reasons.extend(parts.iter().flat_map(|part| part.troubles()));
    Verdict { good, text: reasons.join("\n") + "\n" }
}

/// Why only a restart helps, if so.
pub(crate) fn beyond_help(sources: &Sources) -> Option<String> {
    let Sources { log, store, writes, .. } = sources;
    let because = |why: Option<String>| why.map(|why| format!(" ({why})")).unwrap_or_default();
    if log.poisoned.load(Ordering::Acquire) {
        let why = because(log.trouble.why());
        return Some(format!("the log is in an unknown state: restart{why}"));
    }
    if writes.failed.load(Ordering::Acquire) {
        let why = because(writes.trouble.why());
        return Some(format!("the index takes nothing any more: restart{why}"));
    }
    if store.failed.load(Ordering::Acquire) {
        return Some("the index takes no history any more: restart".to_owned());
    }
    sources.parts.parts().iter().find_map(|part| part.beyond_help())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::watched::{Figure, Watched};

    /// A part of which something is missing, or that is beyond help.
    #[derive(Debug)]
    struct Part(Option<&'static str>);

    impl Watched for Part {
        fn missing(&self) -> Vec<String> {
            vec!["partition 7 stands still".to_owned()]
        }

        fn troubles(&self) -> Vec<String> {
            vec!["MongoDB: away".to_owned()]
        }

        fn beyond_help(&self) -> Option<String> {
            self.0.map(str::to_owned)
        }

        fn figures(&self, _: &mut dyn FnMut(Figure, f64)) {}
    }

    #[test]
    fn parts_are_asked() {
        let sources = sources(0);
        sources.phase.advance(Stage::Serving);
        sources.parts.add(Arc::new(Part(None)));
        let verdict = welcome(&sources);
        let told = "partition 7 stands still\nMongoDB: away\n";
        assert_eq!((verdict.good, verdict.text.as_str()), (false, told));
        assert!(worth_keeping(&sources).good);
        sources.parts.add(Arc::new(Part(Some("a thread has ended: restart"))));
        assert!(!worth_keeping(&sources).good);
    }
    use crate::metrics::tests::sources;

    #[test]
    fn what_cannot_be_stored_keeps_new_clients_out_and_is_named() {
        let sources = sources(0);
        sources.phase.advance(Stage::Serving);
        assert!(welcome(&sources).good);
        sources.writes.trouble.met(&"no space");
        let verdict = welcome(&sources);
        assert!(
            !verdict.good
                && verdict.text.contains("logins and changes")
                && verdict.text.contains("no space")
        );
        assert!(worth_keeping(&sources).good, "room can be made without a restart");
        sources.writes.trouble.over();
        sources.log.trouble.met(&"no space");
        assert!(!welcome(&sources).good);
        sources.log.trouble.over();
        let verdict = welcome(&sources);
        assert_eq!((verdict.good, verdict.text.as_str()), (true, "ready\n"));
    }

    #[test]
    fn what_only_a_restart_mends_is_unhealthy() {
        for fail in [
            |s: &Sources| s.log.poisoned.store(true, Ordering::Release),
            |s: &Sources| s.store.failed.store(true, Ordering::Release),
            |s: &Sources| s.writes.failed.store(true, Ordering::Release),
        ] {
            let sources = sources(0);
            sources.phase.advance(Stage::Serving);
            fail(&sources);
            let (health, ready) = (worth_keeping(&sources), welcome(&sources));
            assert!(!health.good && health.text.contains("restart"), "{}", health.text);
            assert!(!ready.good && ready.text.contains("restart"), "{}", ready.text);
        }
    }
}
