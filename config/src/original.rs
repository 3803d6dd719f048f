//! Keys of the original's files, of all its generations, that have another name, another form or no
//! meaning here.
//!
//! In: a key as the file has it, and its value. Out: the key it sets here and the value in the form
//! that key has; or why it means nothing. Never: decides whether a value is right, which the key that
//! is set does.

use crate::setting::Given;

/// What stands behind a key of the original that is no key here.
#[derive(Clone, Copy)]
pub(crate) enum Meaning {
    /// It sets this key, whose value has the same form.
    Sets(&'static str),
    /// It sets `log.level`, by a number.
    LogLevel,
    /// Nothing, and why.
    Nothing(&'static str),
}

const ONE_PROCESS: &str = "one process does all of it";
const NO_CALLBACK: &str = "no other service is told of messages and of who is there";
const FALLBACK: &str = "messagecallback.fallback says what becomes of a message without an answer";
const NO_DEMO: &str = "there is no demo service for accounts by mail or telephone";
const ONE_TABLE: &str = "messages are in the log, not in tables";
const OWN_LOG: &str = "the log goes to standard error and files only";

/// Keys and whole sections of the original's files.
const KEYS: [(&str, Meaning); 27] = [
    // From 31 May 2021.
    ("mysql.dbMysqlAddress", Meaning::Sets("mysql.dbAddress")),
    ("mysql.dbMysqlUserName", Meaning::Sets("mysql.dbUserName")),
    ("mysql.dbMysqlPassword", Meaning::Sets("mysql.dbPassword")),
    ("mysql.dbMysqlDatabaseName", Meaning::Sets("mysql.dbDatabaseName")),
    ("log.remainRotationCount", Meaning::Sets("log.rotationCount")),
    ("log.rotationTime", Meaning::Nothing("a log file holds one day")),
    // From v1.0.0.
    (V1_PORT, Meaning::Sets("longconnsvr.websocketPort")),
    ("log.remainLogLevel", Meaning::LogLevel),
    ("serverversion", Meaning::Nothing("openim --version says it")),
    ("sdk", Meaning::Nothing("no service here runs SDKs for web pages")),
    (
        "push.jpns",
        Meaning::Nothing("JPush is no service that is pushed by; push.webhook reaches any"),
    ),
    ("manager.secrets", Meaning::Nothing("the original never read it either")),
    // From v1.0.5.
    ("demoswitch", Meaning::Nothing(NO_DEMO)),
    ("demo", Meaning::Nothing(NO_DEMO)),
    ("messagecallback.c2c.callbackBeforeSendMsg.timeoutStrategy", Meaning::Nothing(FALLBACK)),
    ("messagecallback.c2c.callbackAfterSendMsg", Meaning::Nothing(NO_CALLBACK)),
    ("messagecallback.state", Meaning::Nothing(NO_CALLBACK)),
    // From v1.0.7.
    ("endpoints", Meaning::Nothing(ONE_PROCESS)),
    // In every generation.
    ("rpcport", Meaning::Nothing(ONE_PROCESS)),
    ("rpcregistername", Meaning::Nothing(ONE_PROCESS)),
    ("modulename", Meaning::Nothing(ONE_PROCESS)),
    ("mysql.dbTableName", Meaning::Nothing(ONE_TABLE)),
    ("mysql.dbMsgTableNum", Meaning::Nothing(ONE_TABLE)),
    ("log.elasticSearchSwitch", Meaning::Nothing(OWN_LOG)),
    ("log.elasticSearchAddr", Meaning::Nothing(OWN_LOG)),
    ("log.elasticSearchUser", Meaning::Nothing(OWN_LOG)),
    ("log.elasticSearchPassword", Meaning::Nothing(OWN_LOG)),
];

/// The websocket's ports, as every file from v1.0.0 on calls them.
pub(crate) const V1_PORT: &str = "longconnsvr.openImWsPort";

/// The section that became a number in v1.0.4.
pub(crate) const LOGIN_POLICY: &str = "multiloginpolicy";

/// Switches that ask for what is not done here: on, they are worth a line of their own.
const MISSED: [&str; 3] = [
    "messagecallback.c2c.callbackAfterSendMsg.switch",
    "messagecallback.state.stateChange.switch",
    "demoswitch",
];

/// What the original knew this key as, if it is no key here.
pub(crate) fn meaning(key: &str) -> Option<Meaning> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, meaning)| *meaning)
}

/// Whether the original's files have this key, or a section of this name, that is no key here.
pub fn is_original(key: &str) -> bool {
    meaning(key).is_some()
}

/// Whether this switch, which is on, asked the original for what is not done here.
pub(crate) fn is_missed(key: &str) -> bool {
    MISSED.contains(&key)
}

/// The one warning for all keys that mean nothing.
pub(crate) fn warning(keys: &[String]) -> Option<String> {
    if keys.is_empty() {
        return None;
    }
    Some(format!(
        "these keys of the original mean nothing here and are ignored: {}",
        keys.join(", ")
    ))
}

/// The level that a number of `log.remainLogLevel` stands for.
///
/// # Errors
/// What the number must be.
pub(crate) fn log_level(given: &Given) -> Result<&'static str, String> {
    let Given::Scalar(text) = given else {
        return Err("a number from 0 to 6, not a list".to_owned());
    };
    match text.parse() {
        Ok(0_u8..=2) => Ok("error"),
        Ok(3) => Ok("warn"),
        Ok(4) => Ok("info"),
        Ok(5) => Ok("debug"),
        Ok(6) => Ok("trace"),
        _ => Err("a number from 0 (least) to 6 (everything)".to_owned()),
    }
}

/// A number of `multiloginpolicy`: which switch of that section it turns on, the others being off, and
/// how that differs from what the original did.
///
/// # Errors
/// What the number must be.
pub(crate) fn login_policy(given: &Given) -> Result<(&'static str, Option<&'static str>), String> {
    const ALL: &str = "allTerminalAccess";
    const CLASSES: &str = "mobileAndPCTerminalAccessButOtherTerminalKickEachOther";
    let Given::Scalar(text) = given else {
        return Err("a number from 0 to 4, not a list".to_owned());
    };
    match text.as_str() {
        "0" => Ok((ALL, None)),
        "1" => Ok((
            ALL,
            Some(
                "a login ends an older link of its platform, but not the older token's right to come back",
            ),
        )),
        "2" => Ok(("onlyOneTerminalAccess", None)),
        "3" | "4" => Ok((
            CLASSES,
            Some(
                "one mobile and one PC terminal, where Web counts as a PC and has no place of its own",
            ),
        )),
        _ => Err("a number from 0 to 4, or a section with keys".to_owned()),
    }
}
