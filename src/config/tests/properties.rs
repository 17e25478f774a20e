use proptest::prelude::*;

use super::*;

/// Parses, renders, and makes sure that the shape check left nothing for the decoder to refuse.
fn survives(text: &str) {
    if let Err(report) = bare(text) {
        assert!(report.errors() > 0);
        let seen = format!("{report}{}", report.render(true));
        assert!(!seen.contains("cannot be decoded"), "{text}\n{seen}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}|[a-z\\[\\]{}=.\"'#\\n0-9_ -]{0,200}") {
        survives(&text);
    }

    #[test]
    fn no_damage_to_the_sample_makes_it_panic(
        edits in prop::collection::vec((0..SAMPLE.len(), 0..6_usize, "[a-z\\[\\]{}=.\"'#\\n0-9_ ö-]{0,6}"), 1..8),
    ) {
        // Without comments, so that every edit hits something.
        let mut text: Vec<char> = SAMPLE.lines().filter(|line| !line.trim().starts_with('#')).flat_map(|line| line.chars().chain(['\n'])).collect();
        for (at, cut, insert) in edits {
            let at = at % (text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, insert.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_damage_to_a_config_shows_its_secrets(
        edits in prop::collection::vec((0..1000_usize, 0..4_usize, "[a-z\\[\\]{}=.\"'#\\n0-9_ ö$-]{0,4}"), 1..6),
    ) {
        // Private use characters stand for the secrets while the text around them is damaged.
        let secrets = ['\u{e000}', '\u{e001}', '\u{e002}'];
        let text = format!("{LEAST}  headers = {{ Authorization = \"Key \u{e000}\", Other = '\u{e001}' }}\n\n[admin]\ntoken = \"\u{e002}\"\n");
        let mut text: Vec<char> = text.chars().collect();
        for (at, cut, insert) in edits {
            let at = at % (text.len() + 1);
            let end = (at + cut).min(text.len());
            let kept = text[at..end].iter().copied().filter(|c| secrets.contains(c));
            let new: Vec<char> = kept.chain(insert.chars()).collect();
            text.splice(at..end, new);
        }
        let text: String = text.into_iter().collect::<String>().replace(secrets, "hunter2-s3cr3t");
        if let Err(report) = bare(&text) {
            let seen = format!("{report}{report:?}");
            prop_assert!(!seen.contains("hunter2"), "{text}\n---\n{seen}");
        }
    }

    #[test]
    fn no_value_in_any_place_passes_the_shape_and_fails_the_decoder(
        line in 0..200_usize,
        value in prop::sample::select(vec![
            "1", "-1", "0", "1.5", "nan", "inf", "true", "\"\"", "\"x\"", "[]", "{}", "[{}]", "[[]]", "1979-05-27",
            "99999999999999999999", "9223372036854775807", "{ file = 1 }", "{ kind = \"tcp\", path = 3 }", "[1, \"a\"]",
        ]),
    ) {
        let lines: Vec<&str> = SAMPLE.lines().filter(|line| line.contains(" = ")).collect();
        let target = lines[line % lines.len()];
        let key = target.split(" = ").next().unwrap_or_default().trim_start_matches(['#', ' ']);
        survives(&SAMPLE.replacen(target, &format!("{key} = {value}"), 1));
    }
}
