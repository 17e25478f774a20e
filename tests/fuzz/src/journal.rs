//! Rows of a journal that was damaged, or that another program wrote.
//!
//! Fourteen lines, a letter first: `n`ull, `i`nteger, `r`eal, `t`ext, `b`lob.

use botgate::control::fuzzing::{Column, row};

pub fn target(data: &[u8]) {
    let mut lines = data.splitn(14, |byte| *byte == b'\n');
    let columns = std::array::from_fn(|_| column(lines.next().unwrap_or_default()));
    let Some((entry, _, same)) = row(&columns) else { return };
    assert!(same || has_fraction(&entry.evidence), "written and read again it is another: {entry:?}");
    // As the admin API shows it.
    let shown = serde_json::to_string(&entry).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok());
}

/// serde_json reads a fraction to within a unit in its last place, and no decision hangs on one.
fn has_fraction(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(all) => all.iter().any(has_fraction),
        serde_json::Value::Object(all) => all.values().any(has_fraction),
        _ => false,
    }
}

fn column(line: &[u8]) -> Column {
    let (kind, bytes) = line.split_first().map_or((b'n', line), |(kind, rest)| (*kind, rest));
    let text = || String::from_utf8_lossy(bytes).into_owned();
    match kind {
        b'i' => Column::Integer(text().parse().unwrap_or_default()),
        b'r' => Column::Real(text().parse().unwrap_or_default()),
        b't' => Column::Text(text()),
        b'b' => Column::Blob(bytes.to_vec()),
        _ => Column::Null,
    }
}
