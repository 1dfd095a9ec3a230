//! What people paste is not always JSON: CM.com's own samples carry comments. Blanking turns it into JSON without
//! moving anything, so that lines and columns stay true.

use std::iter::Peekable;
use std::slice::Iter;

/// The text with every `//` and `/* */` comment and every trailing comma replaced by spaces; `None` when there are
/// none. Line breaks stay, and so does everything within strings. One pass, no matter what the text is.
pub(super) fn blank(text: &str) -> Option<String> {
    let mut blanked = text.as_bytes().to_vec();
    let mut changed = false;
    let mut erase = |from: usize, to: usize| {
        changed = true;
        for byte in &mut blanked[from..to] {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    };
    // The last byte that means something, and the comma that is a trailing one if a bracket closes next.
    let mut before = b'[';
    let mut comma = None;
    // Where one block comment has no end, no later one has, and looking for it again would make this more than one pass.
    let mut blocks_end = true;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at + 1,
            b'/' if let Some(end) = comment_end(&bytes[at..], &mut blocks_end) => {
                erase(at, at + end);
                at + end
            }
            _ => {
                if let (b'}' | b']', Some(comma)) = (byte, comma) {
                    erase(comma, comma + 1);
                }
                comma = (byte == b',' && !matches!(before, b'[' | b'{' | b',' | b':')).then_some(at);
                before = byte;
                if byte == b'"' { at + string_end(bytes[at..].iter().peekable()) } else { at + 1 }
            }
        };
        at = end;
    }
    changed.then(|| String::from_utf8(blanked).expect("only whole characters were replaced"))
}

/// How long the comment at the start of `bytes` is, its line break not counted; none if there is no comment, or if it
/// has no end. `blocks_end` is whether a block comment that begins here or later may have one.
fn comment_end(bytes: &[u8], blocks_end: &mut bool) -> Option<usize> {
    match bytes.get(1)? {
        b'/' => Some(bytes.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(bytes.len())),
        b'*' if *blocks_end => {
            let end = bytes[2..].windows(2).position(|pair| pair == b"*/").map(|at| at + 4);
            *blocks_end = end.is_some();
            end
        }
        _ => None,
    }
}

/// How long the string at the start of `bytes` is, quotes included; a string without an end takes all the rest.
fn string_end(mut bytes: Peekable<Iter<'_, u8>>) -> usize {
    let mut length = 1;
    bytes.next();
    while let Some(byte) = bytes.next() {
        length += 1;
        match byte {
            b'"' => break,
            b'\\' => length += usize::from(bytes.next().is_some()),
            _ => {}
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(blank(text).as_deref().unwrap_or(text), expected, "blanking {text:?}");
    }

    #[test]
    fn comments() {
        check("// all", "      ");
        check("{//x\n}", "{   \n}");
        check("{//x\r\n}", "{   \r\n}");
        check("{/* a\nb */}", "{    \n    }");
        check("{/**/}", "{    }");
        check("{/***/}", "{     }");
        check("1/*é*/", "1      ");
        check("// // /* x\n1", "          \n1");
        check("/* // */1", "        1");
    }

    #[test]
    fn trailing_commas() {
        check("[1,]", "[1 ]");
        check("{\"a\":1 , }", "{\"a\":1   }");
        check("[[1,],]", "[[1 ] ]");
        check("[1, // last\n]", "[1         \n]");
        check("[1,/* , */]", "[1        ]");
        check("[\"a\",]", "[\"a\" ]");
    }

    #[test]
    fn what_is_neither_stays() {
        for text in [
            "",
            "{}",
            "[1,2]",
            "[,]",
            "{,}",
            "[1,,]",
            "{\"a\":,}",
            ",",
            "1,",
            "/",
            "/x",
            "/*",
            "/*/",
            "[1,/*]",
            "\"// no, /* no */ ,]\"",
            r#"["\"//",1]"#,
            r#"["\\" ]"#,
            "\"//",
            "\"\\",
        ] {
            assert_eq!(blank(text), None, "{text}");
        }
        check(r#"["\\"//x"#, r#"["\\"   "#);
    }

    /// Were each of them looked for to the end of the text, this would take an hour.
    #[test]
    fn comments_without_an_end_are_looked_for_once() {
        for piece in ["/* ", "/* // \n", "/*/"] {
            let text = format!("[{}", piece.repeat(1 << 20));
            let blanked = blank(&text);
            assert_eq!(blanked.is_some(), piece != "/* ", "{piece}");
        }
        check("/*/ 1 */ /* //2\n/* 3", "         /*    \n/* 3");
    }

    /// Pieces that matter to blanking, thrown together.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "/", "//", "/*", "*/", "\n", "\r\n", " ", "1", "é",
            "\"a\"",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_moves(text in pieces()) {
            if let Some(blanked) = blank(&text) {
                prop_assert_eq!(blanked.len(), text.len());
                for (was, is) in text.bytes().zip(blanked.bytes()) {
                    prop_assert!(is == was || is == b' ' && !matches!(was, b'\n' | b'\r'));
                }
                prop_assert_eq!(blank(&blanked), None, "a second pass found more");
            }
        }

        #[test]
        fn json_stays_as_it_is(value in json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(blank(&text), None, "{}", text);
            }
        }

        #[test]
        fn comments_and_trailing_commas_make_no_difference(value in json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let mut pasted = String::new();
            for line in pretty.lines() {
                let comma = if line.ends_with(['{', '[', ',']) || pretty.len() == line.len() { "" } else { " /* , */" };
                pasted += &format!("{line}{comma} // \"{{[é,\r\n");
            }
            let blanked = blank(&pasted).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&blanked).unwrap(), value);
        }
    }

    /// Any JSON, with texts that look like comments.
    fn json() -> impl Strategy<Value = Value> {
        let text = prop::collection::vec(
            prop::sample::select(vec!["//", "/*", "*/", ",]", ",}", "\"", "\\", "\n", "é", "a"]),
            0..4,
        )
        .prop_map(|pieces| pieces.concat());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
