//! The closing lines of the tests: what the `test result:` lines of all test programs add up to.

use std::fmt;

/// The sums over every test program seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) skipped: u64,
    /// What tests said that found nothing to run on: their names, and why.
    pub(crate) unable: Vec<String>,
}

/// What such a test writes, past the capture of its program, before its name and its reason.
const UNABLE: &str = "skipped test: ";

impl Tally {
    /// Reads one line of a test program's output; lines that are not results change nothing.
    pub(crate) fn read(&mut self, line: &str) {
        let plain = without_colours(line);
        if let Some(unable) = plain.trim_start().strip_prefix(UNABLE) {
            self.unable.push(unable.to_owned());
            return;
        }
        let Some(result) = plain.trim_start().strip_prefix("test result:") else { return };
        // `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
        let counts = result.split_once(". ").map_or(result, |(_verdict, counts)| counts);
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To its program such a test has passed.
        let unable = self.unable.len() as u64;
        write!(out, "{} passed, {} failed", self.passed.saturating_sub(unable), self.failed)?;
        if self.skipped + unable > 0 {
            write!(out, ", {} skipped", self.skipped + unable)?;
        }
        Ok(())
    }
}

/// The line without the escape sequences that a coloured test program writes (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_colour, text)| text);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[track_caller]
    fn check(output: &str, expected: &str) {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        assert_eq!(tally.to_string(), expected);
    }

    #[test]
    fn results_of_all_programs_are_summed() {
        check("", "0 passed, 0 failed");
        check(
            "running 2 tests\ntest a ... ok\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test result: FAILED. 10 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 1.20s",
            "12 passed, 3 failed, 1 skipped",
        );
        check(
            "test result: \u{1b}[32mok\u{1b}[m. 4 passed; 0 failed; 0 ignored; 0 measured",
            "4 passed, 0 failed",
        );
        check(
            "test a ... \nskipped test: a: no disk can be mounted here: not permitted\nok\n\
             test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured",
            "3 passed, 0 failed, 2 skipped",
        );
        check("a test printed: 5 passed; 1 failed", "0 passed, 0 failed");
        check("test result: ok. many passed; 1 failed", "0 passed, 1 failed");
    }
}
