//! Bytes as hexadecimal digits.

/// In capitals.
pub(super) fn upper(bytes: &[u8]) -> String {
    with(bytes, b"0123456789ABCDEF")
}

/// In small letters.
pub(super) fn lower(bytes: &[u8]) -> String {
    with(bytes, b"0123456789abcdef")
}

fn with(bytes: &[u8], digits: &[u8; 16]) -> String {
    let digit = |nibble: u8| char::from(digits[usize::from(nibble & 0xf)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Digits of either case; `None` if something is none, or one is missing.
pub(super) fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_are_the_same_bytes() {
        let bytes = [0x00, 0x9f, 0xa0, 0xff];
        assert_eq!((upper(&bytes), lower(&bytes)), ("009FA0FF".to_owned(), "009fa0ff".to_owned()));
        assert_eq!(decode(b"009fA0Ff").unwrap(), bytes);
        assert_eq!((decode(b"0"), decode(b"0g"), decode("é".as_bytes())), (None, None, None));
    }
}
