//! The page of a result: what was run and where, the lines that the terminal got, and plots. HTML in one file, without
//! scripts and without anything from another host.
//!
//! In: the whole result as for the JSON, lines, plots. Out: text.

use crate::plot::{Plot, text};
use serde_json::Value;
use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:780px;margin:2em auto;padding:0 1em;\
    color:#1c2230;background:#fff}\
    h1{font-size:1.4em}table{border-collapse:collapse;width:100%}\
    th{text-align:left;font-weight:normal;opacity:.7;padding:.2em 1.5em .2em 0;vertical-align:top;white-space:nowrap}\
    td{padding:.2em 0;font-variant-numeric:tabular-nums}code{overflow-wrap:anywhere}svg{width:100%;height:auto;margin-top:1.5em}\
    .bad{color:#b3261e}\
    @media(prefers-color-scheme:dark){body{color:#e4e7ee;background:#15181f}.bad{color:#ff8a80}}";

/// The page of `whole`, which is what the JSON holds.
pub(crate) fn of(whole: &Value, lines: &[(String, String)], plots: &[Plot]) -> String {
    let told = |key: &str| text(whole[key].as_str().unwrap_or("unknown"));
    let machine = &whole["machine"];
    let of_machine = |key: &str| text(machine[key].as_str().unwrap_or("unknown"));
    let (scenario, ok) = (told("scenario"), whole["ok"] == true);
    let verdict = if ok { "ok" } else { "failed" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>openim {scenario}: {verdict}</title>\n<style>{STYLE}</style>\n<h1>openim {scenario}: {verdict}</h1>\n"
    );
    for problem in whole["problems"].as_array().into_iter().flatten() {
        let problem = text(problem.as_str().unwrap_or_default());
        put(&mut page, format_args!("<p class=\"bad\">{problem}</p>\n"));
    }
    page.push_str("<table>\n");
    for (label, told) in lines {
        put(&mut page, format_args!("<tr><th scope=\"row\">{}<td>{}\n", text(label), text(told)));
    }
    put(
        &mut page,
        format_args!("<tr><th scope=\"row\">command<td><code>{}</code>\n", told("command")),
    );
    put(&mut page, format_args!("<tr><th scope=\"row\">revision<td>{}\n", told("revision")));
    put(
        &mut page,
        format_args!(
            "<tr><th scope=\"row\">machine<td>{} cores, {}, {}, Linux {}\n</table>\n",
            machine["cores"],
            of_machine("cpu"),
            of_machine("memory"),
            of_machine("kernel")
        ),
    );
    plots.iter().for_each(|plot| page.push_str(&plot.svg()));
    page.push_str("</html>\n");
    page
}

fn put(page: &mut String, words: std::fmt::Arguments<'_>) {
    page.write_fmt(words).expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Line;
    use serde_json::json;

    #[test]
    fn a_page_tells_what_was_run_what_came_of_it_and_shows_plots() {
        let whole = json!({
            "scenario": "chat", "command": "openim-loadtest chat --prefix <b>", "revision": null, "ok": false,
            "machine": {"cores": 2, "cpu": "a & b", "kernel": "6", "memory": "8 kB"}, "problems": ["1 lost"],
        });
        let lines = [("rate".to_owned(), "5 acked/s".to_owned())];
        let points = vec![(0.0, 1.0), (1.0, 2.0)];
        let plot = Plot {
            title: "Rate",
            across: "seconds",
            up: "a second",
            marks: &[],
            lines: vec![Line { name: "acked", points }],
        };
        let page = of(&whole, &lines, &[plot]);
        for part in
            ["chat: failed", "1 lost", "5 acked/s", "--prefix &lt;b&gt;", "a &amp; b", "<svg"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<script") && !page.contains("<b>"));
    }
}
