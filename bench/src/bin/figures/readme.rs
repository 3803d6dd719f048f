//! The block of figures in the repository's README, from the same results as the table: nobody copies numbers by hand.
//!
//! In: the newest result of each figure. Out: the text between the two FIGURES comments. A row whose figures have not
//! been measured is left out.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

const BEGIN: &str = "<!-- FIGURES";
const END: &str = "<!-- /FIGURES -->";

/// A number in braces is `figure.value`, then `/` and what it is divided by, then `:` and how many digits count (2).
const BLOCK: &str = "\
<!-- FIGURES: written by scripts/figures from bench/results; measured numbers stand nowhere else in this file. -->
Two virtual CPUs, client and server on the same machine over loopback, every message on the disk before its reply. Such machines differ
twofold from day to day, so the ratios come first: the CPU time of a message over that of a **yardstick**, measured in turns with it. The
yardstick is a bare epoll loop that finds where frames end and writes as many and as long ones, and does nothing else: no token, no JSON,
no order, no inbox. The flushing one appends what came in a turn to a file and flushes that before it answers. The bound on frames
(`limits.framesPerSecond`) is lifted where speed is measured. Each figure with its command, machine and revision is in
[bench/results](bench/results/README.md). The original was measured on a machine of the same kind, with its real components.

| what | openim | the original, May 2021 |
|---|---|---|
| CPU per message, 100 pairs, 16 outstanding each | {yardstick_16.ratio_flushing} times the flushing yardstick, {yardstick_16.ratio_bare} times the bare one | |
| the same with 1 outstanding | {yardstick_1.ratio_flushing} times the flushing yardstick, {yardstick_1.ratio_bare} times the bare one | |
| 200 groups of 5, a sender in each, 1 outstanding | {yardstick_groups.ratio_flushing} times the flushing yardstick, {yardstick_groups.ratio_bare} times the bare one | |
| durable single chat, 100 pairs, 16 outstanding each | {chat_16.acked_per_s} messages/s acknowledged and delivered | about 32/s sustained; at this load its gateway crashes |
| CPU of the whole server per message, same load | {chat_16.cpu_us_per_message} us | 25,000 to 33,000 us, and as much again in the components |
| the same with 1 outstanding | {chat_1.acked_per_s} messages/s, {chat_1.cpu_us_per_message} us | |
| reply and push at 1,000 messages/s, p50 | {latency.ack_p50_ms} ms, {latency.push_p50_ms} ms | ack 10 ms, push 20 ms at 5 to 10 messages/s |
| 200 groups of 5, everybody online, a sender in each | {group_small.acked_per_s} messages/s, {group_small.pushes_per_s} pushes/s; {group_small.cpu_us_per_entry} us for each inbox | acknowledged, and delivered to nobody |
| a group of 10,000 with 2,000 online, 4 senders | {group_max.entries_per_s} inboxes and {group_max.pushes_per_s} pushes a second; {group_max.cpu_us_per_entry} us for each inbox | |
| single chat beside that group at 5 messages/s, reply p99 | {group.single_ack_p99_ms} ms; {group.single_ack_p99_before_ms} ms without the group | |
| user memory per idle authenticated link | {links.private_bytes_per_link/1000} KB | 31 to 35 KB |
| CPU per handshake with token check | {links.cpu_us_per_handshake} us | links are admitted at 65 to 110 a second |
| `user_token` | {user_token.calls_per_s} calls/s, {user_token.cpu_us_per_call} us each | 329 calls/s, 2,500 to 3,300 us each |
| registrations, each durable when it is answered | {user_register.calls_per_s}/s, {user_register.cpu_us_per_call} us each | |
| empty start to ready; idle server | {start.ready_s} s; {idle.rss_mb} MB | eight processes and five components |
| the cluster engine, api, gateway and transfer each a process: CPU of all three per message, 16 outstanding | {cluster_16.cpu_us_per_message} us, and {cluster_16.components_us} us in the five components | 25,000 to 33,000 us, and as much again in the components |
| messages of the cluster engine, 16 outstanding, for a minute | {cluster_16.acked_per_s} messages/s acknowledged, {cluster_16.delivered_per_s} delivered | about 32/s sustained |
| reply and push of the cluster engine at 200 messages/s, p50 | {cluster_200.ack_p50_ms} ms, {cluster_200.push_p50_ms} ms | 800 ms, 8.9 s |
| a backup that follows at 2,000 messages/s: of the server's CPU time; reply p99 beside it, and without | {follow.cpu_percent} %; {follow.ack_p99_ms} ms, {follow.alone_ack_p99_ms} ms | |
| start after a kill, {recover.messages_million} million messages stored | {recover.ready_s} s | |
| the same without an index: {rebuild.messages_million} million messages and {rebuild.users_million} million users, from base and log; from the log alone | {rebuild.ready_s} s; {rebuild.log_alone_ready_s} s | |
";

