//! Reading the tree's own source: files, and text without comments and literals.

use std::path::{Path, PathBuf};

/// The root of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, in order, as paths below the root.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "node_modules" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Rust source with comments, strings and characters blanked out; every byte keeps its line.
pub fn bare(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = vec![b' '; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(source, at);
        if end == at {
            out[at] = bytes[at];
            at += 1;
            continue;
        }
        for place in at..end.min(bytes.len()) {
            if bytes[place] == b'\n' {
                out[place] = b'\n';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none does.
fn skipped(source: &str, at: usize) -> usize {
    let bytes = source.as_bytes();
    let rest = &bytes[at..];
    let find = |needle: &[u8], from: usize| {
        bytes[from..]
            .windows(needle.len())
            .position(|part| part == needle)
            .map_or(bytes.len(), |n| from + n + needle.len())
    };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if rest.starts_with(b"//") {
        return find(b"\n", at) - 1;
    }
    if rest.starts_with(b"/*") {
        return find(b"*/", at + 2);
    }
    let fresh = at == 0 || !word(bytes[at - 1]);
    if fresh
        && (rest.starts_with(b"r\"")
            || rest.starts_with(b"r#")
            || rest.starts_with(b"br\"")
            || rest.starts_with(b"br#"))
    {
        let start = at + rest.iter().position(|byte| *byte == b'r').unwrap() + 1;
        let hashes = bytes[start..].iter().take_while(|byte| **byte == b'#').count();
        if bytes.get(start + hashes) == Some(&b'"') {
            let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            return find(&end, start + hashes + 1);
        }
    }
    if rest[0] == b'"' {
        let mut end = at + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        return end + 1;
    }
    if rest[0] == b'\'' {
        // A lifetime has no closing quote within a character's length.
        if rest.get(1) == Some(&b'\\') {
            return find(b"'", at + 3);
        }
        let Some(character) = source[at + 1..].chars().next() else { return at };
        let close = at + 1 + character.len_utf8();
        if bytes.get(close) == Some(&b'\'') {
            return close + 1;
        }
    }
    at
}

#[test]
fn literals_and_comments_are_blanked() {
    let text = "a /* b */ 'c' \"d \\\" e\" r#\"f \" g\"# // h\n'static i '\\n' j";
    let left: Vec<String> = bare(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(left, ["a", "'static", "i", "j"]);
    assert_eq!(bare(text).len(), text.len());
}
