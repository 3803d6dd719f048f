//! The nearest valid name to one that is not known.

/// The candidate an operator most likely meant, if any is near enough to be a help.
///
/// Keys are compared whole and by their last part alone, so that a key in a wrong section leads to the
/// right one.
pub(crate) fn nearest<'a>(
    given: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let given_last = last_part(&given);
    candidates
        .filter_map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            let whole = strsim::damerau_levenshtein(&given, &lower);
            let last = strsim::damerau_levenshtein(given_last, last_part(&lower));
            let whole = (whole <= given.len() / 3 + 1).then_some(whole * 2);
            // A match of the last part alone is worth a little less than the same match in place.
            let last = (last <= given_last.len() / 4).then_some(last * 2 + 1);
            let distance = whole.into_iter().chain(last).min()?;
            Some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn last_part(key: &str) -> &str {
    key.rsplit(['.', '_']).next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_leads_to_the_key_that_was_meant() {
        let keys = ["longconnsvr.websocketPort", "longconnsvr", "limits.pingSeconds", "secret"];
        for (given, meant) in [
            ("longconnsvr.websocketProt", Some("longconnsvr.websocketPort")),
            ("longconsvr", Some("longconnsvr")),
            ("websocketPort", Some("longconnsvr.websocketPort")),
            ("gateway.pingSeconds", Some("limits.pingSeconds")),
            ("LIMITS.PINGSECONDS", Some("limits.pingSeconds")),
            ("secrets", Some("secret")),
            ("somethingElseEntirely", None),
        ] {
            assert_eq!(nearest(given, keys.into_iter()), meant, "{given}");
        }
    }
}
