//! Takes a Rust file apart: code without its literals, comments, and string literals, each with its line.
//!
//! It is a scanner and not a parser: it knows where comments, strings and characters begin and end, and nothing of the
//! grammar. That is enough to look for a word in the right part of a file and never in the wrong one.

/// A Rust file, taken apart.
pub(super) struct Source {
    /// The code, line by line: comments and the insides of literals are blank.
    pub(super) code: Vec<String>,
    /// The comments, line by line; empty where there is none.
    pub(super) comments: Vec<String>,
    /// The string literals with the line each begins on (from 1) and its text as written, escapes unresolved.
    pub(super) strings: Vec<(usize, String)>,
    /// The first and last lines (from 1) of the items that are compiled for tests only.
    test_items: Vec<(usize, usize)>,
}

impl Source {
    /// Takes the text apart. An unfinished literal or comment extends to the end.
    pub(super) fn parse(text: &str) -> Source {
        let mut scanner = Scanner::new(text);
        scanner.scan();
        let code: Vec<String> = scanner.code.split('\n').map(str::to_owned).collect();
        let comments = scanner.comments.split('\n').map(str::to_owned).collect();
        let test_items = test_items(&scanner.code);
        Source { code, comments, strings: scanner.strings, test_items }
    }

    /// Whether the line (from 1) belongs to an item that is compiled for tests only.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.test_items.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }
}

/// Each `#[cfg(test)]` with the item below it, which ends at its `;` or at the bracket that closes its body.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let line_of = |place: usize| code[..place].matches('\n').count() + 1;
    let mut items = Vec::new();
    for (start, _) in code.match_indices(ATTRIBUTE) {
        let mut depth = 0_usize;
        let end = code[start + ATTRIBUTE.len()..].char_indices().find_map(|(offset, character)| {
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ';' if depth == 0 => return Some(offset),
                _ => return None,
            }
            (depth == 0).then_some(offset)
        });
        items.push((line_of(start), line_of(end.map_or(code.len(), |end| start + ATTRIBUTE.len() + end))));
    }
    items
}

struct Scanner {
    rest: std::vec::IntoIter<char>,
    line: usize,
    code: String,
    comments: String,
    strings: Vec<(usize, String)>,
}

/// Where a character of the file belongs.
#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    Literal,
}

impl Scanner {
    fn new(text: &str) -> Scanner {
        let rest = text.chars().collect::<Vec<char>>().into_iter();
        Scanner { rest, line: 1, code: String::new(), comments: String::new(), strings: Vec::new() }
    }

    fn ahead(&self, distance: usize) -> Option<char> {
        self.rest.as_slice().get(distance).copied()
    }

    /// Moves one character on, keeping the lines of both views in step.
    fn take(&mut self, part: Part) -> Option<char> {
        let character = self.rest.next()?;
        if character == '\n' {
            self.line += 1;
            self.code.push('\n');
            self.comments.push('\n');
            return Some(character);
        }
        match part {
            Part::Code => self.code.push(character),
            Part::Comment => self.comments.push(character),
            Part::Literal => self.code.push(' '),
        }
        Some(character)
    }

