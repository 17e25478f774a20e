//! A body as attempts read it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::Waker;

use super::*;
use crate::model::Clock;
use crate::proxy::limits::Purse;

struct Chunks(VecDeque<Frame<Bytes>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

fn recording(chunks: &[&'static str], held: usize, most: u64) -> Rc<Recording<Chunks>> {
    let frames = chunks.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect();
    Recording::new(Chunks(frames), BodyLimits { held, most }, Clock::start(), Holding::of(&Purse::alone()))
}

fn read(body: &mut RequestBody<Chunks>, most: usize) -> Result<String, String> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut text = String::new();
    for _ in 0..most {
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
                Err(frame) => text.push_str(&format!("{:?}", frame.into_trailers().unwrap())),
            },
            Poll::Ready(Some(Err(error))) => return Err(error.to_string()),
            Poll::Ready(None) | Poll::Pending => break,
        }
    }
    Ok(text)
}

#[test]
fn a_second_attempt_reads_from_the_first_byte() {
    let recording = recording(&["one ", "two ", "three"], 100, 100);
    let mut first = recording.next_turn();
    assert_eq!(read(&mut first, 2).unwrap(), "one two ");
    let mut second = recording.next_turn();
    assert_eq!(read(&mut second, 9).unwrap(), "one two three");
    assert!(second.is_end_stream());
    assert!(read(&mut first, 1).is_err(), "the first attempt must not eat what the second needs");
    assert!(recording.is_whole());
    assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), "one two three");
}

#[test]
fn what_is_too_large_to_hold_still_flows() {
    let recording = recording(&["one ", "two ", "three"], 5, 100);
    assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), "one two three");
    assert!(!recording.is_whole());
}

#[test]
fn a_body_over_the_routes_limit_is_the_clients_fault() {
    let recording = recording(&["one ", "two "], 100, 5);
    assert!(read(&mut recording.next_turn(), 9).is_err());
    assert_eq!(recording.fault(), Some(ClientFault::TooLarge));
}

#[test]
fn a_body_of_many_small_parts_takes_no_more_room_than_its_bytes_while_it_is_waited_for() {
    let frames = (0..50_000_u32).map(|at| Frame::data(Bytes::from(vec![at as u8])));
    let recording = Recording::new(
        Unfinished(Chunks(frames.collect())),
        BodyLimits { held: 9, most: 1 << 20 },
        Clock::start(),
        Holding::of(&Purse::alone()),
    );
    let mut cx = Context::from_waker(Waker::noop());
    assert!(recording.poll_whole(&mut cx).is_pending());
    assert!(recording.inner.borrow().chunks.len() < 200, "{}", recording.inner.borrow().chunks.len());
    let whole = recording.inner.borrow().chunks.concat();
    assert!((0..50_000_u32).map(|at| at as u8).eq(whole));
}

#[test]
fn trailers_come_again_for_every_attempt() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let frames = VecDeque::from([Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)]);
    let recording =
        Recording::new(Chunks(frames), BodyLimits { held: 9, most: 9 }, Clock::start(), Holding::of(&Purse::alone()));
    let first = read(&mut recording.next_turn(), 9).unwrap();
    assert_eq!(first, r#"body{"x-sum": "7"}"#);
    assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), first);
}

#[test]
fn the_client_is_awaited_only_while_all_that_it_sent_was_read() {
    let source = Chunks([Frame::data(Bytes::from_static(b"one"))].into());
    let recording = Recording::new(
        Unfinished(source),
        BodyLimits { held: 9, most: 9 },
        Clock::start(),
        Holding::of(&Purse::alone()),
    );
    let mut body = recording.next_turn();
    assert!(matches!(recording.awaits(), Awaited::Backend(_)), "nobody has asked the client yet");
    assert_eq!(read_any(&mut body), Some("one".into()));
    assert!(matches!(recording.awaits(), Awaited::Backend(_)), "the backend may be busy with the first part");
    assert_eq!(read_any(&mut body), None);
    assert!(matches!(recording.awaits(), Awaited::Client(_)));
    let _next = recording.next_turn();
    assert!(matches!(recording.awaits(), Awaited::Backend(_)), "the next attempt reads what is held first");
}

/// Never says that it has ended.
struct Unfinished(Chunks);

impl Body for Unfinished {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

fn read_any(body: &mut RequestBody<Unfinished>) -> Option<Bytes> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    }
}

#[test]
fn small_parts_do_not_keep_the_buffers_alive_that_they_came_in() {
    let buffer = Bytes::from(vec![7; 8192]);
    let frames = (0..100).map(|at| Frame::data(buffer.slice(at..at + 1))).collect();
    let recording = Recording::new(
        Unfinished(Chunks(frames)),
        BodyLimits { held: 1000, most: 1000 },
        Clock::start(),
        Holding::of(&Purse::alone()),
    );
    let mut body = recording.next_turn();
    while read_any(&mut body).is_some() {}
    let inner = recording.inner.borrow();
    assert!(inner.chunks.len() < 70, "{}", inner.chunks.len());
    let within = buffer.as_ptr_range();
    let kept = inner.chunks.iter().filter(|chunk| within.contains(&chunk.as_ptr())).count();
    assert!(kept <= 1, "{kept} parts of 100 lie in their buffers");
    drop(inner);
    let mut again = recording.next_turn();
    let whole: Vec<u8> = std::iter::from_fn(|| read_any(&mut again)).flatten().collect();
    assert_eq!(whole, [7; 100]);
}

#[test]
fn a_body_that_finds_no_room_still_flows_but_is_not_held() {
    let stats = crate::telemetry::ListenerStats::new(1);
    stats.held.set_limit(5);
    let purse = Purse::new(&stats);
    let frames = || ["one ", "two ", "three"].map(|text| Frame::data(Bytes::from_static(text.as_bytes())));
    let source = || Chunks(frames().into());
    let limits = BodyLimits { held: 100, most: 100 };
    let recording = Recording::new(source(), limits, Clock::start(), Holding::of(&purse));
    assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), "one two three");
    assert!(!recording.is_whole());
    assert_eq!(stats.held.taken(), 0);
    let must = Recording::new(source(), limits, Clock::start(), Holding::of(&purse));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(must.poll_whole(&mut cx), Poll::Ready(Err(ClientFault::NoRoom)));
    drop((recording, must));
    assert_eq!(stats.held.taken(), 0);
}

#[test]
fn only_the_time_for_which_the_client_was_waited_for_counts_against_its_pace() {
    let source = Chunks([Frame::data(Bytes::from_static(b"one"))].into());
    let clock = Clock::start();
    let recording =
        Recording::new(Unfinished(source), BodyLimits { held: 9, most: 9 }, clock, Holding::of(&Purse::alone()));
    let mut body = recording.next_turn();
    let later = |seconds| clock.now() + Duration::from_secs(seconds);
    assert_eq!(recording.waited_for_client(later(9)), Duration::ZERO, "nobody has asked yet");
    read_any(&mut body);
    assert_eq!(recording.waited_for_client(later(9)), Duration::ZERO, "the backend has yet to take what came");
    read_any(&mut body);
    assert!(recording.waited_for_client(later(9)) >= Duration::from_secs(8));
    let _next = recording.next_turn();
    assert!(recording.waited_for_client(later(9)) < Duration::from_secs(1), "what was waited in vain is over");
}
