//! What can be wrong with an HTTP/1 message.

/// A rule that a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A line ends in LF alone (RFC 9112, section 2.2, lets a recipient take it; others do not).
    BareLf,
    /// A CR without LF.
    BareCr,
    /// A control character, NUL or DEL.
    Control,
    /// More than one empty line before a request line.
    BlankLines,
    /// The request line is not `method SP target SP version`.
    RequestLine,
    /// The request target holds what no target may: bytes beyond ASCII, or a fragment.
    Target,
    /// The version is none of HTTP/1.0 and HTTP/1.1.
    Version,
    /// The status line is none.
    StatusLine,
    /// A field line begins with white space: folded, or before the first field (RFC 9112, sections 2.2 and 5.2).
    Folded,
    /// A field name is empty, not followed by a colon at once, or holds what no name may.
    FieldName,
    /// The request line alone is longer than a head may be.
    TargetTooLong,
    /// The head is longer than it may be.
    HeadTooLarge,
    /// The head has more fields than it may have.
    TooManyFields,
    /// `Content-Length` is no plain decimal number: signed, padded, with leading zeros, a list.
    Length,
    /// `Content-Length` more than once, even with the same value.
    Lengths,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112, section 6.3: a sign of smuggling).
    LengthAndCoding,
    /// `Transfer-Encoding` is not `chunked`, written once and plainly.
    Coding,
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112, section 6.1).
    CodingTooOld,
    /// A chunk size is no plain hexadecimal number below 2^60, or does not end at once.
    ChunkSize,
    /// A chunk extension breaks its grammar (RFC 9112, section 7.1.1), or the extensions of a body are too long in sum.
    ChunkExtension,
    /// A chunk is longer than its size, or not followed by CR LF.
    ChunkEnd,
    /// A trailer names what frames, routes or authorizes a message (RFC 9110, section 6.5.1).
    Trailer,
    /// Too many trailers.
    TooManyTrailers,
    /// A response that no request asked for, or bytes after one.
    Unsolicited,
    /// Too many interim responses (1xx) to one request.
    Interims,
    /// 101 to a request that asked for no upgrade.
    Switch,
}

impl Fault {
    /// A stable word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::Control => "control-character",
            Self::BlankLines => "blank-lines",
            Self::RequestLine => "request-line",
            Self::Target => "target",
            Self::Version => "version",
            Self::StatusLine => "status-line",
            Self::Folded => "folded-field",
            Self::FieldName => "field-name",
            Self::TargetTooLong => "target-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::TooManyFields => "too-many-fields",
            Self::Length => "content-length",
            Self::Lengths => "several-lengths",
            Self::LengthAndCoding => "length-and-coding",
            Self::Coding => "transfer-coding",
            Self::CodingTooOld => "coding-in-http-1.0",
            Self::ChunkSize => "chunk-size",
            Self::ChunkExtension => "chunk-extension",
            Self::ChunkEnd => "chunk-end",
            Self::Trailer => "trailer",
            Self::TooManyTrailers => "too-many-trailers",
            Self::Unsolicited => "unsolicited",
            Self::Interims => "interim-responses",
            Self::Switch => "unasked-switch",
        }
    }

    /// What is wrong, for who sent it.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::BareLf => "a line ends in LF without CR",
            Self::BareCr => "a CR is not followed by LF",
            Self::Control => "a control character in the head or the chunk framing",
            Self::BlankLines => "several empty lines before the request line",
            Self::RequestLine => "the request line is not method, target and version with one space between each",
            Self::Target => "the request target holds a fragment or bytes that are not ASCII: percent-encode them",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1: HTTP/2 is spoken where TLS agreed on it",
            Self::StatusLine => "the status line is not version and a status of three digits",
            Self::Folded => "a header field is folded, or white space comes before it",
            Self::FieldName => "a header field has no name, a bad name, or white space before its colon",
            Self::TargetTooLong => "the request target is too long",
            Self::HeadTooLarge => "the header fields are larger than this listener takes",
            Self::TooManyFields => "too many header fields",
            Self::Length => "Content-Length is not a plain decimal number",
            Self::Lengths => "several Content-Length fields",
            Self::LengthAndCoding => "Content-Length beside Transfer-Encoding",
            Self::Coding => "a transfer coding other than chunked, once and plainly written",
            Self::CodingTooOld => "HTTP/1.0 has no Transfer-Encoding",
            Self::ChunkSize => "a chunk size is not a plain hexadecimal number",
            Self::ChunkExtension => "a chunk extension is malformed, or too long",
            Self::ChunkEnd => "a chunk does not end where its size says",
            Self::Trailer => "a trailer names a field that frames, routes or authorizes the message",
            Self::TooManyTrailers => "too many trailers",
            Self::Unsolicited => "a response that no request asked for",
            Self::Interims => "too many interim responses",
            Self::Switch => "a switch of protocols that nobody asked for",
        }
    }

    /// The status that answers a request with it (RFC 9110, section 15.5; RFC 6585, section 5).
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            _ => 400,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for Fault {}
