//! Takes out of texts whatever looks like something that opens something. The texts hold no secret to begin with (no
//! part of the product writes one); this is the second lock on the door, for what other programs wrote.

/// What stands in its place.
const REMOVED: &str = "[removed]";

/// What is before a `=` or `:` when a secret is behind it. A name of a file (`password_file`) is none.
const NAMES: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "cookie",
    "signature",
    "claim_code",
];

/// The same text without them.
pub fn hidden(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.split_inclusive('\n') {
        // A private key is taken out with its frame.
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
            in_key = true;
            out.push_str(REMOVED);
            out.push('\n');
        }
        let ends = line.contains("-----END");
        if !in_key {
            out.push_str(&without_logins(&without_values(line)));
        }
        in_key &= !ends;
    }
    out
}

/// `password=x`, `"token": "x"`, `Authorization: Bearer x`: without what is behind the sign, to the end of the value.
fn without_values(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let mut out = String::with_capacity(line.len());
    let mut from = 0;
    while let Some((at, name)) = next_name(&lower, from) {
        let behind = at + name.len();
        let Some(value) = value_of(&line[behind..]) else {
            out.push_str(&line[from..behind]);
            from = behind;
            continue;
        };
        out.push_str(&line[from..behind + value.start]);
        // Of `Authorization: Bearer x` both words go.
        let whole = matches!(name, "authorization" | "cookie");
        let end = if whole { value.line_end } else { value.end };
        out.push_str(REMOVED);
        from = behind + end;
    }
    out.push_str(&line[from..]);
    out
}

fn next_name(lower: &str, from: usize) -> Option<(usize, &'static str)> {
    NAMES
        .iter()
        .filter_map(|name| Some((from + lower[from..].find(name)?, *name)))
        .min_by_key(|(at, _)| *at)
}

/// Where a value begins and ends behind a name.
struct Value {
    start: usize,
    end: usize,
    line_end: usize,
}

/// Behind a name: perhaps a quote, spaces, the sign, spaces, perhaps a quote, the value.
fn value_of(rest: &str) -> Option<Value> {
    let line_end = rest.trim_end_matches(['\n', '\r']).len();
    let rest = &rest[..line_end];
    let sign = rest.trim_start_matches(['"', '\'', '\\', ' ']);
    let sign = rest.len() - sign.len();
    // `==` and `::` are code, and what follows a word is a sentence.
    if !rest[sign..].starts_with(['=', ':']) || rest[sign + 1..].starts_with(['=', ':']) {
        return None;
    }
    let value = &rest[sign + 1..];
    let start = sign + 1 + (value.len() - value.trim_start_matches(['"', '\'', '\\', ' ']).len());
    let quoted = rest[sign + 1..start].contains(['"', '\'']);
    let ends: &[char] = match quoted {
        true => &['"', '\''],
        false => &[' ', ',', ';', '&', '}', ']', '"', '\''],
    };
    let end = rest[start..].find(ends).map_or(line_end, |at| start + at);
    // What escapes the quote belongs to it.
    let end = start + rest[start..end].trim_end_matches('\\').len();
    (end > start).then_some(Value {
        start,
        end,
        line_end,
    })
}

/// `rtsp://user:password@host`: without what stands before the `@`.
fn without_logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        out.push_str(before);
        let host_end = address
            .find(|c: char| c == '/' || c.is_whitespace() || c == '"')
            .unwrap_or(address.len());
        rest = match address[..host_end].rfind('@') {
            Some(login) => {
                out.push_str(REMOVED);
                &address[login..]
            }
            None => address,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_opens_something_goes_and_the_rest_stays() {
        for (text, without) in [
            ("password=Geheim7 x=1\n", "password=[removed] x=1\n"),
            (
                "{\"password\": \"a b\",\"n\":1}",
                "{\"password\": \"[removed]\",\"n\":1}",
            ),
            (
                "{\\\"token\\\":\\\"abc\\\"}",
                "{\\\"token\\\":\\\"[removed]\\\"}",
            ),
            ("password = 'x y'", "password = '[removed]'"),
            (
                "Authorization: Bearer abc.def\nnext",
                "Authorization: [removed]\nnext",
            ),
            ("GET /f?token=abc&n=1 200", "GET /f?token=[removed]&n=1 200"),
            ("rtsp://admin:x@y@10.0.0.1/a", "rtsp://[removed]@10.0.0.1/a"),
            (
                "a\n-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\nb\n",
                "a\n[removed]\nb\n",
            ),
            ("The password is not right\n", "The password is not right\n"),
            (
                "password_file = \"/etc/holdfast/mail\"\n",
                "password_file = \"/etc/holdfast/mail\"\n",
            ),
            ("https://host/a@b", "https://host/a@b"),
            ("secrets::tpm: it works", "secrets::tpm: it works"),
            ("password=\nnext", "password=\nnext"),
        ] {
            assert_eq!(hidden(text), without, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_passes(text in "\\PC{0,40}(\\n|password ?[=:] ?\"?)\\PC{0,20}") {
            hidden(&text);
        }

        #[test]
        fn no_value_behind_a_name_is_left(
            name in proptest::sample::select(&NAMES[..]),
            sign in "(=|: |\": \"|\":\")",
            value in "[A-Z0-9]{8,20}",
            before in "[a-z ]{0,10}",
        ) {
            let text = hidden(&format!("{before}{name}{sign}{value}\n"));
            prop_assert!(!text.contains(&value), "{}", text);
        }
    }
}
