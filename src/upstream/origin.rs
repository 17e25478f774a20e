//! How a request names a backend: its Host, its authority, and the path below its base.

use std::fmt::Write;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::config::{BackendConfig, RewriteConfig};

/// What a backend's URL says, in the form that requests need it: cheap to clone, nothing left to format.
#[derive(Clone, Debug)]
pub struct Origin {
    host: HeaderValue,
    authority: Option<Authority>,
    scheme: Scheme,
    base_path: String,
    rewrite: Vec<RewriteConfig>,
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

    /// The path below the base path, with the first rewrite that fits. The bytes that neither touches stay as sent.
    fn target(&self, target: &PathAndQuery) -> Result<PathAndQuery, http::Error> {
        let rewritten = self.rewrite.iter().find_map(|rule| Some((rule, below(target.path(), &rule.prefix)?)));
        if rewritten.is_none() && self.base_path.is_empty() {
            return Ok(target.clone());
        }
        let mut text = self.base_path.clone();
        match rewritten {
            Some((rule, rest)) => {
                text.push_str(rule.to.trim_end_matches('/'));
                text.push_str(rest);
            }
            None => text.push_str(target.path()),
        }
        if text.is_empty() {
            text.push('/');
        }
        if let Some(query) = target.query() {
            write!(text, "?{query}").ok();
        }
        Ok(PathAndQuery::from_maybe_shared(text)?)
    }
}

/// What follows `prefix` in `path`, on a segment border; without regard to case, as the services behind a rewrite read
/// their paths.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_end_matches('/');
    let head = path.get(..prefix.len())?;
    let rest = &path[prefix.len()..];
    (head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
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
}
