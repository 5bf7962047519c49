//! Names of files that people take along: they say whose footage it is and of when, and every file system takes them.

use jiff::Timestamp;

/// Longest name of a camera within a file name, in characters.
const CAMERA_CHARS_MAX: usize = 60;

/// What Windows takes for devices, whatever their extension.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A camera's name as a part of a path.
pub fn camera_part(name: &str) -> String {
    let safe: String = name
        .chars()
        .map(|c| match c {
            // What a file system or a shell would trip over, and what would be read as a path.
            c if c.is_control() || c.is_whitespace() => '-',
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\'' | '%' | ';' => '-',
            c => c,
        })
        .take(CAMERA_CHARS_MAX)
        .collect();
    let safe = safe.trim_matches(|c| matches!(c, '-' | '.'));
    let device = safe.to_lowercase();
    match device.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "" => format!("camera{safe}"),
        word if RESERVED.contains(&word) => format!("camera-{safe}"),
        _ => safe.to_owned(),
    }
}

/// `2026-11-03_14-05-00Z`
pub fn instant_part(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d_%H-%M-%SZ").to_string()
}

/// Gives every camera a part of a path that no other has, also where upper and lower case are the same.
#[derive(Debug, Default)]
pub struct CameraParts {
    taken: std::collections::HashSet<String>,
}

impl CameraParts {
    /// The part for one more camera.
    pub fn next(&mut self, name: &str) -> String {
        let plain = camera_part(name);
        let mut part = plain.clone();
        let mut nth = 2;
        while !self.taken.insert(part.to_lowercase()) {
            part = format!("{plain}_{nth}");
            nth += 1;
        }
        part
    }
}

/// Names the recordings of one camera, which come in the order of their starts.
#[derive(Debug)]
pub struct RecordingNames {
    camera: String,
    last: String,
    nth: u32,
}

impl RecordingNames {
    /// For the camera with this part.
    pub fn new(camera: String) -> Self {
        Self {
            camera,
            last: String::new(),
            nth: 1,
        }
    }

    /// `Gate-1/2026-11-03/Gate-1_2026-11-03_14-05-00Z`, and `…_2` for another one of the same second.
    pub fn next(&mut self, start: Timestamp) -> String {
        let (camera, day) = (&self.camera, start.strftime("%Y-%m-%d"));
        let plain = format!("{camera}/{day}/{camera}_{}", instant_part(start));
        if plain == self.last {
            self.nth += 1;
            return format!("{plain}_{}", self.nth);
        }
        self.nth = 1;
        self.last.clone_from(&plain);
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cameras_are_named_as_people_named_them() {
        for (name, part) in [
            ("Gate 1", "Gate-1"),
            ("Hof/Süd: 2", "Hof-Süd--2"),
            ("..", "camera"),
            ("", "camera"),
            ("7", "camera7"),
            ("NUL", "camera-NUL"),
            ("com1", "camera-com1"),
            ("门口", "门口"),
        ] {
            assert_eq!(camera_part(name), part, "{name:?}");
        }
        let mut parts = CameraParts::default();
        assert_eq!(parts.next("Gate"), "Gate");
        assert_eq!(parts.next("gate"), "gate_2");
        assert_eq!(parts.next("Gate"), "Gate_3");
    }

    #[test]
    fn recordings_of_one_second_are_told_apart() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut names = RecordingNames::new("Gate".into());
        let first = names.next(at("2026-11-03T14:05:00.2Z"));
        assert_eq!(first, "Gate/2026-11-03/Gate_2026-11-03_14-05-00Z");
        assert_eq!(
            names.next(at("2026-11-03T14:05:00.9Z")),
            format!("{first}_2")
        );
        assert!(
            names
                .next(at("2026-11-03T14:05:01Z"))
                .ends_with("14-05-01Z")
        );
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_folder(name in "\\PC{0,100}") {
            let part = camera_part(&name);
            prop_assert!(!part.is_empty() && part != "." && part != "..");
            prop_assert!(!part.contains(['/', '\\', ':', '\0']), "{part}");
        }
    }
}
