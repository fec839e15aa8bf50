//! What the loan-review demo reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use loom_runtime::Metrics;
use serde_json::json;

use super::{
    attested::{self, Attested},
    evidence::{self, Shown},
    proofs::Proofs,
    proved,
};
use crate::output::grouped;

/// What the program did with an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decided {
    Approved,
    Denied,
    Referred,
}

/// What the lender had done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lender {
    Approved,
    Denied,
}

/// One row of the file, reviewed or rejected.
pub(super) enum Verdict {
    Rejected(String),
    Decided {
        decided: Decided,
        id: String,
        lei: String,
        lender: Option<Lender>,
        reasons: Vec<String>,
        token: Option<String>,
    },
}

impl Verdict {
    pub(super) fn rejected(code: &str) -> Self {
        Self::Rejected(code.to_owned())
    }

    pub(super) fn decided(
        decided: Decided,
        id: &str,
        lei: String,
        lender: Option<Lender>,
        reasons: Vec<String>,
    ) -> Self {
        Self::Decided { decided, id: id.to_owned(), lei, lender, reasons, token: None }
    }

    pub(super) fn with_token(mut self, found: Option<String>) -> Self {
        if let Self::Decided { token, .. } = &mut self {
            *token = found;
        }
        self
    }
}

/// Everything counted.
pub(super) struct Report {
    source: String,
    is_synthetic: bool,
    data: PathBuf,
    rows: u64,
    approved: u64,
    denied: u64,
    referred: u64,
    rejected: BTreeMap<String, u64>,
    reasons: BTreeMap<String, u64>,
    lenders: BTreeSet<String>,
    /// Labelled rows that the program approved or denied itself; of these, those where the lender did the same
    /// and those that the lender approved.
    compared: u64,
    agreed: u64,
    lender_approved: u64,
    /// Labelled rows, decided or referred, and those that the lender approved.
    labelled: u64,
    labelled_approved: u64,
    example: Option<String>,
    example_denied: Option<String>,
    example_referred: Option<(String, String)>,
    seconds: f64,
    per_second: f64,
    pub(super) portfolio_agrees: bool,
    pub(super) node: Option<Metrics>,
    pub(super) proofs: Option<Proofs>,
    /// With the notary's key.
    pub(super) attested: Option<(Vec<Attested>, String)>,
    pub(super) evidence: Vec<Shown>,
}

impl Report {
    pub(super) fn new(source: String, is_synthetic: bool, data: &Path) -> Self {
        Self {
            source,
            is_synthetic,
            data: data.to_owned(),
            rows: 0,
            approved: 0,
            denied: 0,
            referred: 0,
            rejected: BTreeMap::new(),
            reasons: BTreeMap::new(),
            lenders: BTreeSet::new(),
            compared: 0,
            agreed: 0,
            lender_approved: 0,
            labelled: 0,
            labelled_approved: 0,
            example: None,
            example_denied: None,
            example_referred: None,
            seconds: 0.0,
            per_second: 0.0,
            portfolio_agrees: false,
            node: None,
            proofs: None,
            attested: None,
            evidence: Vec::new(),
        }
    }

    /// How long it took to come to what there is by now.
    pub(super) fn timed(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        self.per_second = self.rows as f64 / self.seconds;
    }

    pub(super) fn add(&mut self, verdict: Verdict) {
        self.rows += 1;
        let (decided, id, lei, lender, reasons, token) = match verdict {
            Verdict::Rejected(code) => {
                *self.rejected.entry(code).or_default() += 1;
                return;
            }
            Verdict::Decided { decided, id, lei, lender, reasons, token } => (decided, id, lei, lender, reasons, token),
        };
        self.lenders.insert(lei);
        for reason in reasons {
            *self.reasons.entry(reason).or_default() += 1;
        }
        match decided {
            Decided::Approved => self.approved += 1,
            Decided::Denied => self.denied += 1,
            Decided::Referred => self.referred += 1,
        }
        self.compare(decided, lender);
        match decided {
            Decided::Approved => self.example.get_or_insert(id),
            Decided::Denied => self.example_denied.get_or_insert(id),
            Decided::Referred => &mut self.example_referred.get_or_insert_with(|| (id, token.unwrap_or_default())).0,
        };
    }

    fn compare(&mut self, decided: Decided, lender: Option<Lender>) {
        let Some(lender) = lender else { return };
        self.labelled += 1;
        self.labelled_approved += u64::from(lender == Lender::Approved);
        let same = match decided {
            Decided::Approved => lender == Lender::Approved,
            Decided::Denied => lender == Lender::Denied,
            Decided::Referred => return,
        };
        self.compared += 1;
        self.agreed += u64::from(same);
        self.lender_approved += u64::from(lender == Lender::Approved);
    }

    pub(super) fn lenders(&self) -> impl Iterator<Item = &String> {
        self.lenders.iter()
    }

    /// Ids of an approved and of a denied application.
    pub(super) fn examples(&self) -> (Option<&str>, Option<&str>) {
        (self.example.as_deref(), self.example_denied.as_deref())
    }

    /// Approved, denied, referred.
    pub(super) fn decisions(&self) -> (u64, u64, u64) {
        (self.approved, self.denied, self.referred)
    }

    pub(super) fn progress(&self) -> String {
        format!("approved {}  denied {}  referred {}", self.approved, self.denied, self.referred)
    }

