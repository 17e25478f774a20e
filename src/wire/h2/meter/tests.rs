use proptest::prelude::*;

use super::*;

const END: u8 = Frame::END_HEADERS | Frame::END_STREAM;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn limits() -> Limits {
    Limits::of_client(32 * 1024, 10_000)
}

/// Past the preface.
fn client() -> Meter {
    let mut meter = Meter::of_client(limits());
    meter.received(&[0; 24], 0).unwrap();
    meter
}

/// How many of these go through at one moment, and why the next does not.
fn through(meter: &mut Meter, bytes: &[u8], now: u32) -> (u32, Excess) {
    (0..).find_map(|times| meter.received(bytes, now).err().map(|excess| (times, excess))).unwrap()
}

#[test]
fn every_kind_of_idle_frame_has_its_own_budget_and_regains_it() {
    let limits = limits();
    for (bytes, rate, excess) in [
        (frame(Frame::RST_STREAM, 0, 1, &[0; 4]), limits.window_updates, Excess::Resets),
        (frame(Frame::SETTINGS, 0, 0, &[]), limits.settings, Excess::Settings),
        (frame(Frame::SETTINGS, 1, 0, &[]), limits.settings, Excess::Settings),
        (frame(Frame::PING, 0, 0, &[0; 8]), limits.pings, Excess::Pings),
        (frame(Frame::PING, 1, 0, &[0; 8]), limits.pings, Excess::Pings),
        (frame(Frame::PRIORITY, 0, 1, &[0; 5]), limits.priorities, Excess::Priorities),
        (frame(Frame::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"), limits.priorities, Excess::Priorities),
        (frame(Frame::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), limits.window_updates, Excess::WindowUpdates),
        (frame(Frame::DATA, 0, 1, &[]), limits.empty_data, Excess::EmptyData),
        (frame(Frame::DATA, Frame::PADDED, 1, &[3, 0, 0, 0]), limits.empty_data, Excess::EmptyData),
        (frame(Frame::HEADERS, END, 0, &[]), limits.headers, Excess::Headers),
        (frame(Frame::GOAWAY, 0, 0, &[0; 8]), limits.other, Excess::OtherFrames),
        (frame(Frame::CONTINUATION, Frame::END_HEADERS, 1, &[]), limits.other, Excess::OtherFrames),
        (frame(0xfa, 0, 0, &[0; 100]), limits.other, Excess::OtherFrames),
    ] {
        assert_eq!(through(&mut client(), &bytes, 0), (rate.burst, excess));
        let mut meter = client();
        (0..rate.burst).for_each(|_| meter.received(&bytes, 0).unwrap());
        assert_eq!(through(&mut meter, &bytes, 1000), (rate.per_second, excess));
    }
}

#[test]
fn a_rapid_reset_earns_nothing_by_its_streams() {
    let mut meter = client();
    let mut resets = 0;
    for stream in (1..).step_by(2) {
        let one = [frame(Frame::HEADERS, END, stream, b"x"), frame(Frame::RST_STREAM, 0, stream, &[0, 0, 0, 8])];
        match meter.received(&one.concat(), 0) {
            Ok(()) => resets += 1,
            Err(excess) => {
                assert_eq!(excess, Excess::Resets);
                break;
            }
        }
    }
    assert_eq!(resets, limits().resets.burst);
    assert_eq!(meter.newest(), 2 * resets + 1);
}

#[test]
fn responses_that_are_dropped_unread_are_no_rapid_reset() {
    let mut meter = client();
    for stream in (1..20_000).step_by(2) {
        meter.received(&frame(Frame::HEADERS, END, stream, b"x"), 0).unwrap();
        meter.sent(&frame(Frame::HEADERS, Frame::END_HEADERS, stream, b"x"), 0).unwrap();
        meter.sent(&frame(Frame::DATA, Frame::END_STREAM, stream, b"x"), 0).unwrap();
        // A library resets once for itself, and once for the data that still came.
        let reset = frame(Frame::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        meter.received(&[reset.clone(), reset].concat(), 0).unwrap();
    }
}

#[test]
fn resets_that_the_client_provokes_count_and_those_for_other_reasons_do_not() {
    let (mut meter, reset) = (client(), |code: u8, stream: u32| frame(Frame::RST_STREAM, 0, stream, &[0, 0, 0, code]));
    for code in [0, 2, 8] {
        for _ in 0..1000 {
            meter.sent(&reset(code, 1), 0).unwrap();
        }
    }
    let open = |meter: &mut Meter| {
        let stream = (meter.newest() + 1) | 1;
        meter.received(&frame(Frame::HEADERS, END, stream, b"x"), 0).unwrap();
        stream
    };
    for _ in 0..limits().provoked.burst {
        let stream = open(&mut meter);
        meter.sent(&reset(1, stream), 0).unwrap();
    }
    let more = [reset(7, open(&mut meter)), frame(Frame::DATA, 0, 1, b"data")].concat();
    assert_eq!(meter.sent(&more[..20], 0), Err(Excess::ProvokedResets));
    assert_eq!(meter.unfinished(&more[20..]), more.len() - 20);
}

#[test]
fn a_body_that_was_on_its_way_when_its_request_was_refused_is_no_provocation() {
    let mut meter = client();
    for stream in (1..20_000).step_by(2) {
        meter.received(&frame(Frame::HEADERS, Frame::END_HEADERS, stream, b"x"), 0).unwrap();
        meter.sent(&frame(Frame::HEADERS, Frame::END_HEADERS, stream, b"413"), 0).unwrap();
        meter.sent(&frame(Frame::DATA, Frame::END_STREAM, stream, b"x"), 0).unwrap();
        meter.sent(&frame(Frame::RST_STREAM, 0, stream, &[0; 4]), 0).unwrap();
        for _ in 0..4 {
            meter.received(&frame(Frame::DATA, 0, stream, b"part"), 0).unwrap();
            meter.sent(&frame(Frame::RST_STREAM, 0, stream, &[0, 0, 0, 5]), 0).unwrap();
        }
    }
    let closed = frame(Frame::RST_STREAM, 0, 1, &[0, 0, 0, 5]);
    assert!((0..5000).any(|_| meter.sent(&closed, 0).is_err()), "but not for ever");
}

#[test]
fn a_block_of_many_frames_or_octets_is_too_much_and_one_that_is_only_large_is_not() {
    let begin = frame(Frame::HEADERS, 0, 1, &[0; 16_384]);
    let more = |flags, length| frame(Frame::CONTINUATION, flags, 1, &vec![0; length]);
    let mut meter = client();
    meter.received(&[begin.clone(), more(0, 16_384), more(Frame::END_HEADERS, 9)].concat(), 0).unwrap();
    assert!(meter.block.is_none());
    meter.received(&begin, 0).unwrap();
    assert_eq!(through(&mut meter, &more(0, 0), 0), (limits().continuations, Excess::HeaderBlock));
    let mut meter = Meter::of_client(Limits::of_client(1024, 10_000));
    meter.received(&[0; 24], 0).unwrap();
    assert_eq!(meter.received(&begin, 0), Err(Excess::HeaderBlock));
}

#[test]
fn a_block_that_drips_in_is_late_within_a_frame_and_between_frames() {
    let mut meter = client();
    meter.received(&frame(Frame::HEADERS, 0, 1, b"x"), 5).unwrap();
    meter.received(&frame(Frame::CONTINUATION, 0, 1, b"x"), 10_005).unwrap();
    assert_eq!(meter.received(&frame(Frame::CONTINUATION, 0, 1, b"x"), 10_006), Err(Excess::SlowHeader));
    let (mut meter, whole) = (client(), frame(Frame::HEADERS, END, 1, &[0; 100]));
    meter.received(&whole[..20], 5).unwrap();
    meter.received(&whole[20..30], 10_005).unwrap();
    assert_eq!(meter.received(&whole[30..31], 10_006), Err(Excess::SlowHeader));
    let mut meter = client();
    meter.received(&whole, 5).unwrap();
    meter.received(&frame(Frame::DATA, 0, 1, b"long after"), 60_000).unwrap();
}

#[test]
fn a_grpc_like_stream_of_small_messages_is_no_flood() {
    let mut meter = client();
    meter.received(&frame(Frame::HEADERS, Frame::END_HEADERS, 1, b"x"), 0).unwrap();
    for _ in 0..100_000 {
        meter.received(&frame(Frame::DATA, 0, 1, b"tiny"), 0).unwrap();
        meter.sent(&frame(Frame::DATA, 0, 1, b"tiny"), 0).unwrap();
        // It measures the round trip, and gives back what it read to the stream and the connection.
        meter.received(&frame(Frame::PING, 0, 0, &[0; 8]), 0).unwrap();
        meter.received(&frame(Frame::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 4]), 0).unwrap();
        meter.received(&frame(Frame::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 4]), 0).unwrap();
    }
}

#[test]
fn requests_with_priorities_trailers_and_an_empty_last_frame_are_no_flood() {
    let mut meter = client();
    for stream in (1..200_000).step_by(2) {
        let frames = [
            frame(Frame::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"),
            frame(Frame::HEADERS, Frame::END_HEADERS, stream, b"head"),
            frame(Frame::DATA, 0, stream, b"body"),
            frame(Frame::DATA, 0, stream, b""),
            frame(Frame::HEADERS, END, stream, b"trailers"),
            frame(Frame::WINDOW_UPDATE, 0, stream, &[0, 0, 1, 0]),
        ];
        meter.received(&frames.concat(), 0).unwrap();
    }
}

#[test]
fn a_backend_owes_answers_to_what_it_was_asked_and_storms_are_cut() {
    let mut meter = Meter::of_backend(Limits::of_backend(32 * 1024, 10_000));
    meter.sent(&[0; 24], 0).unwrap();
    for stream in (1..20_000).step_by(2) {
        meter.sent(&frame(Frame::HEADERS, END, stream, b"request"), 0).unwrap();
        for flags in [Frame::END_HEADERS, Frame::END_HEADERS, END] {
            meter.received(&frame(Frame::HEADERS, flags, stream, b"103, response, trailers"), 0).unwrap();
        }
        meter.received(&frame(Frame::RST_STREAM, 0, stream, &[0; 4]), 0).unwrap();
    }
    let interim = frame(Frame::HEADERS, Frame::END_HEADERS, 19_999, b"103");
    // The last request has had its three.
    assert_eq!(through(&mut meter, &interim, 0), (limits().headers.burst - 3, Excess::Headers));
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_how_the_bytes_are_cut(
        kinds in prop::collection::vec((0..18_u8, any::<u8>(), 0..9_u32, 0..20_usize, 1..150_usize), 0..8),
        part in 1..50_usize,
    ) {
        let bytes: Vec<u8> = kinds
            .iter()
            .flat_map(|(kind, flags, stream, length, times)| {
                frame(*kind, *flags, *stream, &vec![1; *length]).repeat(*times)
            })
            .collect();
        let whole = client().received(&bytes, 0);
        let mut meter = client();
        let cut = bytes.chunks(part).try_for_each(|part| meter.received(part, 0));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn no_bytes_panic_in_either_direction(
        received in prop::collection::vec(any::<u8>(), 0..400),
        sent in prop::collection::vec(any::<u8>(), 0..400),
        now: u32,
    ) {
        for mut meter in [Meter::of_client(limits()), Meter::of_backend(limits())] {
            let _ = (meter.received(&received, now), meter.sent(&sent, now));
            prop_assert!(meter.unfinished(&sent) <= sent.len());
        }
    }
}
