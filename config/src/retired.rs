//! Keys of the original that mean nothing here: accepted, and named in one warning.

/// A key or a whole section of the original's file.
const RETIRED: [&str; 11] = [
    "rpcport",
    "rpcregistername",
    "modulename",
    "manager.secrets",
    "mysql.dbTableName",
    "mysql.dbMsgTableNum",
    "push.tpns.android",
    "log.elasticSearchSwitch",
    "log.elasticSearchAddr",
    "log.elasticSearchUser",
    "log.elasticSearchPassword",
];

/// Whether the original knew this key and nothing here does.
pub(crate) fn is_retired(key: &str) -> bool {
    RETIRED.contains(&key)
}

/// The one warning for all of them.
pub(crate) fn warning(keys: &[String]) -> Option<String> {
    if keys.is_empty() {
        return None;
    }
    Some(format!(
        "these keys of the original mean nothing here and are ignored: {}",
        keys.join(", ")
    ))
}
