//! What the operator puts here: `cloud-relay update add`, `list`, `remove`. May be used beside a running relay.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use base::clock::Clock;
use ring::digest;
use wire::time::UtcTime;
use wire::update::{BUNDLE_BYTES_MAX, BundleDigest, ImageVersion};

use super::{file, folder};
use crate::store::Store;
use crate::store::updates::Bundle;

/// Read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// What is in the folder without a row, and older than this, was left by a kill.
const STRAY: Duration = Duration::from_secs(24 * 3600);

/// Puts a bundle here. Without a version it is the one in the file's name, `holdfast-<version>.raucb`.
pub async fn add(
    store: &Store,
    clock: &Clock,
    state: &Path,
    source: &Path,
    version: Option<ImageVersion>,
) -> anyhow::Result<Bundle> {
    let version = version.or_else(|| version_of(source)).with_context(|| {
        format!(
            "{} is not named holdfast-<version>.raucb: say --version",
            source.display()
        )
    })?;
    base::durable::create_dir_all(&folder(state))
        .with_context(|| format!("make {}", folder(state).display()))?;
    let part = folder(state).join(format!("{}.part", uuid::Uuid::new_v4()));
    let copied = copy(source, &part);
    let (bytes, sha256) = match copied {
        Ok(copied) => copied,
        Err(error) => {
            base::durable::remove_if_there(&part)
                .with_context(|| format!("remove {}", part.display()))?;
            return Err(error);
        }
    };
    let known = store.bundles().await?;
    let same = known
        .into_iter()
        .find(|it| it.sha256 == sha256 || it.version == version);
    if let Some(same) = same {
        base::durable::remove_if_there(&part)
            .with_context(|| format!("remove {}", part.display()))?;
        if (&same.sha256, &same.version) == (&sha256, &version) {
            return Ok(same);
        }
        bail!(
            "{} is here already with {}: a version is given once, to one file. Remove it first, or build a newer one",
            same.version,
            if same.sha256 == sha256 {
                "these bytes"
            } else {
                "other bytes"
            }
        );
    }
    let to = file(state, &sha256);
    std::fs::rename(&part, &to).with_context(|| format!("name {}", to.display()))?;
    base::durable::sync_dir(&folder(state)).context("sync the folder of updates")?;
    let new = Bundle {
        version,
        sha256,
        bytes,
        added_at: UtcTime::from(clock.now()),
    };
    ensure!(
        store.add_bundle(new.clone()).await?,
        "{} was just put here by somebody else",
        new.version
    );
    Ok(new)
}

/// Takes one away. What of it is on its way to an appliance is not sent on.
pub async fn remove(store: &Store, state: &Path, version: ImageVersion) -> anyhow::Result<()> {
    let Some(gone) = store.remove_bundle(version.clone()).await? else {
        bail!("there is no update {version} here; `cloud-relay update list` shows them");
    };
    let path = file(state, &gone.sha256);
    base::durable::remove_if_there(&path).with_context(|| format!("remove {}", path.display()))
}

/// Removes what a kill left without a row.
pub async fn sweep(store: &Store, state: &Path) -> anyhow::Result<()> {
    let known = store.bundles().await?;
    let kept: Vec<PathBuf> = known.iter().map(|it| file(state, &it.sha256)).collect();
    let entries = match std::fs::read_dir(folder(state)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("read the folder of updates"),
    };
    for entry in entries {
        let entry = entry.context("read the folder of updates")?;
        let modified = entry.metadata().and_then(|it| it.modified());
        // One that is just being put here has no row yet.
        let is_old = modified
            .ok()
            .and_then(|it| SystemTime::now().duration_since(it).ok())
            .is_some_and(|age| age > STRAY);
        if is_old && !kept.contains(&entry.path()) {
            tracing::info!(path = %entry.path().display(), "A file of an update that was left half done is removed");
            base::durable::remove_if_there(&entry.path()).context("remove a stray file")?;
        }
    }
    Ok(())
}

fn version_of(source: &Path) -> Option<ImageVersion> {
    let name = source.file_name()?.to_str()?;
    let version = name.strip_prefix("holdfast-")?.strip_suffix(".raucb")?;
    version.parse().ok()
}

