//! The report as a page for people who decide: what was decided, what that rests on, and what was not proved. One file,
//! which loads nothing and runs nothing.

use bytes::Bytes;
use loom_evidence::Bundle;
use loom_machine::Message;
use loom_types::{EntryBody, TurnResult};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::{Claim, Class, Report, plain::plain, statement::digest};

/// Rows of a table that are shown; the rest is counted.
const ROWS_MAX: usize = 1_000;
/// How deep values are shown.
const DEPTH_MAX: usize = 6;
/// Members and items of a value that are shown.
const ITEMS_MAX: usize = 200;
/// Characters of a text that are shown.
const CHARS_MAX: usize = 2_000;
/// Members of a reply that say what was decided, in the order in which they are looked for.
const HEADLINES: [&str; 4] = ["decision", "verdict", "outcome", "status"];

const STYLE: &str = include_str!("html/report.css");

/// The page. `file` is what was verified.
pub fn page(file: &Bytes, report: &Report) -> String {
    // A file that was rejected may say anything; what it says is shown with the verdict above it.
    let bundle = Bundle::read(file).ok();
    let decided = bundle.as_ref().and_then(Decided::of);
    let title = format!("Verification of {}", report.subject.as_deref().unwrap_or("a bundle"));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="referrer" content="no-referrer";
                title { (plain(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(file, report))
                    (contradictions(report))
                    (policy(report))
                    @if let Some(decided) = &decided { (decision(decided, report)) }
                    (unproved(report))
                    (claims(report))
                    (legend(report))
                    (footer())
                }
            }
        }
    };
    page.into_string()
}

fn head(file: &Bytes, report: &Report) -> Markup {
    let (tone, verdict, detail) = verdict(report);
    html! {
        header {
            p.eyebrow { "Loom verification report" }
            h1 { (plain(report.subject.as_deref().unwrap_or("A bundle"))) }
            div class={ "verdict " (tone) } role="status" {
                strong { (verdict) }
                span { (detail) }
            }
            dl.facts {
                @if let Some(bundle) = &report.bundle { dt { "Bundle" } dd { code { (bundle) } } }
                dt { "SHA-256 of the file" } dd { code { (digest(file)) } }
                dt { "Turns" } dd { (report.turns.all) " in the file, " (report.turns.re_executed) " run again with the same result" }
            }
        }
    }
}

fn verdict(report: &Report) -> (&'static str, &'static str, String) {
    let missing = report.turns.all - report.turns.re_executed;
    match report {
        Report { ok: false, failures, .. } => (
            "bad",
            "Rejected",
            match failures.len() {
                1 => "The file contradicts itself or your keys. Do not rely on it.".to_owned(),
                places => format!("The file contradicts itself or your keys in {places} places. Do not rely on it."),
            },
        ),
        Report { policy: Some(policy), .. } if !policy.met => (
            "warn",
            "Policy not met",
            format!("Nothing contradicts the file, but {} of your requirements are not met.", policy.unmet.len()),
        ),
        _ if missing > 0 => (
            "warn",
            "Nothing contradicts it",
            format!("But {missing} of {} turns could not be run again.", report.turns.all),
        ),
        _ => ("good", "All checks hold", "Every turn was run again and gave the same bytes.".to_owned()),
    }
}

fn contradictions(report: &Report) -> Markup {
    html! {
        @if !report.failures.is_empty() {
            section {
                h2 { "Contradictions" }
                @for failure in report.failures.iter().take(ROWS_MAX) {
                    article.contradiction {
                        h3 { (plain(&failure.reason)) }
                        p { "at " code { (plain(failure.entry.as_deref().unwrap_or("the log"))) } }
                        @if let (Some(expected), Some(actual)) = (&failure.expected, &failure.actual) {
                            dl {
                                dt { "the file says" } dd { code { (short(expected)) } }
                                dt { "in truth" } dd { code { (short(actual)) } }
                            }
                        }
                    }
                }
                (more(report.failures.len()))
            }
        }
    }
}