/// Writes the block of the file `readme` again.
pub(crate) fn write(readme: &Path, results: &[(String, Value)]) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(readme).context("cannot read README.md")?;
    let (before, rest) =
        text.split_once(BEGIN).context("README.md has lost its FIGURES comment")?;
    let (_, after) = rest.split_once(END).context("README.md has lost the end of its figures")?;
    let block = filled(results);
    std::fs::write(readme, format!("{before}{block}{END}{after}")).context("cannot write README.md")
}

fn filled(results: &[(String, Value)]) -> String {
    let lines = BLOCK.lines().filter_map(|line| filled_line(line, results));
    lines.map(|line| line + "\n").collect()
}

fn filled_line(line: &str, results: &[(String, Value)]) -> Option<String> {
    let mut parts = line.split('{');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (place, text) = part.split_once('}')?;
        let (place, digits) = place.split_once(':').unwrap_or((place, "2"));
        let (place, divisor) = place.split_once('/').unwrap_or((place, "1"));
        let (figure, key) = place.split_once('.')?;
        let (_, result) = results.iter().find(|(_, result)| result["figure"] == figure)?;
        let value = result["values"].as_array()?.iter().find(|value| value["name"] == key)?;
        let number = value["median"].as_f64()? / divisor.parse::<f64>().ok()?;
        out.push_str(&significant(number, digits.parse().ok()?));
        out.push_str(text);
    }
    Some(out)
}

/// A number with so many digits that count, thousands apart.
fn significant(number: f64, digits: i32) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let decimals = digits - 1 - number.abs().log10().floor() as i32;
    if decimals > 0 {
        return format!("{number:.*}", decimals as usize);
    }
    let unit = 10f64.powi(-decimals);
    crate::table::thousands(((number / unit).round() * unit) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (number, digits, text) in [
            (233_225.44, 2, "230,000"),
            (233_225.44, 3, "233,000"),
            (5.58, 2, "5.6"),
            (0.2049, 2, "0.20"),
            (17.4, 2, "17"),
            (0.028, 2, "0.028"),
            (0.0, 2, "0"),
        ] {
            assert_eq!(significant(number, digits), text);
        }
    }

    #[test]
    fn rows_are_filled_and_those_without_figures_left_out() {
        let values = json!([{"name": "acked_per_s", "median": 233_225.4}, {"name": "cpu_us_per_message", "median": 5.58}]);
        let results = [("f".to_owned(), json!({"figure": "chat_16", "values": values}))];
        let text = filled(&results);
        assert!(text.contains("| 230,000 messages/s acknowledged and delivered |"), "{text}");
        assert!(
            text.contains("| 5.6 us |") && !text.contains('{') && !text.contains("`user_token`"),
            "{text}"
        );
    }

    #[test]
    fn every_place_names_a_figure_there_is() {
        for part in BLOCK.split('{').skip(1) {
            let place = part.split(['}', ':', '/']).next().unwrap();
            let (figure, key) = place.split_once('.').unwrap();
            let figure = crate::catalog::FIGURES.iter().find(|one| one.name == figure).unwrap();
            assert!(figure.values.iter().any(|value| value.key == key), "{place}");
        }
    }

    #[test]
    fn only_the_block_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("README.md");
        std::fs::write(&file, format!("above\n{BEGIN}: old -->\nold\n{END}\nbelow\n")).unwrap();
        write(&file, &[]).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("above\n<!-- FIGURES: written")
                && text.ends_with(&format!("{END}\nbelow\n"))
        );
        assert!(!text.contains("old -->"));
    }
}
