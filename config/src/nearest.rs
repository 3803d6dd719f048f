//! The nearest valid name to one that is not known.

/// Slips that are forgiven in a whole name, and in its last part alone.
const SLIPS_MAX: usize = 2;
const SLIPS_OF_PART_MAX: usize = 1;

/// The candidate an operator most likely meant, if one differs by no more than a slip or two of the
/// keyboard: a suggestion that is not near sends people the wrong way.
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
            // Of a short word a slip or two leave nothing.
            let whole = (whole <= SLIPS_MAX.min(given_last.len() / 3)).then_some(whole * 2);
            // A match of the last part alone is worth a little less than the same match in place.
            let last =
                (last <= SLIPS_OF_PART_MAX.min(given_last.len() / 6)).then_some(last * 2 + 1);
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
            ("sdk", None),
            ("seconds", None),
            ("longconnsvr.openImWsPort", None),
            ("limits.pongSecs", None),
        ] {
            assert_eq!(nearest(given, keys.into_iter()), meant, "{given}");
        }
    }
}