/// Copies with a bound, and tells length and digest.
fn copy(source: &Path, to: &Path) -> anyhow::Result<(u64, BundleDigest)> {
    let read = || format!("read {}", source.display());
    let write = || format!("write {}", to.display());
    let mut from = File::open(source).with_context(read)?;
    let mut out = File::options()
        .write(true)
        .create_new(true)
        // Put here by root, it is the relay's own user that reads it; the folder is nobody else's.
        .mode(0o644)
        .open(to)
        .with_context(write)?;
    let (mut digest, mut bytes) = (digest::Context::new(&digest::SHA256), 0);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = from.read(&mut chunk).with_context(read)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        ensure!(
            bytes <= BUNDLE_BYTES_MAX,
            "{} has more than {BUNDLE_BYTES_MAX} bytes, which no appliance takes",
            source.display()
        );
        digest.update(&chunk[..n]);
        out.write_all(&chunk[..n]).with_context(write)?;
    }
    ensure!(bytes > 0, "{} is empty", source.display());
    out.sync_all().with_context(write)?;
    let hex = data_encoding::HEXLOWER.encode(digest.finish().as_ref());
    Ok((bytes, hex.parse().context("a digest in hex")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            Self { dir, store }
        }

        async fn add(
            &self,
            name: &str,
            bytes: &[u8],
            version: Option<&str>,
        ) -> anyhow::Result<Bundle> {
            let source = self.dir.path().join(name);
            std::fs::write(&source, bytes).unwrap();
            let version = version.map(|it| it.parse().unwrap());
            let clock = Clock::system();
            add(&self.store, &clock, self.dir.path(), &source, version).await
        }

        fn files(&self) -> usize {
            std::fs::read_dir(folder(self.dir.path())).unwrap().count()
        }
    }

    #[tokio::test]
    async fn put_here_listed_and_taken_away() {
        let it = Place::new();
        let named = "holdfast-0.1.0+20261103.raucb";
        let first = it.add(named, b"first", None).await.unwrap();
        assert_eq!(first.version.to_string(), "0.1.0+20261103");
        assert_eq!(first.sha256.to_string(), base::token::sha256_hex(b"first"));
        assert!(it.add("bundle", b"second", None).await.is_err());
        let newer = Some("0.1.0+20261104");
        let second = it.add("bundle", b"second", newer).await.unwrap();
        // The same once more is nothing new; other bytes under a version that is there are refused.
        let again = it.add("bundle", b"second", newer).await.unwrap();
        assert_eq!(again.sha256, second.sha256);
        let other = Some("0.1.0+20261105");
        assert!(it.add("bundle", b"second", other).await.is_err());
        assert!(it.add("bundle", b"third", newer).await.is_err());
        assert!(it.add("bundle", b"", other).await.is_err());
        let versions: Vec<String> = it
            .store
            .bundles()
            .await
            .unwrap()
            .iter()
            .map(|it| it.version.to_string())
            .collect();
        assert_eq!(versions, ["0.1.0+20261104", "0.1.0+20261103"]);
        assert_eq!(it.files(), 2);
        let folder = it.dir.path();
        remove(&it.store, folder, first.version.clone())
            .await
            .unwrap();
        assert!(remove(&it.store, folder, first.version).await.is_err());
        assert_eq!(
            (it.store.bundles().await.unwrap().len(), it.files()),
            (1, 1)
        );
    }

    #[tokio::test]
    async fn what_a_kill_left_is_swept_after_a_day() {
        let it = Place::new();
        it.add("holdfast-0.1.0.raucb", b"first", None)
            .await
            .unwrap();
        let stray = folder(it.dir.path()).join("x.part");
        std::fs::write(&stray, b"half").unwrap();
        sweep(&it.store, it.dir.path()).await.unwrap();
        assert_eq!(it.files(), 2);
        for entry in std::fs::read_dir(folder(it.dir.path())).unwrap() {
            let file = File::options().write(true).open(entry.unwrap().path());
            file.unwrap()
                .set_modified(SystemTime::now() - 2 * STRAY)
                .unwrap();
        }
        sweep(&it.store, it.dir.path()).await.unwrap();
        assert_eq!(it.files(), 1);
        assert!(!stray.exists());
    }
}
