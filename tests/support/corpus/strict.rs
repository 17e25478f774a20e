//! The strictest reading of HTTP/1.1 (RFC 9112), for what reached a backend and what reached a client: what it does not take
//! for valid must not come out of a proxy.

/// A whole message, or as much of one as came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The request line or status line.
    pub start: String,
    /// The fields, as text.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Head and body came whole.
    pub complete: bool,
    /// The head came whole.
    pub head: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    At(usize),
    Chunked,
    AtClose,
}

/// What is known of the message from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    /// `bodiless`: the answer to a HEAD.
    Response {
        bodiless: bool,
        closed: bool,
    },
}

impl Message {
    /// The values of a field; `name` in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `METHOD target` of a request, the target in origin form.
    pub fn target(&self) -> String {
        let (start, _) = self.start.rsplit_once(' ').unwrap_or((&self.start, ""));
        let origin = own_origin(start.split_once(' ').map_or("", |(_, target)| target));
        match (start.split_once(' '), origin) {
            (Some((method, _)), Some(path)) => format!("{method} {path}"),
            _ => start.to_owned(),
        }
    }

    /// The status of a response; 0 when it is none.
    pub fn status(&self) -> u16 {
        self.start.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

/// Reads one message: it, and how many bytes it took. Zero bytes taken: it is not whole yet.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read(bytes: &[u8], side: Side) -> Result<(Message, usize), String> {
    let mut message = Message::default();
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        lines(bytes, false)?;
        return Ok((message, 0));
    };
    let mut written = lines(&bytes[..end], true)?.into_iter();
    message.start = written.next().unwrap_or_default();
    start_line(&message.start, side)?;
    for line in written {
        message.fields.push(field(&line)?);
    }
    message.head = true;
    if side == Side::Request && message.all("host").count() != 1 {
        return Err(format!("{} Host fields", message.all("host").count()));
    }
    let rest = &bytes[end + 4..];
    let taken = match ends(&message, side)? {
        Ends::At(length) if rest.len() < length => {
            message.body = rest.to_vec();
            return Ok((message, 0));
        }
        Ends::At(length) => {
            message.body = rest[..length].to_vec();
            length
        }
        Ends::AtClose => {
            message.body = rest.to_vec();
            if !matches!(side, Side::Response { closed: true, .. }) {
                return Ok((message, 0));
            }
            rest.len()
        }
        Ends::Chunked => {
            let (body, taken) = chunks(rest)?;
            message.body = body;
            let Some(taken) = taken else { return Ok((message, 0)) };
            taken
        }
    };
    message.complete = true;
    Ok((message, end + 4 + taken))
}

/// The path of a target in absolute form that names the host that the cases ask for, or the backend: sent so, it says nothing
/// else than in origin form.
fn own_origin(target: &str) -> Option<&str> {
    let rest = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let own = authority == "bot.test" || authority.starts_with("127.0.0.1:");
    own.then_some(if path.is_empty() { "/" } else { path })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Lines that end in CRLF and hold no other CR or LF, and no NUL.
fn lines(bytes: &[u8], whole: bool) -> Result<Vec<String>, String> {
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\r' && (bytes.get(at + 1) == Some(&b'\n') || (!whole && at + 1 == bytes.len())) {
            at += 2;
            continue;
        }
        // Other controls are invalid too, but MAY be kept (RFC 9110, section 5.5): they end no line and no text.
        if matches!(byte, b'\r' | b'\n' | 0) {
            return Err(format!("byte {byte:#04x} within a head: {:?}", String::from_utf8_lossy(bytes)));
        }
        at += 1;
    }
    Ok(String::from_utf8_lossy(bytes).split("\r\n").map(str::to_owned).collect())
}

fn start_line(line: &str, side: Side) -> Result<(), String> {
    let bad = || format!("start line {line:?}");
    if let Side::Response { .. } = side {
        let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 ")).ok_or_else(bad)?;
        let digits = status.get(..3).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        return if digits && matches!(status.as_bytes().get(3), None | Some(b' ')) { Ok(()) } else { Err(bad()) };
    }
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else { return Err(bad()) };
    let good = !method.is_empty()
        && method.bytes().all(is_token)
        && (target.starts_with('/') || (target == "*" && method == "OPTIONS") || own_origin(target).is_some())
        && !target.contains(['#', '\t'])
        && matches!(version, "HTTP/1.0" | "HTTP/1.1");
    if good { Ok(()) } else { Err(bad()) }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("a field without a colon: {line:?}"))?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("field name {name:?}"));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn ends(message: &Message, side: Side) -> Result<Ends, String> {
    let lengths: Vec<&str> = message.all("content-length").collect();
    let codings: Vec<&str> = message.all("transfer-encoding").collect();
    if lengths.len() > 1 || codings.len() > 1 || !(lengths.is_empty() || codings.is_empty()) {
        return Err(format!("lengths {lengths:?} beside codings {codings:?}"));
    }
    if let Side::Response { bodiless, .. } = side
        && (bodiless || matches!(message.status(), 100..=199 | 204 | 304))
    {
        return Ok(Ends::At(0));
    }
    if let Some(coding) = codings.first() {
        let known = coding.eq_ignore_ascii_case("chunked") && message.start.contains("HTTP/1.1");
        return if known { Ok(Ends::Chunked) } else { Err(format!("transfer coding {coding:?}")) };
    }
    match (lengths.first(), side) {
        (Some(length), _) => {
            let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| length.parse().ok()).flatten().map(Ends::At).ok_or(format!("length {length:?}"))
        }
        (None, Side::Request) => Ok(Ends::At(0)),
        (None, Side::Response { .. }) => Ok(Ends::AtClose),
    }
}

/// The data of a chunked body, and how many bytes it took when it is whole.
fn chunks(bytes: &[u8]) -> Result<(Vec<u8>, Option<usize>), String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            lines(&bytes[at..], false)?;
            return Ok((body, None));
        };
        let line = lines(&bytes[at..at + end], true)?.remove(0);
        let size = line.split(';').next().unwrap_or_default();
        let hex = !size.is_empty() && size.len() <= 16 && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = hex.then(|| usize::from_str_radix(size, 16).ok()).flatten().ok_or(format!("chunk {line:?}"))?;
        at += end + 2;
        if size == 0 {
            return Ok((body, trailers(&bytes[at..])?.map(|taken| at + taken)));
        }
        let data = &bytes[at..bytes.len().min(at.saturating_add(size))];
        body.extend_from_slice(data);
        at += data.len();
        let after = &bytes[at..bytes.len().min(at + 2)];
        if data.len() < size || (after.len() < 2 && b"\r\n".starts_with(after)) {
            return Ok((body, None));
        }
        if after != b"\r\n" {
            return Err("a chunk is longer than its size".to_owned());
        }
        at += 2;
    }
}

fn trailers(bytes: &[u8]) -> Result<Option<usize>, String> {
    if bytes.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    let Some(end) = find(bytes, b"\r\n\r\n") else { return lines(bytes, false).map(|_| None) };
    for line in lines(&bytes[..end], true)? {
        field(&line)?;
    }
    Ok(Some(end + 4))
}
