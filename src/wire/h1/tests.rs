use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const LIMITS: Limits = Limits { head: 200, fields: 10 };

/// Why no more messages are made of what one side sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Head(Fault),
    Body(Fault),
    /// The last one asks for another protocol: what its answer is decides what follows.
    Upgrade,
}

/// What is made of messages, brought in parts that end at `cuts`: bytes, why no more, heads. `head` reads a head: its length,
/// its body, and whether what follows the message is yet to be decided.
fn followed(
    mut head: impl FnMut(&[u8]) -> Result<Option<(usize, Option<BodyReader>, bool)>, Fault>,
    bytes: &[u8],
    cuts: &[usize],
) -> (usize, Option<End>, u64) {
    let (mut body, mut upgrade, mut passed, mut heads) = (None::<BodyReader>, false, 0, 0);
    for to in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            let rest = &bytes[passed..to.max(passed)];
            if let Some(reader) = &mut body {
                match reader.next(rest) {
                    Ok(Part::Content(length) | Part::Framing(length) | Part::End(length, _)) => passed += length,
                    Ok(Part::More) => break,
                    Err(fault) => return (passed, Some(End::Body(fault)), heads),
                }
                body = body.filter(|body| !body.has_ended());
            } else {
                match head(rest) {
                    Ok(None) => break,
                    Ok(Some((length, follows, asks))) => {
                        (body, upgrade, passed, heads) = (follows, asks, passed + length, heads + 1);
                    }
                    Err(fault) => return (passed, Some(End::Head(fault)), heads),
                }
            }
            if body.is_none() && upgrade {
                return (passed, Some(End::Upgrade), heads);
            }
        }
    }
    (passed, None, heads)
}

/// What is made of the requests of a client.
fn made(bytes: &[u8], cuts: &[usize]) -> (usize, Option<End>, u64) {
    let mut reader = RequestReader::new(LIMITS);
    let head = |rest: &[u8]| {
        let Some(length) = reader.read(rest)? else { return Ok(None) };
        let made = reader.finish(BytesMut::from(&rest[..length]))?;
        Ok(Some((length, made.body, made.upgrade)))
    };
    followed(head, bytes, cuts)
}

/// What is made of the responses of a backend.
fn answered(asked: Option<Asked>, bytes: &[u8], cuts: &[usize]) -> (usize, Option<End>, u64) {
    let mut reader = ResponseReader::new(LIMITS);
    if let Some(asked) = asked {
        reader.asked(asked);
    }
    let head = |rest: &[u8]| {
        let Some(length) = reader.read(rest)? else { return Ok(None) };
        let made = reader.finish(BytesMut::from(&rest[..length]))?;
        Ok(Some((length, made.body, false)))
    };
    followed(head, bytes, cuts)
}

fn requests(bytes: &str) -> (usize, Option<End>, u64) {
    made(bytes.as_bytes(), &[])
}

