//! `--attest`: some applications are reviewed on the income that a bank states and a notary saw, not on the claim.
//!
//! Bank, notary and lender are one process here, which the verdicts say: the notary's key is among the operator's own.
//! What the lender's actor has of the bank is a presentation, and it has it verified in the sandbox.

use std::{
    fmt::{self, Display, Write as _},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use example_bank::{Account, Bank, HOST};
use futures::{FutureExt as _, future::BoxFuture};
use loom_client::Secret;
use loom_http::Resolve;
use loom_loan_review::Application;
use loom_notary::{
    Header, KeyAlgorithm, Layout, Notary, OsRandom, Outside, Request, Roots, Selection, Settings, SigningKey,
    SystemClock, disclose,
};
use loom_runtime::Handle;
use loom_tlsnotary::{Presentation, encode};
use serde_json::{Map, Value, json};

use super::report::{Decided, Verdict};
use crate::{CliError, output::grouped};

/// What the lender needs of a statement. What stands after it stays hidden.
const DISCLOSED: [&str; 3] = ["/institution", "/account/holder", "/income"];
/// How old a statement may be.
const AGE_S_MAX: u64 = 24 * 60 * 60;

/// How somebody comes to the lender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applicant {
    /// Claims what the bank states.
    Honest,
    /// Claims more.
    Boastful,
    /// Raised the amount in the file.
    Forger,
    /// Hands in the honest one's statement again, for another application.
    Repeater,
}

impl Applicant {
    /// In the order in which they come.
    pub(super) const ALL: [Self; 4] = [Self::Honest, Self::Boastful, Self::Forger, Self::Repeater];

    fn describe(self) -> &'static str {
        match self {
            Self::Honest => "claims what the bank states",
            Self::Boastful => "claims more than the bank states",
            Self::Forger => "raised the amount in the file",
            Self::Repeater => "hands in the first one's statement",
        }
    }

    /// What the bank knows, of somebody who claims so much.
    fn stated_cents(self, claimed_cents: u64) -> u64 {
        match self {
            Self::Honest | Self::Repeater => claimed_cents,
            Self::Boastful | Self::Forger => claimed_cents / 5 * 4,
        }
    }
}

/// A bank, and a notary that is let in there.
pub(super) struct Statements<'a> {
    handle: &'a Handle,
    data: &'a Path,
    bank: Bank,
    notary: Notary,
    /// The honest applicant's name and presentation.
    first: Option<(String, Vec<u8>)>,
}

/// What came of an application with a statement.
pub(super) struct Attested {
    pub(super) id: String,
    applicant: Applicant,
    claimed_cents: u64,
    stated_cents: u64,
    file: PathBuf,
    outcome: Outcome,
}

enum Outcome {
    Decided { what: &'static str, reasons: Vec<String> },
    Refused { code: String },
}

fn failed(error: &dyn Display) -> CliError {
    CliError::new("demo", format!("the bank's statements: {error}"))
}

impl<'a> Statements<'a> {
    pub(super) async fn open(handle: &'a Handle, data: &'a Path) -> Result<Self, CliError> {
        let bank = Bank::open(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|error| failed(&error))?;
        let authority = Roots::read(&bank.authority_der).map_err(|error| failed(&error))?;
        let allowed = bank.statement_url().parse().map_err(|error| failed(&error))?;
        let settings = Settings { allowed: vec![allowed], private_hosts: [HOST.to_owned()].into(), roots: authority };
        let resolver = Arc::new(Here(bank.address));
        let outside = Outside { clock: Arc::new(SystemClock), random: Arc::new(OsRandom), resolver };
        let key = SigningKey::generate(KeyAlgorithm::K256, &OsRandom);
        let notary = Notary::new(key, settings, outside).map_err(|error| failed(&error))?;
        let authority = data.join("bank-authority.pem");
        std::fs::write(&authority, &bank.authority_pem).map_err(|error| CliError::file(&authority, error))?;
        Ok(Self { handle, data, bank, notary, first: None })
    }

    /// Whom the deployment's verifier trusts.
    pub(super) fn policy(&self) -> Map<String, Value> {
        let key = self.notary.public_key_text();
        let policy = json!({
            "notary_keys": [key], "operator_keys": [key], "servers": [HOST], "trusted_fetch": true,
            "roots": [data_encoding::BASE64.encode(&self.bank.authority_der)], "age_s_max": AGE_S_MAX,
        });
        policy.as_object().cloned().unwrap_or_default()
    }

    /// What goes into the message of an application: a statement as this applicant comes by it.
    pub(super) async fn statement(
        &mut self,
        applicant: Applicant,
        application: &Application,
    ) -> Result<(Value, PathBuf), CliError> {
        let holder = format!("Applicant {}", application.id);
        let (holder, file) = match (applicant, &self.first) {
            (Applicant::Repeater, Some((holder, file))) => (holder.clone(), file.clone()),
            _ => {
                let claimed = application.claimed_income_cents().unwrap_or_default();
                let presentation = self.notarised(&holder, applicant.stated_cents(claimed)).await?;
                let presentation = match applicant {
                    Applicant::Forger => raised(presentation),
                    _ => presentation,
                };
                (holder, encode(&presentation))
            }
        };
        if applicant == Applicant::Honest {
            self.first = Some((holder.clone(), file.clone()));
        }
        let path = self.data.join(format!("{}.tlsn", application.id));
        std::fs::write(&path, &file).map_err(|error| CliError::file(&path, error))?;
        let cid = self.handle.put_blob(file.into()).await.map_err(|error| failed(&error))?;
        Ok((json!({ "presentation": cid.to_string(), "holder": holder }), path))
    }

