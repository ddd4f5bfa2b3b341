//! Patterns over a whole text, in the syntax of Go's `path.Match`.

use std::str::FromStr;

/// A compiled pattern: `*` any run without `/`, `?` one character but `/`, `[a-z]` and `[^x]`
/// classes, `\` takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// A class has no closing bracket, no content, or half a range.
    #[error("\"{0}\" has a character class that is empty or not closed")]
    Class(String),
    /// The pattern ends in a lone backslash.
    #[error("\"{0}\" ends in a lone backslash")]
    Escape(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    Any,
    Run,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

// === impl Glob ===

impl Glob {
    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        matches(&self.0, &text)
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        let mut rest = pattern.chars().peekable();
        let mut tokens = Vec::new();
        while let Some(next) = rest.next() {
            tokens.push(match next {
                '*' => Token::Run,
                '?' => Token::Any,
                '[' => class(&mut rest).ok_or_else(|| GlobError::Class(pattern.into()))?,
                '\\' => Token::Literal(
                    rest.next()
                        .ok_or_else(|| GlobError::Escape(pattern.into()))?,
                ),
                literal => Token::Literal(literal),
            });
        }
        Ok(Self(tokens))
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads a class whose bracket was taken already; `None` if it is malformed.
fn class(rest: &mut Chars<'_>) -> Option<Token> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.peek() != Some(&']') {
        let low = class_char(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() {
            class_char(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
    rest.next();
    Some(Token::Class { negated, ranges })
}

fn class_char(rest: &mut Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        plain => Some(plain),
    }
}

// === impl Token ===

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::Any | Self::Run => c != '/',
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Walks both at once; at a mismatch the latest `*` takes one character more.
fn matches(tokens: &[Token], text: &[char]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() || token < tokens.len() {
        match tokens.get(token) {
            Some(Token::Run) => {
                star = Some((token, at));
                token += 1;
                continue;
            }
            Some(one) if text.get(at).is_some_and(|c| one.takes(*c)) => {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            _ => {}
        }
        let can_grow = |(_, end): &(usize, usize)| text.get(*end).is_some_and(|c| *c != '/');
        let Some((run, end)) = star.filter(can_grow) else {
            return false;
        };
        star = Some((run, end + 1));
        (token, at) = (run + 1, end + 1);
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::exact("ns", "ns", true)]
    #[case::suffix("ns", "ns1", false)]
    #[case::run("ns-*", "ns-", true)]
    #[case::run_in_the_middle("a*b*c", "axxbxbyc", true)]
    #[case::run_not_matching("a*b", "axc", false)]
    #[case::run_stops_at_slash("*", "a/b", false)]
    #[case::one("staging-?", "staging-A", true)]
    #[case::one_only("staging-?", "staging-AB", false)]
    #[case::one_needed("a?", "a", false)]
    #[case::class("[abc]x", "bx", true)]
    #[case::range("n[0-9]", "n7", true)]
    #[case::range_missed("n[0-9]", "nx", false)]
    #[case::negated("[^x]", "y", true)]
    #[case::negated_missed("[^x]", "x", false)]
    #[case::escaped(r"\*", "*", true)]
    #[case::escaped_missed(r"\*", "a", false)]
    #[case::case_sensitive("NS", "ns", false)]
    #[case::empty("", "", true)]
    #[case::empty_pattern("", "a", false)]
    fn matches_as_go(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(pattern.parse::<Glob>().unwrap().matches(text), expected);
    }

    #[rstest]
    #[case("[")]
    #[case("[]")]
    #[case("[a")]
    #[case("[a-]")]
    #[case("[-a]")]
    #[case("a\\")]
    fn refuses(#[case] pattern: &str) {
        assert!(pattern.parse::<Glob>().is_err());
    }

    proptest! {
        #[test]
        fn a_text_without_special_characters_matches_itself(text in "[a-z0-9-]{0,20}") {
            prop_assert!(text.parse::<Glob>().unwrap().matches(&text));
        }

        #[test]
        fn never_panics(pattern in ".{0,20}", text in ".{0,20}") {
            if let Ok(glob) = pattern.parse::<Glob>() {
                glob.matches(&text);
            }
        }
    }
}
