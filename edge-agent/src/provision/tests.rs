use super::*;

const WHOLE: &str = include_str!("../../../docs/ref/provision.toml");

#[test]
fn the_reference_is_a_whole_file() {
    let uncommented: Vec<String> = WHOLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") || setting.starts_with('[') => setting.into(),
            _ => line.into(),
        })
        .collect();
    let all = parse(&uncommented.join("\n")).unwrap();
    assert!(all.relay.unwrap().ca_sha256.is_some());
    let entry = &all.recorder[0];
    assert!(entry.port.is_some() && entry.certificate_sha256.is_some());
}

#[test]
fn what_is_left_out_is_left_to_the_page() {
    let least = parse("\u{feff}password = \"long enough 1\"\r\n").unwrap();
    assert!(least.relay.is_none() && least.recorder.is_empty());
    let one = parse(
        "password = \"x\"\n[[recorder]]\naddress = \"10.0.0.5\"\nusername = \"a\"\npassword = \"b\"",
    )
    .unwrap();
    assert_eq!(one.recorder[0].driver, DriverKind::Sdk);
    assert_eq!(one.recorder[0].port, None);
}

#[test]
fn mistakes_name_their_line_and_never_a_password() {
    for (text, line) in [
        ("password = 1234567890", 1),
        ("\npassword = [\"secret-word\"]", 2),
        ("password = \"secret-word", 1),
        ("password = \"a\"\npasword = \"secret-word\"", 2),
        ("password = \"a\"\n\n[relay]\nurl = 1234567890", 4),
        ("", 1),
        (
            "password = \"a\"\n[[recorder]]\naddress = \"b\"\nport = 70000",
            4,
        ),
    ] {
        let (at, why) = parse(text).unwrap_err();
        assert_eq!(at, line, "{text}: {why}");
        assert!(
            !why.contains("secret-word") && !why.contains("1234567890"),
            "{why}"
        );
    }
}

mod fuzz {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_ends_it(text in ".{0,200}") {
            let _ = super::parse(&text);
        }
    }
}