fn response(asked: Asked, bytes: &str) -> (usize, Option<End>, u64) {
    answered(Some(asked), bytes.as_bytes(), &[])
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKS: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n1\r\n!\r\n0\r\n\
                      x-sum: 1\r\n\r\n";

#[test]
fn good_requests_pass_one_after_the_other() {
    let text = [GET, POST, "\r\n", CHUNKS, GET, POST].concat();
    assert_eq!(requests(&text), (text.len(), None, 5));
}

#[test]
fn a_bad_head_is_stopped_before_its_first_byte_and_known_by_its_number() {
    for (bad, fault) in [
        ("GET / HTTP/1.1\nhost: a\r\n\r\n", Fault::BareLf),
        ("GET / HTTP/1.1\r\nhost: a\n\r\n", Fault::BareLf),
        ("GET / HTTP/1.1\r\nhost: a\r\n\n", Fault::BareLf),
        ("GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n", Fault::BareCr),
        ("GET / HTTP/1.1\r\nhost: a\0\r\n\r\n", Fault::Control),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n", Fault::Folded),
        ("GET / HTTP/1.1\r\n host: a\r\n\r\n", Fault::Folded),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", Fault::FieldName),
        ("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Fault::BlankLines),
        ("\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Fault::BareLf),
        ("GET /\r\n", Fault::RequestLine),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", Fault::CodingTooOld),
        ("POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
    ] {
        for before in ["", GET, POST, CHUNKS] {
            let heads = u64::from(!before.is_empty());
            let expected = (before.len(), Some(End::Head(fault)), heads);
            assert_eq!(requests(&[before, bad].concat()), expected, "{bad:?}");
        }
    }
}

#[test]
fn heads_that_are_too_large_are_told_apart() {
    let field = "x: 01234\r\n";
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", field.repeat(11));
    assert_eq!(requests(&many).1, Some(End::Head(Fault::TooManyFields)));
    for end in ["", "\r\n\r\n"] {
        let large = format!("GET / HTTP/1.1\r\nx: {}{end}", "x".repeat(200));
        assert_eq!(requests(&large).1, Some(End::Head(Fault::HeadTooLarge)));
        let long = format!("GET /{}{end}", "x".repeat(200));
        assert_eq!(requests(&long).1, Some(End::Head(Fault::TargetTooLong)));
    }
    let fits = format!("GET / HTTP/1.1\r\n{}\r\n", field.repeat(10));
    assert_eq!(requests(&fits), (fits.len(), None, 1));
}

#[test]
fn a_body_is_stopped_where_its_framing_breaks() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for (good, bad, fault) in [
        ("", "zz\r\n", Fault::ChunkSize),
        ("5\r\nhello", "!\r\n", Fault::ChunkEnd),
        ("5\r\nhello", "\n", Fault::ChunkEnd),
        ("5\r\nhello\r\n", "\r\n", Fault::ChunkSize),
        ("5\r\nhello\r\n", "0 \r\n", Fault::ChunkSize),
        ("5\r\nhello\r\n", "0\n\r\n", Fault::BareLf),
        ("0\r\n", "host: b\r\n\r\n", Fault::Trailer),
        ("0\r\n", "a: b\r\n c\r\n\r\n", Fault::Folded),
        ("0\r\n", "GET / HTTP/1.1\r\n\r\n", Fault::FieldName),
    ] {
        let expected = (head.len() + good.len(), Some(End::Body(fault)), 1);
        assert_eq!(requests(&[head, good, bad].concat()), expected, "{good:?} {bad:?}");
    }
    let trailers = format!("{head}0\r\n{}\r\n", "a: b\r\n".repeat(33));
    assert_eq!(requests(&trailers).1, Some(End::Body(Fault::TooManyTrailers)));
}

#[test]
fn what_follows_an_upgrade_waits_for_its_answer() {
    let upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    for behind in ["", "\0\n\r", GET] {
        assert_eq!(requests(&[upgrade, behind].concat()), (upgrade.len(), Some(End::Upgrade), 1), "{behind:?}");
    }
    let old = upgrade.replace("1.1", "1.0") + GET;
    assert_eq!(requests(&old), (old.len(), None, 2), "HTTP/1.0 has no upgrade");
}

#[test]
fn the_body_of_a_response_depends_on_what_was_asked() {
    let plain = Asked::default();
    let five = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(response(plain, &[five, "hello"].concat()), (five.len() + 5, None, 1));
    let surplus = (five.len() + 5, Some(End::Head(Fault::Unsolicited)), 1);
    assert_eq!(response(plain, &[five, "hello", "\r\n"].concat()), surplus);
    let head = Asked { head: true, upgrade: false };
    assert_eq!(response(head, &[five, "hello"].concat()), (five.len(), Some(End::Head(Fault::Unsolicited)), 1));
    for bodyless in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304\r\ncontent-length: 5\r\n\r\n"] {
        assert_eq!(response(plain, &[bodyless, "x"].concat()).0, bodyless.len());
    }
    let open = "HTTP/1.0 200 OK\r\n\r\nanything\n\0 at all";
    assert_eq!(response(plain, open), (open.len(), None, 1));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let text = [&interim.repeat(16), five, "hello"].concat();
    assert_eq!(response(plain, &text), (text.len(), None, 17));
    assert_eq!(response(plain, &interim.repeat(17)).1, Some(End::Head(Fault::Interims)));
}

#[test]
fn a_switch_must_have_been_asked_for() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n\0\n";
    assert_eq!(response(Asked { head: false, upgrade: true }, switch), (switch.len(), None, 1));
    assert_eq!(response(Asked::default(), switch), (0, Some(End::Head(Fault::Switch)), 0));
}

#[test]
fn bad_responses_do_not_pass() {
    for (bad, fault) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n", Fault::Lengths),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Fault::CodingTooOld),
        ("HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n", Fault::Folded),
        ("HTTP/1.1 200 OK\n\n", Fault::BareLf),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Fault::StatusLine),
        ("<html>\r\n", Fault::StatusLine),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Fault::StatusLine),
        ("\0\0\x06\x04\0\0", Fault::Control),
    ] {
        assert_eq!(response(Asked::default(), bad), (0, Some(End::Head(fault)), 0), "{bad:?}");
    }
    assert_eq!(answered(None, b"H", &[]).1, Some(End::Head(Fault::Unsolicited)));
}

