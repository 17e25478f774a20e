//! How a request names a backend: its Host, its authority, the path below its base, and what it calls its own.

mod escape;
mod question;
mod rewrite;

use std::fmt::Write;

pub use escape::{escaped, unescaped};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::config::{BackendConfig, QuestionConfig, RewriteConfig};

/// Headers in which clients, those of Azure services too, show who they are.
const WITHHELD: [&str; 4] = ["authorization", "cookie", "ocp-apim-subscription-key", "api-key"];

/// What a backend's URL says, in the form that requests need it: cheap to clone, nothing left to format.
#[derive(Clone, Debug)]
pub struct Origin {
    host: HeaderValue,
    authority: Option<Authority>,
    scheme: Scheme,
    base_path: String,
    rewrite: Vec<RewriteConfig>,
    question: QuestionConfig,
}

impl Origin {
    /// The origin of a backend.
    pub fn new(backend: &BackendConfig) -> Self {
        let authority = backend.url.authority();
        let given = backend.host.clone();
        let host = given.or_else(|| HeaderValue::from_str(&authority).ok());
        let host = host.unwrap_or(HeaderValue::from_static(""));
        Self {
            authority: Authority::try_from(host.as_bytes()).ok(),
            host,
            scheme: if backend.url.tls { Scheme::HTTPS } else { Scheme::HTTP },
            base_path: backend.url.base_path.clone(),
            rewrite: backend.rewrite.clone(),
            question: backend.question.clone(),
        }
    }

    /// Of a backend that is nothing but this host.
    #[cfg(test)]
    pub(super) fn of(host: &'static str) -> Self {
        Self {
            host: HeaderValue::from_static(host),
            authority: Some(Authority::from_static(host)),
            scheme: Scheme::HTTP,
            base_path: String::new(),
            rewrite: Vec::new(),
            question: QuestionConfig::default(),
        }
    }

    /// The `Host` to send.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The request target for HTTP/1.1: path and query alone (RFC 9112, section 3.2.1).
    ///
    /// # Errors
    /// When a rewrite makes it something that is no path.
    pub fn target_http1(&self, target: &PathAndQuery) -> Result<Uri, http::Error> {
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(self.target(target)?);
        Ok(Uri::from_parts(parts)?)
    }

    /// The request target for HTTP/2: with scheme and authority (RFC 9113, section 8.3.1).
    ///
    /// # Errors
    /// When a rewrite makes it something that is no path.
    pub fn target_http2(&self, target: &PathAndQuery) -> Result<Uri, http::Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority.clone_from(&self.authority);
        parts.path_and_query = Some(self.target(target)?);
        Ok(Uri::from_parts(parts)?)
    }

    /// Whether a client's field of this name (lower case) is kept from a backend that has a key: its own credentials are
    /// nobody's business there. Names are compared as CGI servers read them, to which `_` and `-` are the same.
    pub fn withholds(&self, name: &[u8]) -> bool {
        self.withholds_any() && WITHHELD.iter().any(|held| alike(held, name))
    }

    /// Whether there are such fields at all.
    pub const fn withholds_any(&self) -> bool {
        self.question.keyed
    }

    /// The path below the base path, with the first rewrite that fits and the backend's own knowledge base or project. The
    /// bytes that none of them touches stay as sent.
    fn target(&self, target: &PathAndQuery) -> Result<PathAndQuery, http::Error> {
        if self.question.is_empty() && self.rewrite.is_empty() && self.base_path.is_empty() {
            return Ok(target.clone());
        }
        let moved = rewrite::rewritten(target.path(), &self.rewrite);
        let path = moved.as_deref().unwrap_or(target.path());
        let (path, query) = question::rewritten(&self.question, path, target.query());
        let mut text = format!("{}{path}", self.base_path);
        if text.is_empty() {
            text.push('/');
        }
        if let Some(query) = query {
            write!(text, "?{query}").ok();
        }
        Ok(PathAndQuery::from_maybe_shared(text)?)
    }
}

/// Whether a server that takes `_` for `-` would take `name` for the name `held`.
fn alike(held: &str, name: &[u8]) -> bool {
    let is = |(held, byte): (u8, &u8)| held == *byte || held == b'-' && *byte == b'_';
    held.len() == name.len() && held.bytes().zip(name).all(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(base_path: &str, rewrite: &[(&str, &str)]) -> Origin {
        let rewrite = rewrite.iter().map(|(prefix, to)| RewriteConfig { prefix: (*prefix).into(), to: (*to).into() });
        Origin {
            host: HeaderValue::from_static("weu.example"),
            authority: Some(Authority::from_static("weu.example")),
            scheme: Scheme::HTTPS,
            base_path: base_path.into(),
            rewrite: rewrite.collect(),
            question: QuestionConfig::default(),
        }
    }

    fn target(origin: &Origin, path: &'static str) -> String {
        origin.target_http1(&PathAndQuery::from_static(path)).unwrap().to_string()
    }

    #[test]
    fn without_rules_the_bytes_stay() {
        assert_eq!(target(&origin("", &[]), "/language/:query?b=2&a=%2F"), "/language/:query?b=2&a=%2F");
    }

    #[test]
    fn a_base_path_comes_first() {
        assert_eq!(target(&origin("/v1", &[]), "/api?x=1"), "/v1/api?x=1");
    }

    #[test]
    fn a_rewrite_swaps_whole_segments() {
        let origin = origin("", &[("/qna/main", "/qna/2f8c")]);
        assert_eq!(target(&origin, "/qna/main/generateAnswer"), "/qna/2f8c/generateAnswer");
        assert_eq!(target(&origin, "/QNA/Main/generateanswer"), "/qna/2f8c/generateanswer");
        assert_eq!(target(&origin, "/qna/mainframe"), "/qna/mainframe");
    }

    #[test]
    fn http2_targets_name_the_authority() {
        let target = origin("", &[]).target_http2(&PathAndQuery::from_static("/a?b")).unwrap();
        assert_eq!(target.to_string(), "https://weu.example/a?b");
    }

    #[test]
    fn a_rewrite_comes_before_the_identity_and_the_base_path_after_it() {
        let mut origin = origin("/weu", &[("/bot/qna", "/qnamaker")]);
        origin.question.kb = Some("2f8c".into());
        let sent = "/bot/qna/knowledgebases/main/generateAnswer?x=1";
        assert_eq!(target(&origin, sent), "/weu/qnamaker/knowledgebases/2f8c/generateAnswer?x=1");
    }

    #[test]
    fn a_clients_credentials_do_not_reach_a_backend_that_has_its_own() {
        let names = ["authorization", "cookie", "ocp-apim-subscription-key", "ocp_apim-subscription_key", "api-key"];
        let kept = ["x-kept", "content-type", "api-keys", "authorizatio"];
        let mut origin = origin("", &[]);
        let withheld =
            |origin: &Origin, names: &[&str]| names.iter().filter(|it| origin.withholds(it.as_bytes())).count();
        assert_eq!(withheld(&origin, &names), 0, "where no key of its own takes their place they pass");
        origin.question.keyed = true;
        assert_eq!((withheld(&origin, &names), withheld(&origin, &kept)), (names.len(), 0));
    }
}
