//! What somebody types on a keyboard in front of the box. Pure.

/// What a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// A factory reset of this box.
    Reset {
        /// Its footage too.
        footage: bool,
    },
    /// A factory reset that does not name this box: nobody should wipe one by a slip.
    OtherBox,
    /// Anything else.
    Unknown,
}

/// Longest line that is looked at.
const LINE_MAX: usize = 200;

/// Understands a line; `name` is the name of the box.
pub fn understand(line: &str, name: &str) -> Typed {
    let words: Vec<&str> = match line.len() <= LINE_MAX {
        true => line.split_whitespace().collect(),
        false => Vec::new(),
    };
    match words.as_slice() {
        ["reset", it] if *it == name => Typed::Reset { footage: false },
        ["reset", it, "footage"] if *it == name => Typed::Reset { footage: true },
        ["reset", ..] => Typed::OtherBox,
        _ => Typed::Unknown,
    }
}

/// What can be typed.
pub fn help(name: &str) -> String {
    // Never as it is to be typed: a line that gives back what it is sent would type it.
    format!(
        "To make this box as new, type the word reset, a space, and the name in the first line\n\
         ({} characters). The word footage behind that wipes its footage too.\n",
        name.chars().count()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reset_of_this_very_box_is_understood() {
        let cases = [
            ("reset box-1", Typed::Reset { footage: false }),
            ("  reset   box-1 \n", Typed::Reset { footage: false }),
            ("reset box-1 footage", Typed::Reset { footage: true }),
            ("reset box-2", Typed::OtherBox),
            ("reset", Typed::OtherBox),
            ("reset box-1 all", Typed::OtherBox),
            ("reset box-1 footage now", Typed::OtherBox),
            ("RESET box-1", Typed::Unknown),
            ("", Typed::Unknown),
            ("root", Typed::Unknown),
        ];
        for (line, expected) in cases {
            assert_eq!(understand(line, "box-1"), expected, "{line:?}");
        }
        // A line that sends back what it gets.
        for shown in help("box-1").lines() {
            for end in 0..=shown.len() {
                let typed = understand(&shown[..end], "box-1");
                assert!(!matches!(typed, Typed::Reset { .. }), "{shown:?}");
            }
        }
        let long = format!("reset box-1{}", " ".repeat(LINE_MAX));
        assert_eq!(understand(&long, "box-1"), Typed::Unknown);
    }
}