    fn scan(&mut self) {
        while let Some(character) = self.ahead(0) {
            match (character, self.ahead(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('\'', _) => self.character_or_lifetime(),
                _ if self.raw_string_hashes().is_some() && !self.inside_word() => self.raw_string(),
                _ => {
                    self.take(Part::Code);
                }
            }
        }
    }

    fn inside_word(&self) -> bool {
        self.code.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_')
    }

    fn line_comment(&mut self) {
        while self.ahead(0).is_some_and(|character| character != '\n') {
            self.take(Part::Comment);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let step = match (self.ahead(0), self.ahead(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    2
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    2
                }
                (None, _) => return,
                _ => 1,
            };
            for _ in 0..step {
                self.take(Part::Comment);
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.take(Part::Code);
        while let Some(character) = self.ahead(0) {
            if character == '"' {
                self.take(Part::Code);
                break;
            }
            text.extend(self.take(Part::Literal));
            if character == '\\' {
                text.extend(self.take(Part::Literal));
            }
        }
        self.strings.push((line, text));
    }

    /// How many `#` the raw string that begins here has (`r"…"`, `br##"…"##`), or `None`.
    fn raw_string_hashes(&self) -> Option<usize> {
        let start = match (self.ahead(0), self.ahead(1)) {
            (Some('r'), _) => 1,
            (Some('b' | 'c'), Some('r')) => 2,
            _ => return None,
        };
        let hashes = (start..).take_while(|distance| self.ahead(*distance) == Some('#')).count();
        (self.ahead(start + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_string_hashes().expect("the caller saw that a raw string begins here");
        let line = self.line;
        while self.take(Part::Code).is_some_and(|character| character != '"') {}
        let mut text = String::new();
        while let Some(character) = self.ahead(0) {
            if character == '"' && (1..=hashes).all(|distance| self.ahead(distance) == Some('#')) {
                for _ in 0..=hashes {
                    self.take(Part::Code);
                }
                break;
            }
            text.extend(self.take(Part::Literal));
        }
        self.strings.push((line, text));
    }

    /// `'x'` and `'\n'` are characters; `'a` is a lifetime or a label.
    fn character_or_lifetime(&mut self) {
        self.take(Part::Code);
        if self.ahead(0) == Some('\\') {
            self.take(Part::Literal);
            self.take(Part::Literal);
            while self.ahead(0).is_some_and(|character| character != '\'' && character != '\n') {
                self.take(Part::Literal);
            }
            self.take(Part::Code);
        } else if self.ahead(1) == Some('\'') {
            self.take(Part::Literal);
            self.take(Part::Code);
        }
    }
}

/// The places in the line where the word stands by itself, as byte offsets.
pub(super) fn words(line: &str, word: &str) -> Vec<usize> {
    let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word)
        .map(|(place, _)| place)
        .filter(|&place| !line[..place].chars().next_back().is_some_and(part_of_word))
        .filter(|&place| !line[place + word.len()..].chars().next().is_some_and(part_of_word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Source, words};

    #[track_caller]
    fn check(text: &str, code: &str, comments: &str, strings: &[(usize, &str)]) {
        let source = Source::parse(text);
        assert_eq!(source.code.join("\n").trim_end_matches('\n'), code, "code of {text:?}");
        assert_eq!(source.comments.join("\n").trim_end_matches('\n'), comments, "comments of {text:?}");
        let found: Vec<(usize, &str)> = source.strings.iter().map(|(line, text)| (*line, &**text)).collect();
        assert_eq!(found, strings, "strings of {text:?}");
    }

    #[test]
    fn every_part_lands_where_it_belongs() {
        check("let a = 1;", "let a = 1;", "", &[]);
        check("a // b \" c\nd", "a \nd", "// b \" c", &[]);
        check("a /* b /* c */ \n d */ e", "a \n e", "/* b /* c */ \n d */", &[]);
        check(r#"a("b // c", "d\"e")"#, r#"a("      ", "    ")"#, "", &[(1, "b // c"), (1, r#"d\"e"#)]);
        check("x\nr#\"a\"b\"# y", "x\nr#\"   \"# y", "", &[(2, "a\"b")]);
        check("br\"a\\\" y", "br\"  \" y", "", &[(1, "a\\")]);
        check("f::<'a>('\"', '\\'', '\\u{41}', b'/')", "f::<'a>(' ', '  ', '      ', b' ')", "", &[]);
        check("let r = for\"x\";", "let r = for\" \";", "", &[(1, "x")]);
        check("\"unfinished\n", "\"          ", "", &[(1, "unfinished\n")]);
        check("/* unfinished", "", "/* unfinished", &[]);
    }

    #[track_caller]
    fn check_test_lines(text: &str, expected: &[usize]) {
        let source = Source::parse(text);
        let lines = 1..=text.lines().count();
        assert_eq!(lines.filter(|line| source.is_test_line(*line)).collect::<Vec<usize>>(), expected);
    }

    #[test]
    fn an_item_for_tests_ends_where_its_body_does() {
        check_test_lines("fn a() {}\n// #[cfg(test)]\nfn b() {}", &[]);
        check_test_lines("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}", &[2, 3, 4, 5]);
        check_test_lines("#[cfg(test)]\nmod tests;\nfn a() {}", &[1, 2]);
        check_test_lines("#[cfg(test)]\nfn unfinished() {\n\n", &[1, 2, 3]);
    }

    #[test]
    fn a_word_stands_by_itself() {
        assert_eq!(words("sleep(sleeper, sleep)", "sleep"), [0, 15]);
        assert!(words("a_sleep sleep_until", "sleep").is_empty());
    }
}
