//! The cases: how they are written, and what each demands.

use serde::Deserialize;

/// The files of cases, by class.
const FILES: [(&str, &str); 10] = [
    ("content-length", include_str!("data/content_length.toml")),
    ("transfer-encoding", include_str!("data/transfer_encoding.toml")),
    ("chunks", include_str!("data/chunks.toml")),
    ("lines", include_str!("data/lines.toml")),
    ("request-line", include_str!("data/request_line.toml")),
    ("host", include_str!("data/host.toml")),
    ("fields", include_str!("data/fields.toml")),
    ("pipelining", include_str!("data/pipelining.toml")),
    ("responses", include_str!("data/responses.toml")),
    ("http2", include_str!("data/http2.toml")),
];

/// What the strictest reading asks of a proxy.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Nothing of the request reaches the backend but what `seen` lists; the client gets a refusal, and the connection ends.
    Refuse,
    /// The head may have gone on before the fault showed: the backend must never see a whole request, and nothing after it.
    Cut,
    /// Valid, if odd: the backend sees exactly `seen`, the client gets its answers.
    Serve,
    /// Both refusing and serving as `seen` says are sound; what counts is that nobody is misled.
    Sound,
    /// A response that is no HTTP, or can be read in two ways: the client gets an error of the proxy and none of it.
    BadGateway,
    /// A response that broke off: the client gets an error, or can tell that what it has is not the whole.
    Incomplete,
}

/// One case. Texts have a notation of their own: a line break is CRLF unless a `\` stands before it, then nothing; `\r`, `\n`,
/// `\t`, `\0`, `\\` and `\xHH` are what they are in C; `\{1000*ab}` repeats a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file that it stands in.
    #[serde(skip)]
    pub class: &'static str,
    /// Unique among all cases.
    pub name: String,
    /// Where the rule stands, or what came of breaking it.
    pub why: String,
    pub demand: Demand,
    /// Statuses by which the refusal may be told; for `Serve` those of the answers, in order.
    #[serde(default)]
    pub status: Vec<u16>,
    /// A refusal after which the connection may go on: nothing is wrong with the framing.
    #[serde(default)]
    pub keep: bool,
    /// Whole bytes to send over HTTP/1.1.
    #[serde(default)]
    send: Option<String>,
    /// A request line; Host and an end are added.
    #[serde(default)]
    line: Option<String>,
    /// Fields of a `POST /case`, one a line.
    #[serde(default)]
    fields: Option<String>,
    /// Its body; for HTTP/2 the DATA.
    #[serde(default)]
    body: Option<String>,
    /// Fields of an HTTP/2 request in order, after the usual pseudo-header fields.
    #[serde(default)]
    h2: Option<Vec<(String, String)>>,
    /// The same without the usual ones before.
    #[serde(default)]
    h2_whole: Option<Vec<(String, String)>>,
    /// Trailers of an HTTP/2 request.
    #[serde(default)]
    h2_trailers: Vec<(String, String)>,
    /// What the backend answers with; none: an echo.
    #[serde(default)]
    answer: Option<String>,
    /// The backend answers when it has read the head.
    #[serde(default)]
    pub early: bool,
    /// The backend closes after its answer.
    #[serde(default)]
    pub closes: bool,
    /// The client ends its side after sending.
    #[serde(default)]
    pub half_close: bool,
    /// The request has no answer body whatever the fields of the answer say.
    #[serde(default)]
    pub head_only: bool,
    /// Whole requests that the backend may, or for `Serve` must, see: `METHOD target`.
    #[serde(default)]
    pub seen: Vec<String>,
    /// The body of the last of them.
    #[serde(default)]
    pub seen_body: Option<String>,
    /// Texts, in lower case, that must not be in what the backend saw.
    #[serde(default)]
    pub never: Vec<String>,
    /// That they were is no way to mislead a backend: a rule broken, no more.
    #[serde(default)]
    pub mild: bool,
    /// What the client gets may be another protocol.
    #[serde(default)]
    pub client_any: bool,
    /// Texts that must not be in what the client got.
    #[serde(default)]
    pub client_never: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    case: Vec<Case>,
}

/// What a client sends.
pub enum Request {
    /// Bytes over HTTP/1.1.
    Bytes(Vec<u8>),
    /// One stream of HTTP/2.
    Stream { fields: Vec<(Vec<u8>, Vec<u8>)>, body: Option<Vec<u8>>, trailers: Vec<(Vec<u8>, Vec<u8>)> },
}

/// Every case.
///
/// # Panics
/// When a file does not parse.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (class, text) in FILES {
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{class}: {error}"));
        cases.extend(file.case.into_iter().map(|case| Case { class, ..case }));
    }
    cases
}

impl Case {
    /// What is sent.
    pub fn request(&self) -> Request {
        if let Some(fields) = &self.h2_whole {
            return self.stream(fields.clone());
        }
        if let Some(fields) = &self.h2 {
            let usual = [(":method", "POST"), (":scheme", "https"), (":authority", "bot.test"), (":path", "/case")];
            let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return self.stream(usual.into_iter().chain(fields.iter().cloned()).collect());
        }
        let text = match (&self.send, &self.line, &self.fields) {
            (Some(text), None, None) => text.clone(),
            (None, Some(line), None) => format!("{line}\nHost: bot.test\n\n"),
            (None, None, Some(fields)) => {
                let body = self.body.as_deref().unwrap_or_default();
                format!("POST /case HTTP/1.1\nHost: bot.test\n{}\n\n{body}", fields.trim_end_matches('\n'))
            }
            // A case of a backend: the request is nothing special.
            (None, None, None) => "GET /case HTTP/1.1\nHost: bot.test\n\n".to_owned(),
            _ => panic!("{}: one of send, line and fields", self.name),
        };
        Request::Bytes(bytes(&text))
    }

    fn stream(&self, fields: Vec<(String, String)>) -> Request {
        let pairs = |list: Vec<(String, String)>| {
            list.into_iter().map(|(name, value)| (bytes(&name), bytes(&value))).collect::<Vec<_>>()
        };
        Request::Stream {
            fields: pairs(fields),
            body: self.body.as_deref().map(bytes),
            trailers: pairs(self.h2_trailers.clone()),
        }
    }

    /// The answer that the backend gives; none: an echo.
    pub fn answer(&self) -> Option<Vec<u8>> {
        self.answer.as_deref().map(bytes)
    }

    /// Whether it is sent over HTTP/2.
    pub fn is_stream(&self) -> bool {
        self.h2.is_some() || self.h2_whole.is_some()
    }

    /// Whether the backend is what misbehaves.
    pub fn is_of_the_backend(&self) -> bool {
        self.answer.is_some()
    }

    /// How many requests the client sends by the strictest reading.
    pub fn requests(&self) -> usize {
        self.seen.len().max(1)
    }
}

/// The bytes that a text of the notation stands for.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\n' => out.extend_from_slice(b"\r\n"),
            b'\\' => match rest.next() {
                Some(b'\n') => {}
                Some(b'r') => out.push(b'\r'),
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(b'0') => out.push(0),
                Some(b'\\') => out.push(b'\\'),
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                Some(b'{') => {
                    let inner: Vec<u8> = rest.by_ref().take_while(|byte| *byte != b'}').collect();
                    let inner = String::from_utf8(inner).unwrap();
                    let (count, what) = inner.split_once('*').unwrap();
                    out.extend(bytes(what).repeat(count.parse().unwrap()));
                }
                other => panic!("no such escape: {other:?} in {text}"),
            },
            other => out.push(other),
        }
    }
    out
}