fn policy(report: &Report) -> Markup {
    html! {
        @if let Some(policy) = &report.policy {
            section {
                h2 { "Your policy" @if !policy.name.is_empty() { ": " (plain(&policy.name)) } }
                @if policy.met { p { "All that it requires is so." } }
                @else {
                    table {
                        thead { tr { th { "Requirement" } th { "Claim" } th { "Why it is not met" } } }
                        tbody {
                            @for unmet in policy.unmet.iter().take(ROWS_MAX) {
                                tr {
                                    td { code { (plain(&unmet.requirement)) } }
                                    td { (plain(unmet.subject.as_deref().unwrap_or("none"))) }
                                    td { (plain(&unmet.reason)) }
                                }
                            }
                        }
                    }
                    (more(policy.unmet.len()))
                }
            }
        }
    }
}

/// How the newest turn of the actor ended, and what it was asked.
struct Decided {
    subject: String,
    is_reply: bool,
    result: Option<Value>,
    asked: Option<Value>,
}

impl Decided {
    fn of(bundle: &Bundle) -> Option<Self> {
        let entries = bundle.entries().first()?;
        let value = |cid| serde_json::from_slice(bundle.payloads().get(&cid)?.value()).ok();
        let end = entries.iter().rev().find_map(|entry| match &entry.body {
            EntryBody::TurnEnded { result, .. } => Some((entry, result)),
            _ => None,
        });
        let (ended, result) = end?;
        let asked = entries.iter().find_map(|entry| match &entry.body {
            EntryBody::TurnStarted { message, .. } if entry.turn == ended.turn => bundle.payloads().get(message),
            _ => None,
        });
        let body = |payload: &loom_types::Payload| Message::decode(payload.value()).ok().map(|message| message.body);
        Some(Self {
            subject: format!("{} turn {}", ended.actor, ended.turn),
            is_reply: matches!(result, TurnResult::Reply(_)),
            result: value(result.cid()),
            asked: asked.and_then(body).and_then(|body| serde_json::from_str(&body).ok()),
        })
    }
}

fn decision(decided: &Decided, report: &Report) -> Markup {
    let claim = report.claims.iter().find(|claim| claim.subject == decided.subject);
    let empty = serde_json::Map::new();
    let members = decided.result.as_ref().and_then(Value::as_object).unwrap_or(&empty);
    let headline = HEADLINES.iter().find_map(|name| Some((*name, members.get(*name)?.as_str()?)));
    let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
    let is_headline = |name: &str| headline.is_some_and(|(of, _)| of == name);
    html! {
        section {
            h2 { @if decided.is_reply { "Decision" } @else { "How it ended" } }
            @if let Some(claim) = claim { p.basis { (badge(claim.class)) " " (plain(&claim.detail)) } }
            @match &decided.result {
                None => p { "What came of it was left out of the file." },
                Some(result) => {
                    @if let Some((_, text)) = headline { p.headline { (short(text)) } }
                    @if members.is_empty() { (value(result, 0)) }
                    dl.facts {
                        @for (name, member) in members.iter().filter(|(name, member)| is_scalar(member) && !is_headline(name)).take(ITEMS_MAX) {
                            dt { (label(name)) } dd { (value(member, 0)) }
                        }
                    }
                    @for (name, member) in members.iter().filter(|(_, member)| !is_scalar(member)).take(ITEMS_MAX) {
                        h3 { (label(name)) }
                        (value(member, 0))
                    }
                }
            }
            @if let Some(asked) = &decided.asked {
                details { summary { "What was asked" } (value(asked, 0)) }
            }
        }
    }
}

/// What somebody who relies on the file takes on trust.
fn unproved(report: &Report) -> Markup {
    let open: Vec<&Claim> = report.claims.iter().filter(|claim| claim.class >= Class::Claimed).collect();
    html! {
        section {
            h2 { "What was not proved" }
            @if report.claims.is_empty() { p { "Nothing was looked at: the file could not be taken apart." } }
            @else if open.is_empty() { p { "Nothing that the file claims rests on the node's word alone." } }
            @else {
                p { "This rests on the word of whoever ran the node, or was left out of the file:" }
                (table(&open))
            }
        }
    }
}

