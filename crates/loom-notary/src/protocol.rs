//! What goes over HTTP between a client and a notary: JSON, described in `docs/formats/notary.md`.
//!
//! A call carries credentials, so nothing here has a `Debug`.

use data_encoding::BASE64;
use loom_client::Secret;
use loom_tlsnotary::{Layout, Presentation};
use serde::{Deserialize, Serialize};

use crate::{Header, InvalidRequest, Method, Request, disclose::is_consistent};

/// The version of all of it.
pub(crate) const VERSION: u32 = 1;

/// `POST /v1/notarize`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// `GET` without one.
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<CallHeader>,
    /// In base64.
    #[serde(default)]
    body: String,
    #[serde(default)]
    seal_query: bool,
    #[serde(default)]
    seal_body: bool,
    /// A release of TLSNotary.
    #[serde(default = "newest")]
    layout: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallHeader {
    name: String,
    #[serde(serialize_with = "Secret::reveal")]
    value: Secret<String>,
    /// Whether it is sealed.
    #[serde(default)]
    credential: bool,
}

/// The answer to it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) v: u32,
    pub(crate) mode: String,
    layout: String,
    /// A file in alpha.15's encoding, whatever the layout of what was hashed and signed. In base64.
    presentation: String,
}

/// `GET /v1/key`
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) v: u32,
    pub(crate) mode: String,
    pub(crate) algorithm: String,
    pub(crate) key: String,
    pub(crate) allowed: Vec<String>,
}

/// An error (RFC 9457).
#[derive(Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) r#type: String,
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
}

fn get() -> String {
    Method::Get.name().to_owned()
}

fn newest() -> String {
    layout_name(Layout::Alpha15).to_owned()
}

/// A layout as it is called on the command line and over HTTP.
pub fn layout_name(layout: Layout) -> &'static str {
    match layout {
        Layout::Alpha15 => "alpha.15",
        Layout::Alpha12 => "alpha.12",
    }
}

/// The layout of this name.
pub fn layout_named(name: &str) -> Option<Layout> {
    [Layout::Alpha15, Layout::Alpha12].into_iter().find(|layout| layout_name(*layout) == name)
}

impl Call {
    pub(crate) fn new(request: &Request, layout: Layout) -> Self {
        let header = |header: &Header| CallHeader {
            name: header.name.clone(),
            value: header.value.clone(),
            credential: header.is_credential,
        };
        Self {
            method: request.method.name().to_owned(),
            url: request.url.clone(),
            headers: request.headers.iter().map(header).collect(),
            body: BASE64.encode(&request.body),
            seal_query: request.seal_query,
            seal_body: request.seal_body,
            layout: layout_name(layout).to_owned(),
        }
    }

    pub(crate) fn read(self) -> Result<(Request, Layout), InvalidRequest> {
        let invalid = |what| InvalidRequest::Member { what };
        let layout = layout_named(&self.layout).ok_or_else(|| invalid("layout"))?;
        let header =
            |header: CallHeader| Header { name: header.name, value: header.value, is_credential: header.credential };
        let request = Request {
            method: Method::named(&self.method).ok_or_else(|| invalid("method"))?,
            url: self.url,
            headers: self.headers.into_iter().map(header).collect(),
            body: BASE64.decode(self.body.as_bytes()).map_err(|_| invalid("body"))?,
            seal_query: self.seal_query,
            seal_body: self.seal_body,
        };
        Ok((request, layout))
    }
}

impl Answer {
    pub(crate) fn new(presentation: &Presentation, layout: Layout) -> Self {
        Self {
            v: VERSION,
            mode: crate::TRUSTED_FETCH.to_owned(),
            layout: layout_name(layout).to_owned(),
            presentation: BASE64.encode(&loom_tlsnotary::encode(presentation)),
        }
    }

    /// The presentation, if it is in the layout that was asked for.
    pub(crate) fn read(&self, layout: Layout) -> Result<Presentation, &'static str> {
        if self.v != VERSION || self.layout != layout_name(layout) {
            return Err("it is of another version or in another layout");
        }
        let bytes = BASE64.decode(self.presentation.as_bytes()).map_err(|_| "the presentation is no base64")?;
        let presentation = loom_tlsnotary::decode(&bytes).map_err(|_| "the presentation cannot be read")?;
        match presentation.transcript.as_ref().is_none_or(is_consistent) {
            true => Ok(presentation),
            false => Err("the presentation's parts do not fit together"),
        }
    }
}
