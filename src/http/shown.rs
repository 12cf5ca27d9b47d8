//! What a client wrote, as an answer repeats it: enough to know it again. Without a bound a path of 16 KiB would make an answer
//! of 64, which nobody is charged for.

/// As much is repeated, in bytes and with its escapes; JSON may double it.
const MOST_BYTES: usize = 100;

/// The text in quotes, with an ellipsis if it's longer than what is repeated.
pub fn shown(text: &str) -> String {
    let mut len = 0;
    for (at, char) in text.char_indices() {
        len += char.escape_debug().map(char::len_utf8).sum::<usize>();
        if len > MOST_BYTES {
            return format!("{:?}…", &text[..at]);
        }
    }
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_repeated_as_a_whole() {
        for text in ["", "orders", "a\"b\\\n", &"x".repeat(MOST_BYTES)] {
            assert_eq!(shown(text), format!("{text:?}"));
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters_whatever_it_is_made_of() {
        let quotes_and_ellipsis = 2 + "…".len();
        for char in [
            "x",
            "\\",
            "\"",
            "ä",
            "\u{1}",
            "\u{e000}",
            "\u{10ffff}",
            "\u{1f980}",
            "\u{fffd}",
        ] {
            let text = char.repeat(16 * 1024);
            let words = shown(&text);
            let (len, cut) = (words.len(), words.ends_with("\"…"));
            assert!(cut && len > MOST_BYTES - 10, "{len}: {words}");
            assert!(len <= MOST_BYTES + quotes_and_ellipsis, "{len}: {words}");
            let in_json = serde_json::to_string(&words).unwrap().len();
            assert!(in_json <= 3 * MOST_BYTES, "{in_json}: {words}");
        }
    }
}