fn claims(report: &Report) -> Markup {
    let held: Vec<&Claim> = report.claims.iter().filter(|claim| claim.class < Class::Claimed).collect();
    html! {
        section {
            h2 { "What holds, and what it rests on" }
            @if held.is_empty() { p { "Nothing." } } @else { (table(&held)) }
        }
    }
}

fn table(claims: &[&Claim]) -> Markup {
    html! {
        table {
            thead { tr { th { "Class" } th { "What" } th { "Why" } } }
            tbody {
                @for claim in claims.iter().take(ROWS_MAX) {
                    tr {
                        td { (badge(claim.class)) }
                        td { (plain(&claim.subject)) }
                        td {
                            (plain(&claim.detail))
                            @for key in &claim.by { br; code { (plain(key)) } }
                        }
                    }
                }
            }
        }
        (more(claims.len()))
    }
}

fn more(rows: usize) -> Markup {
    html! {
        @if rows > ROWS_MAX { p { "And " (rows - ROWS_MAX) " more, which the report as JSON has." } }
    }
}

fn legend(report: &Report) -> Markup {
    let classes = [
        (Class::Proved, "A mathematical proof that needs nobody's word."),
        (Class::ReExecuted, "Computed again here, from what is in the file, with the same result to the byte."),
        (Class::Attested, "Signed by a key that you named. Whoever holds it cannot deny having said so."),
        (Class::Claimed, "The node says so. It may be true."),
        (Class::Redacted, "Left out of the file. What it was cannot be exchanged for something else."),
    ];
    let count = |class| report.claims.iter().filter(|claim| claim.class == class).count();
    html! {
        section {
            h2 { "What the words mean" }
            dl.legend {
                @for (class, meaning) in classes { dt { (badge(class)) " × " (count(class)) } dd { (meaning) } }
            }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            p {
                "This page was written by loom-verify " (env!("CARGO_PKG_VERSION"))
                " and is only as good as the machine that wrote it. To be sure, check the file yourself: "
            }
            pre { "loom-verify FILE --key KEY" }
        }
    }
}

fn badge(class: Class) -> Markup {
    html! { span class={ "badge " (class.to_string()) } { (class.to_string()) } }
}

/// A member's name for people.
fn label(name: &str) -> String {
    let words = plain(name).replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn short(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} characters in all)", &text[..end], text.chars().count()),
        None => text,
    }
}

fn value(value: &Value, depth: usize) -> Markup {
    html! {
        @match value {
            Value::Null => span.none { "none" },
            Value::Bool(is) => (if *is { "yes" } else { "no" }),
            Value::Number(number) => (number),
            Value::String(text) => (short(text)),
            _ if depth == DEPTH_MAX => span.none { "more" },
            Value::Array(items) => (list(items, depth)),
            Value::Object(members) => {
                dl.facts {
                    @for (name, member) in members.iter().take(ITEMS_MAX) {
                        dt { (label(name)) } dd { (self::value(member, depth + 1)) }
                    }
                }
                @if members.len() > ITEMS_MAX { p { "And " (members.len() - ITEMS_MAX) " more." } }
            }
        }
    }
}

fn list(items: &[Value], depth: usize) -> Markup {
    // Objects with the same members are rows.
    let names = |item: &Value| item.as_object().map(|members| members.keys().cloned().collect::<Vec<_>>());
    let columns =
        items.first().and_then(names).filter(|columns| items.iter().all(|item| names(item).as_ref() == Some(columns)));
    html! {
        @match columns {
            _ if items.is_empty() => span.none { "none" },
            Some(columns) => {
                table {
                    thead { tr { @for name in &columns { th { (label(name)) } } } }
                    tbody {
                        @for item in items.iter().take(ITEMS_MAX) {
                            tr { @for name in &columns { td { (value(&item[name.as_str()], depth + 1)) } } }
                        }
                    }
                }
            }
            None => ul { @for item in items.iter().take(ITEMS_MAX) { li { (value(item, depth + 1)) } } },
        }
        @if items.len() > ITEMS_MAX { p { "And " (items.len() - ITEMS_MAX) " more." } }
    }
}