/// Messages with mistakes in them: pieces of good and bad requests in any order.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(GET), 4 => Just(POST), 4 => Just(CHUNKS),
        1 => prop::sample::select(vec![
            "\r\n", "\n", "\r", "\0", " ", "\t", ":", "0", "x: y\r\n", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n",
            "content-length: 3\r\n", "transfer-encoding: chunked\r\n", "upgrade: x\r\n", "3\r\nabc\r\n", "0\r\n\r\n",
            "ä", "#", ";a", "HTTP/1.1", "host: a\r\n\r\n",
        ]),
    ];
    let pieces = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    (pieces, prop::collection::vec((any::<Index>(), any::<u8>()), 0..2)).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn it_makes_no_difference_where_the_bytes_of_requests_are_cut(
        bytes in bytes(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let expected = made(&bytes, &[]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(made(&bytes, &cuts), expected);
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(made(&bytes, &every), expected);
    }

    #[test]
    fn nor_with_responses(
        bytes in prop::collection::vec(prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100\r\n", "HTTP/1.0 304 x\r\n", "\r\n", "content-length: 2\r\n", "ab", "\n", "x: y\r\n",
            "transfer-encoding: chunked\r\n", "2\r\nab\r\n", "0\r\n", "2;a", " ",
        ]), 0..12),
        head in any::<bool>(),
    ) {
        let bytes = bytes.concat().into_bytes();
        let asked = Some(Asked { head, upgrade: false });
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(answered(asked, &bytes, &every), answered(asked, &bytes, &[]));
    }
}

#[test]
fn what_a_head_says_is_found_where_it_stands_however_it_comes_in() {
    let text = b"HTTP/1.0 404 No\r\nX-Name:  a value\t\r\nx-empty:\r\nset-cookie: a\r\nset-cookie:b\r\nConnection: x, Keep-Alive\r\n\r\nbody";
    let length = text.len() - "body".len();
    for cut in 1..length {
        let mut reader = ResponseReader::new(LIMITS);
        reader.asked(Asked::default());
        assert_eq!(reader.read(&text[..cut]), Ok(None), "{cut}");
        assert_eq!(reader.read(text), Ok(Some(length)));
        let made = reader.finish(BytesMut::from(&text[..length])).unwrap();
        assert_eq!((made.head.version, made.head.status.as_u16()), (http::Version::HTTP_10, 404));
        assert!(made.body.unwrap().is_open());
        let fields: Vec<(&[u8], &[u8])> = made.head.fields.iter().collect();
        let expected: [(&[u8], &[u8]); 5] = [
            (b"x-name", b"a value"),
            (b"x-empty", b""),
            (b"set-cookie", b"a"),
            (b"set-cookie", b"b"),
            (b"connection", b"x, Keep-Alive"),
        ];
        assert_eq!(fields, expected, "{cut}");
    }
}

#[test]
fn a_connection_is_kept_where_both_its_head_and_its_body_let_it() {
    for (text, keeps) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n", true),
    ] {
        let mut reader = ResponseReader::new(LIMITS);
        reader.asked(Asked::default());
        let length = reader.read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(reader.finish(BytesMut::from(&text.as_bytes()[..length])).unwrap().keeps, keeps, "{text:?}");
    }
}
