//! `volumes.d/`: one volume a file, beside those of `agent.toml`. What sets up a disk adds a file and touches nobody else's.

use std::io;
use std::path::{Path, PathBuf};

use super::{ConfigError, at_line};
use crate::footage::volume::VolumeConfig;

/// Most files.
const FILES_MAX: usize = 64;
/// Longest of them.
const BYTES_MAX: u64 = 16 * 1024;

/// A volume, and the file that it stands in.
#[derive(Debug)]
pub struct FromFile {
    path: PathBuf,
    volume: VolumeConfig,
}

/// Reads the `*.toml` of a folder in the order of their names. A folder that is not there holds none.
pub fn read(folder: &Path) -> Result<Vec<FromFile>, ConfigError> {
    let wrong = |source| ConfigError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(wrong)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    if paths.len() > FILES_MAX {
        return Err(ConfigError::TooMany {
            path: folder.to_owned(),
            count: paths.len(),
            max: FILES_MAX,
        });
    }
    paths.sort();
    paths.into_iter().map(read_one).collect()
}

fn read_one(path: PathBuf) -> Result<FromFile, ConfigError> {
    let text = match text(&path) {
        Ok(text) => text,
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    let volume = toml::from_str(&text).map_err(|error| at_line(&path, &text, &error))?;
    Ok(FromFile { path, volume })
}

fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(base::untrusted::read(path, BYTES_MAX)?).map_err(io::Error::other)
}

/// Adds them to those of `agent.toml`.
pub fn add(volumes: &mut Vec<VolumeConfig>, more: Vec<FromFile>) -> Result<(), ConfigError> {
    for FromFile { path, volume } in more {
        let message = if volumes.iter().any(|other| other.name == volume.name) {
            format!(
                "name = {:?} is the name of another volume too, and every volume needs one of its own",
                volume.name
            )
        } else if let Some(other) = volumes.iter().find(|other| other.path == volume.path) {
            format!(
                "path = {:?} is that of the volume {:?} too",
                volume.path, other.name
            )
        } else if !volume.path.is_absolute() {
            format!(
                "path = {:?}: give the whole path, beginning with /",
                volume.path
            )
        } else {
            volumes.push(volume);
            continue;
        };
        return Err(ConfigError::Value { path, message });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    /// A settings file with files beside it.
    fn load(agent: &str, files: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, agent).unwrap();
        std::fs::create_dir(dir.path().join("volumes.d")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join("volumes.d").join(name), text).unwrap();
        }
        let place = dir.path().display().to_string();
        Config::load(Some(&file)).map_err(|error| error.to_string().replace(&place, "@"))
    }

    fn names(config: &Config) -> Vec<&str> {
        let volumes = config.volume.iter();
        volumes.map(|volume| volume.name.as_str()).collect()
    }

    #[test]
    fn volumes_of_files_come_after_those_of_the_settings() {
        let files = [
            ("b.toml", "name = \"b\"\npath = \"/mnt/b/footage\""),
            (
                "a.toml",
                "name = \"a\"\npath = \"/mnt/a/footage\"\nmounted = true\ntier = \"cold\"",
            ),
            ("a.toml.old", "nothing of ours"),
            (".new.toml", "half a fi"),
        ];
        let config = load("", &files).unwrap();
        assert_eq!(names(&config), ["main", "a", "b"]);
        assert_eq!(config.volume[1].mounted, Some(true));
        // A tier of a file counts for a volume of the settings.
        let named = "[[volume]]\nname = \"first\"\npath = \"/srv/footage\"\nmove_after_days = 3\n";
        assert_eq!(names(&load(named, &files).unwrap()), ["first", "a", "b"]);
        assert_eq!(names(&load("", &[]).unwrap()), ["main"]);
    }

    #[test]
    fn what_cannot_work_is_told_with_its_file() {
        let long = format!("# {}\n", "x".repeat(BYTES_MAX as usize));
        for (text, said) in [
            (
                "name = \"a\"\npaht = \"/x\"",
                "@/volumes.d/a.toml, line 2: unknown field `paht`",
            ),
            ("name = \"a\"", "@/volumes.d/a.toml, line 1: missing field"),
            (
                "name = \"main\"\npath = \"/x\"",
                "@/volumes.d/a.toml: name = \"main\" is the name of another volume",
            ),
            (
                "name = \"a\"\npath = \"x\"",
                "@/volumes.d/a.toml: path = \"x\": give the whole path",
            ),
            (
                "name = \"a\"\npath = \"/var/lib/holdfast/footage\"",
                "that of the volume \"main\" too",
            ),
            (&long, "@/volumes.d/a.toml: it is longer than 16384 bytes"),
        ] {
            let message = load("", &[("a.toml", text)]).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
        let many: Vec<_> = (0..=FILES_MAX).map(|i| (format!("{i}.toml"), "")).collect();
        let many: Vec<_> = many
            .iter()
            .map(|(name, text)| (name.as_str(), *text))
            .collect();
        let message = load("", &many).unwrap_err();
        assert!(message.contains("@/volumes.d: 65 files"), "{message}");
    }

    #[test]
    fn a_text_alone_has_no_further_volumes() {
        let config = Config::parse(Path::new("/etc/holdfast/agent.toml"), "").unwrap();
        assert_eq!(names(&config), ["main"]);
    }
}