    fn decided(&self) -> u64 {
        self.approved + self.denied + self.referred
    }

    pub(super) fn to_json(&self) -> String {
        let rejected: u64 = self.rejected.values().sum();
        let node = self.node.as_ref().map(|metrics| {
            json!({
                "turns": metrics.turns_ended.get(),
                "steps": metrics.steps.get(),
                "entries": metrics.entries.get(),
                "commits": metrics.commits.get(),
                "activities": metrics.activities.get(),
            })
        });
        json!({
            "source": self.source,
            "synthetic": self.is_synthetic,
            "applications": self.rows,
            "decided": self.decided(),
            "approved": self.approved,
            "denied": self.denied,
            "referred": self.referred,
            "rejected": rejected,
            "rejected_by_code": self.rejected,
            "reasons": self.reasons,
            "lenders": self.lenders.len(),
            "agreement": ratio(self.agreed, self.compared),
            "agreement_rows": self.compared,
            "baseline": ratio(self.lender_approved, self.compared),
            "baseline_all_rows": ratio(self.labelled_approved, self.labelled),
            "portfolio_agrees": self.portfolio_agrees,
            "evidence": evidence::to_json(&self.evidence),
            "proofs": self.proofs.as_ref().map(proved::to_json),
            "attested": self.attested.as_ref().map(|(attested, key)| attested::to_json(attested, key)),
            "seconds": self.seconds,
            "per_second": self.per_second,
            "node": node,
            "data": self.data,
        })
        .to_string()
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("writing to a string does not fail");
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\nLoan review: {}", self.source)?;
        if self.is_synthetic {
            writeln!(out, "(made up by a seeded generator after public figures; no real application is in it)")?;
        }
        let decided = self.decided();
        writeln!(out, "\n  {:>9}  applications decided by WASM actors", grouped(decided))?;
        for (name, count) in
            [("approved", self.approved), ("denied", self.denied), ("referred to a person", self.referred)]
        {
            writeln!(out, "  {:>9}  {name}  ({})", grouped(count), percent(count, decided))?;
        }
        for (code, count) in &self.rejected {
            writeln!(out, "  {:>9}  not reviewed: {code}", grouped(*count))?;
        }
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(id, count)| (std::cmp::Reverse(**count), (*id).clone()));
        writeln!(out, "\nReasons for denials and referrals (an application may have several)")?;
        for (id, count) in reasons {
            writeln!(out, "  {:>9}  {id}", grouped(*count))?;
        }
        self.write_agreement(out)?;
        self.write_node(out)?;
        // As it was called: what is printed can be pasted.
        let loom = std::env::args().next().unwrap_or_else(|| "loom".to_owned());
        if let Some(proofs) = &self.proofs {
            proved::write(out, proofs, &loom)?;
        }
        if let Some((attested, key)) = &self.attested {
            attested::write(out, attested, key, &self.data, &loom)?;
        }
        evidence::write(out, &self.evidence, &loom, &self.data)?;
        self.write_next(out, &loom)
    }

    fn write_agreement(&self, out: &mut String) -> std::fmt::Result {
        if self.compared == 0 {
            return writeln!(out, "\nThe file does not say what the lender decided.");
        }
        writeln!(out, "\nBeside what the lender decided ({} approved or denied here)", grouped(self.compared))?;
        writeln!(out, "  {:>9}  agreement", percent(self.agreed, self.compared))?;
        writeln!(
            out,
            "  {:>9}  would be reached by always approving these",
            percent(self.lender_approved, self.compared)
        )?;
        writeln!(
            out,
            "  {:>9}  by always approving all {} with a known decision",
            percent(self.labelled_approved, self.labelled),
            grouped(self.labelled)
        )
    }

    fn write_node(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\n{:.1} s, {} applications/s, every decision durable before it was counted",
            self.seconds,
            grouped(self.per_second as u64)
        )?;
        if let Some(metrics) = &self.node {
            writeln!(
                out,
                "{} turns, {} journaled steps, {} commits, {} WASM activities",
                grouped(metrics.turns_ended.get()),
                grouped(metrics.steps.get()),
                grouped(metrics.commits.get()),
                grouped(metrics.activities.get())
            )?;
        }
        let agree = if self.portfolio_agrees { "agree" } else { "DO NOT agree" };
        writeln!(
            out,
            "the running totals of {} portfolio actors {agree} with the decisions",
            grouped(self.lenders.len() as u64)
        )
    }

    fn write_next(&self, out: &mut String, loom: &str) -> std::fmt::Result {
        let data = self.data.display();
        writeln!(out, "\nLook closer")?;
        for (what, id) in [("an approval", &self.example), ("a denial", &self.example_denied)] {
            if let Some(id) = id {
                writeln!(out, "  {what:<22} {loom} journal loan-review/{id} --data {data}")?;
            }
        }
        if let Some((id, token)) = &self.example_referred {
            writeln!(out, "  {:<22} {loom} promise list --data {data}", "what waits for people")?;
            writeln!(out, "  {:<22} {loom} promise resolve {token} \\", format!("decide {id}"))?;
            writeln!(out, "  {:<22}   '{{\"decision\":\"approve\",\"by\":\"your name\"}}' --data {data}", "")?;
        }
        Ok(())
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn percent(part: u64, whole: u64) -> String {
    ratio(part, whole).map_or_else(|| "–".to_owned(), |ratio| format!("{:.1} %", 100.0 * ratio))
}
