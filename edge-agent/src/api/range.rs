//! Which part of a file a request is for: the conditional and range headers of RFC 9110, as far as they make sense for
//! one file that never changes under its name. Pure.
//!
//! One range is served. Several in one request are answered with the whole file, which RFC 9110 §14.2 allows and every
//! client understands; `multipart/byteranges` is written by hardly anybody and read by fewer. Ranges that cannot be read
//! are ignored for the same reason. Dates never match: a file is known by its digest, not by a time.

use http::{HeaderMap, HeaderName, header};

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// 304: the asker has it.
    NotModified,
    /// 412: the asker has another version.
    Changed,
    /// 200.
    Whole,
    /// 206.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// 416.
    Outside,
}

/// Decides by the headers of a request for a file of `length` bytes whose entity tag (quotes included) is `tag`.
/// `ranges` says whether the method knows ranges: GET does, HEAD does not.
pub fn wanted(headers: &HeaderMap, ranges: bool, tag: &str, length: u64) -> Wanted {
    if let Some(listed) = texts(headers, header::IF_MATCH)
        && !names(&listed, tag, Comparison::Strong)
    {
        return Wanted::Changed;
    }
    if let Some(listed) = texts(headers, header::IF_NONE_MATCH)
        && names(&listed, tag, Comparison::Weak)
    {
        return Wanted::NotModified;
    }
    let same = texts(headers, header::IF_RANGE).is_none_or(|told| told.trim() == tag);
    match texts(headers, header::RANGE) {
        Some(range) if ranges && same => part(&range, length),
        _ => Wanted::Whole,
    }
}

enum Comparison {
    Strong,
    Weak,
}

/// All values of a header, joined as the standard allows. What is not text is as if it were not there.
fn texts(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether a list of entity tags names this one. Ours is hexadecimal, so a comma never stands within it.
fn names(listed: &str, tag: &str, comparison: Comparison) -> bool {
    listed.split(',').map(str::trim).any(|one| {
        let one = match comparison {
            Comparison::Weak => one.strip_prefix("W/").unwrap_or(one),
            Comparison::Strong => one,
        };
        one == "*" || one == tag
    })
}

fn part(range: &str, length: u64) -> Wanted {
    let Some((unit, set)) = range.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts = set.split(',').map(str::trim).filter(|one| !one.is_empty());
    let (Some(one), None) = (parts.next(), parts.next()) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = one.split_once('-') else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        // The last so many bytes.
        (Number::None, Number::Of(0)) => Wanted::Outside,
        (Number::None, Number::Of(_)) if length == 0 => Wanted::Outside,
        (Number::None, Number::Of(count)) => Wanted::Part {
            first: length.saturating_sub(count),
            last: length - 1,
        },
        (Number::Of(first), Number::Of(last)) if last < first => Wanted::Whole,
        (Number::Of(first), Number::None | Number::Of(_)) if first >= length => Wanted::Outside,
        (Number::Of(first), Number::None) => Wanted::Part {
            first,
            last: length - 1,
        },
        (Number::Of(first), Number::Of(last)) => Wanted::Part {
            first,
            last: last.min(length - 1),
        },
        _ => Wanted::Whole,
    }
}

enum Number {
    None,
    Of(u64),
    Bad,
}

fn number(text: &str) -> Number {
    let text = text.trim();
    if text.is_empty() {
        Number::None
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that do not fit mean: beyond any file.
        Number::Of(text.parse().unwrap_or(u64::MAX))
    } else {
        Number::Bad
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"ab12\"";

    fn decide(pairs: &[(HeaderName, &str)], length: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        wanted(&headers, true, TAG, length)
    }

    #[test]
    fn one_range_is_served_and_what_is_no_range_is_the_whole() {
        let part = |first, last| Wanted::Part { first, last };
        for (range, length, expected) in [
            ("bytes=0-0", 100, part(0, 0)),
            ("bytes=0-", 100, part(0, 99)),
            ("bytes=10-19", 100, part(10, 19)),
            ("BYTES = 10 - 19", 100, part(10, 19)),
            ("bytes=10-19,", 100, part(10, 19)),
            ("bytes=90-200", 100, part(90, 99)),
            ("bytes=90-99999999999999999999999", 100, part(90, 99)),
            ("bytes=-10", 100, part(90, 99)),
            ("bytes=-1000", 100, part(0, 99)),
            ("bytes=100-", 100, Wanted::Outside),
            ("bytes=100-200", 100, Wanted::Outside),
            ("bytes=99999999999999999999999-", 100, Wanted::Outside),
            ("bytes=-0", 100, Wanted::Outside),
            ("bytes=0-", 0, Wanted::Outside),
            ("bytes=-5", 0, Wanted::Outside),
            ("bytes=0-4,10-14", 100, Wanted::Whole),
            ("bytes=20-10", 100, Wanted::Whole),
            ("bytes=", 100, Wanted::Whole),
            ("bytes=-", 100, Wanted::Whole),
            ("bytes=a-b", 100, Wanted::Whole),
            ("bytes=+1-2", 100, Wanted::Whole),
            ("seconds=0-1", 100, Wanted::Whole),
            ("0-1", 100, Wanted::Whole),
        ] {
            assert_eq!(
                decide(&[(header::RANGE, range)], length),
                expected,
                "{range}"
            );
        }
    }

    #[test]
    fn conditions_are_looked_at_in_their_order() {
        use header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
        let part = Wanted::Part { first: 1, last: 2 };
        let ranged = (RANGE, "bytes=1-2");
        for (condition, expected) in [
            ((IF_RANGE, "\"ab12\""), part),
            ((IF_RANGE, "W/\"ab12\""), Wanted::Whole),
            ((IF_RANGE, "\"other\""), Wanted::Whole),
            ((IF_RANGE, "Tue, 03 Nov 2026 14:05:00 GMT"), Wanted::Whole),
            ((IF_NONE_MATCH, "\"x\", W/\"ab12\""), Wanted::NotModified),
            ((IF_NONE_MATCH, "*"), Wanted::NotModified),
            ((IF_NONE_MATCH, "\"x\""), part),
            ((IF_MATCH, "\"x\", \"ab12\""), part),
            ((IF_MATCH, "*"), part),
            ((IF_MATCH, "W/\"ab12\""), Wanted::Changed),
            ((IF_MATCH, "\"x\""), Wanted::Changed),
        ] {
            assert_eq!(
                decide(&[ranged.clone(), condition.clone()], 10),
                expected,
                "{condition:?}"
            );
        }
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=1-2".parse().unwrap());
        assert_eq!(wanted(&headers, false, TAG, 10), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within_the_file(text in "(bytes=)?[0-9 ,=-]{0,30}", length in 0u64..1_000) {
            if let Wanted::Part { first, last } = decide(&[(header::RANGE, &text)], length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