    /// Has the notary fetch a statement, and hides what the lender need not know. The token reaches nobody's disk.
    async fn notarised(&self, holder: &str, annual_income_cents: u64) -> Result<Presentation, CliError> {
        let token = format!("token of {holder}");
        let number = "000123456789".to_owned();
        self.bank.add(Account { token: token.clone(), holder: holder.to_owned(), number, annual_income_cents });
        let value = Secret::new(format!("Bearer {token}"));
        let authorization = Header { name: "authorization".to_owned(), value, is_credential: true };
        let request = Request { headers: vec![authorization], ..Request::get(self.bank.statement_url()) };
        let full = self.notary.notarize(&request, Layout::Alpha15).await.map_err(|error| failed(&error))?;
        let pointers = DISCLOSED.map(|pointer| pointer.parse().expect("they are pointers"));
        disclose(&full, &Selection::Only(pointers.into())).map_err(|error| failed(&error))
    }

    /// What came of it.
    pub(super) fn judged(
        applicant: Applicant,
        application: &Application,
        file: PathBuf,
        verdict: &Verdict,
    ) -> Attested {
        let claimed_cents = application.claimed_income_cents().unwrap_or_default();
        let outcome = match verdict {
            Verdict::Rejected(code) => Outcome::Refused { code: code.clone() },
            Verdict::Decided { decided, reasons, .. } => {
                let what = match decided {
                    Decided::Approved => "approved",
                    Decided::Denied => "denied",
                    Decided::Referred => "referred",
                };
                Outcome::Decided { what, reasons: reasons.clone() }
            }
        };
        let stated_cents = applicant.stated_cents(claimed_cents);
        Attested { id: application.id.clone(), applicant, claimed_cents, stated_cents, file, outcome }
    }

    /// What a stranger needs to check a file: the notary's key.
    pub(super) fn notary_key(&self) -> String {
        self.notary.public_key_text()
    }
}

/// The first digit of the income raised to 9, in the file and nowhere else.
fn raised(mut presentation: Presentation) -> Presentation {
    const BEFORE: &[u8] = br#""annual":""#;
    if let Some(transcript) = &mut presentation.transcript {
        let text = &mut transcript.received;
        let place = text.windows(BEFORE.len()).position(|window| window == BEFORE);
        if let Some(digit) = place.and_then(|place| text.get_mut(place + BEFORE.len())) {
            *digit = b'9';
        }
    }
    presentation
}

/// The bank's name leads to this machine.
struct Here(SocketAddr);

impl Resolve for Here {
    fn resolve(&self, _host: String, _port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let address = self.0;
        async move { Ok(vec![address]) }.boxed()
    }
}

pub(super) fn to_json(attested: &[Attested], notary_key: &str) -> Value {
    let one = |one: &Attested| {
        let Attested { id, applicant, claimed_cents, stated_cents, file, outcome } = one;
        let (decided, reasons, refused) = match outcome {
            Outcome::Decided { what, reasons } => (Some(what), reasons.as_slice(), None),
            Outcome::Refused { code } => (None, &[][..], Some(code)),
        };
        json!({
            "application": id, "applicant": applicant.describe(), "claimed_cents": claimed_cents,
            "stated_cents": stated_cents, "presentation": file, "decided": decided, "reasons": reasons,
            "refused": refused,
        })
    };
    json!({ "notary_key": notary_key, "applications": attested.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn write(out: &mut String, attested: &[Attested], notary_key: &str, data: &Path, loom: &str) -> fmt::Result {
    writeln!(out, "\nIncome that a bank stated, and a notary saw (trusted fetch, by this node's own operator)")?;
    for one in attested {
        let amount = |cents: u64| grouped(cents / 100);
        let (claimed, stated) = (amount(one.claimed_cents), amount(one.stated_cents));
        writeln!(out, "  {:<12} {}: claimed {claimed}, stated {stated}", one.id, one.applicant.describe())?;
        match &one.outcome {
            Outcome::Decided { what, reasons } if reasons.is_empty() => writeln!(out, "  {:<12} {what}", "")?,
            Outcome::Decided { what, reasons } => writeln!(out, "  {:<12} {what}: {}", "", reasons.join(", "))?,
            Outcome::Refused { code } => writeln!(out, "  {:<12} not reviewed: {code}", "")?,
        }
    }
    let Some(first) = attested.first() else { return writeln!(out, "  none: no application here states an income") };
    writeln!(out, "  check one    {loom} tlsn verify {} \\", first.file.display())?;
    writeln!(out, "                 --notary-key {notary_key} \\")?;
    writeln!(out, "                 --root {}", data.join("bank-authority.pem").display())
}
