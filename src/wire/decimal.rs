//! Numbers in decimal digits, without an allocation.

/// A number in decimal digits. They stand at the end of `room`.
pub fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    &room[at..]
}

/// Writes a number in decimal digits.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(decimal(number, &mut [0; 20]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_everybody_writes_it() {
        for number in [0, 1, 9, 10, 1024, 999_999, u64::MAX] {
            let mut out = b"length: ".to_vec();
            write_number(&mut out, number);
            assert_eq!(out, format!("length: {number}").into_bytes());
        }
    }
}
