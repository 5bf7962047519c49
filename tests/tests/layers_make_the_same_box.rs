//! The Yocto layers build what the image is: what they say again is held here to where it stands first, and what they do
//! not build themselves they take from there.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

const AGENT: &str = "yocto/meta-holdfast/recipes-holdfast/holdfast-agent/holdfast-agent_0.1.0.bb";
const APPLIANCE: &str =
    "yocto/meta-holdfast/recipes-holdfast/holdfast-appliance/holdfast-appliance_0.1.0.bb";
const BUNDLE: &str = "yocto/meta-holdfast/recipes-core/bundles/holdfast-bundle_1.0.bb";
const CRATES: &str =
    "yocto/meta-holdfast/recipes-holdfast/holdfast-agent/holdfast-agent-crates.inc";
const ESP: &str = "yocto/meta-holdfast-bsp/recipes-bsp/holdfast-esp/holdfast-esp_1.0.bb";
const KERNEL: &str = "yocto/meta-holdfast-bsp/recipes-kernel/linux/files/holdfast.cfg";
const WKS: &str = "yocto/meta-holdfast-bsp/files/wic/holdfast.wks.in";

/// What no commit holds: the pages that `make ui` builds, and whose updates a box trusts.
const MADE_BEFORE: [&str; 2] = ["web-ui/dist/agent", "keyring.pem"];

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: impl AsRef<Path>) -> String {
    let path = tree().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file and link below a folder, as paths from the tree.
fn below(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(tree().join(&folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.as_ref().join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The recipes of both layers, those that add to another's among them.
fn recipes() -> Vec<PathBuf> {
    let mut found = below("yocto");
    found.retain(|path| {
        path.extension()
            .is_some_and(|e| e == "bb" || e == "bbappend")
    });
    assert!(found.len() >= 9, "recipes are missing: {found:?}");
    found
}

/// The paths of `file://` in a recipe.
fn named_files(recipe: &str) -> BTreeSet<&str> {
    recipe
        .split("file://")
        .skip(1)
        .map(|rest| rest.split([';', '"', ' ', '\n']).next().unwrap())
        .collect()
}

/// The words that a variable of a recipe is set to, over continued lines.
fn variable(recipe: &str, name: &str) -> Vec<String> {
    let (_, rest) = recipe
        .split_once(&format!("\n{name} = \""))
        .unwrap_or_else(|| panic!("{name} is not set"));
    let value = rest.split_once('"').unwrap().0.replace('\\', " ");
    value.split_whitespace().map(str::to_owned).collect()
}

/// What follows a word, up to the end of the word after it.
fn after<'a>(text: &'a str, word: &str) -> &'a str {
    let rest = text
        .split_once(word)
        .unwrap_or_else(|| panic!("no `{word}` in: {text}"))
        .1;
    rest.split([' ', ',', '\n', '"']).next().unwrap()
}

#[test]
fn the_crates_are_those_of_the_lock() {
    let lock: toml::Table = text("Cargo.lock").parse().unwrap();
    let mut locked = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let is = |field: &str| package.get(field).map(|v| v.as_str().unwrap().to_owned());
        if let Some(source) = is("source") {
            assert_eq!(
                source,
                "registry+https://github.com/rust-lang/crates.io-index"
            );
            locked.insert(
                (is("name").unwrap(), is("version").unwrap()),
                is("checksum"),
            );
        }
    }

    let list = text(CRATES);
    let mut fetched: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    for line in list.lines() {
        if let Some(rest) = line.trim().strip_prefix("crate://crates.io/") {
            let (name, version) = rest.trim_end_matches(" \\").split_once('/').unwrap();
            let checksum = format!("SRC_URI[{name}-{version}.sha256sum] = \"");
            let checksum = list
                .split_once(&checksum)
                .map(|(_, rest)| rest.split_once('"').unwrap().0.to_owned());
            let again = fetched.insert((name.to_owned(), version.to_owned()), checksum);
            assert!(again.is_none(), "{name} {version} is fetched twice");
        }
    }
    assert!(
        fetched == locked,
        "the list of crates is not that of Cargo.lock: run `make yocto-crates`"
    );
    assert_eq!(
        list.matches(".sha256sum]").count(),
        locked.len(),
        "checksums"
    );
}

#[test]
fn what_a_recipe_names_is_there() {
    let licence: String = Md5::digest(text("LICENSE"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for path in recipes() {
        let recipe = text(&path);
        for file in named_files(&recipe) {
            let found = [path.parent().unwrap().join("files"), PathBuf::new()]
                .iter()
                .any(|folder| tree().join(folder).join(file).exists());
            assert!(
                found || MADE_BEFORE.contains(&file),
                "{}: nothing is at {file}",
                path.display()
            );
        }
        for md5 in recipe.split("file://LICENSE;md5=").skip(1) {
            assert_eq!(
                md5.split('"').next().unwrap(),
                licence,
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_of_the_image_is_left_out() {
    let all: Vec<String> = recipes().iter().map(text).collect();
    let fetched: BTreeSet<&str> = all.iter().flat_map(|recipe| named_files(recipe)).collect();
    let base_files = text("yocto/meta-holdfast/recipes-core/base-files/base-files_%.bbappend");
    assert!(base_files.contains("${HOLDFAST_TREE}/image/root/etc:"));
    for path in ["image/root", "image/grub", "systemd"]
        .iter()
        .flat_map(below)
    {
        let told = path.to_str().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        // base-files takes two from there; the memory disk is of Debian's making, its modules are built in (below).
        let elsewhere = ["image/root/etc/fstab", "image/root/etc/hosts"].contains(&told)
            || told.starts_with("image/root/etc/initramfs-tools/");
        let taken = if elsewhere {
            true
        } else if tree().join(&path).is_symlink() {
            let mask = format!("ln -s /dev/null ${{D}}${{sysconfdir}}/systemd/system/{name}\n");
            text(APPLIANCE).contains(&mask)
        } else if told.starts_with("systemd/") {
            // Fetched whole; the relay is for another machine.
            name.contains("holdfast-relay") || all.iter().any(|r| r.contains(&format!("/{told}")))
        } else {
            path.ancestors()
                .any(|p| fetched.contains(p.to_str().unwrap()))
        };
        assert!(taken, "no recipe installs {told}");
    }
}

#[test]
fn disks_are_cut_alike() {
    let mut start_mib = 1;
    let mut ours = Vec::new();
    let sfdisk = text("image/disk.sfdisk");
    for line in sfdisk.lines().filter(|l| l.starts_with("start=")) {
        assert_eq!(
            after(line, "start="),
            format!("{start_mib}MiB"),
            "wic puts one behind the other"
        );
        let size = after(line, "size=").trim_end_matches("MiB");
        let size_mib: u32 = size.parse().unwrap();
        start_mib += size_mib;
        ours.push([
            after(line, "name=").to_owned(),
            format!("{size_mib}M"),
            after(line, "type=").to_owned(),
            after(line, "uuid=").to_owned(),
        ]);
    }
    let wks = text(WKS);
    let theirs: Vec<_> = wks
        .lines()
        .filter(|l| l.starts_with("part "))
        .map(|line| {
            assert_eq!(after(line, "--align "), "1024");
            ["--part-name ", "--fixed-size ", "--part-type ", "--uuid "]
                .map(|option| after(line, option).to_owned())
        })
        .collect();
    assert_eq!(theirs, ours);
    assert_eq!(after(&wks, "--diskid "), after(&sfdisk, "label-id: "));
}

#[test]
fn slots_updates_and_grub_are_the_images() {
    let build = text("image/build.sh");
    let bundle = text(BUNDLE);
    let system = text("image/root/etc/rauc/system.conf");
    assert_eq!(
        variable(&bundle, "RAUC_BUNDLE_COMPATIBLE"),
        [after(&build, "compatible=")]
    );
    assert_eq!(after(&system, "compatible="), after(&build, "compatible="));
    assert_eq!(
        variable(&bundle, "RAUC_BUNDLE_FORMAT"),
        [after(&build, "\tformat=")]
    );
    for slot in variable(&bundle, "RAUC_BUNDLE_SLOTS") {
        let (_, section) = build.split_once(&format!("[image.{slot}]")).unwrap();
        let renamed = variable(&bundle, &format!("RAUC_SLOT_{slot}[rename]"));
        assert_eq!(renamed, [after(section, "filename=")]);
        assert!(system.contains(&format!("[slot.{slot}.0]")));
    }
    assert_eq!(build.matches("[image.").count(), 2);

    // One line of GRUB's modules, one of its variables, one of the file system's id.
    let esp = text(ESP);
    for shared in [
        "part_gpt fat ",
        "set ORDER=",
        "mkfs.vfat -F 32 -n ESP -i 401DFA57",
    ] {
        let line = |text: &str| {
            let found = text
                .lines()
                .find(|l| l.contains(shared))
                .unwrap()
                .to_owned();
            let from = found.find(shared).unwrap();
            let until = if shared.starts_with("mkfs") {
                from + shared.len()
            } else {
                found.len()
            };
            found[from..until].to_owned()
        };
        assert_eq!(line(&esp), line(&build));
    }
}

#[test]
fn units_and_users_are_the_images() {
    let finish = text("image/finish.sh").replace("\\\n", " ");
    let enabled = finish
        .lines()
        .find(|l| l.starts_with("systemctl enable"))
        .unwrap();
    let enabled: BTreeSet<String> = enabled
        .split_whitespace()
        .filter(|word| word.starts_with("holdfast-"))
        .map(
            |word| match word.ends_with(".path") || word.ends_with(".timer") {
                true => word.to_owned(),
                false => format!("{word}.service"),
            },
        )
        .collect();
    let mut theirs = variable(&text(APPLIANCE), "SYSTEMD_SERVICE:${PN}");
    theirs.extend(variable(&text(AGENT), "SYSTEMD_SERVICE:${PN}"));
    assert_eq!(theirs.into_iter().collect::<BTreeSet<_>>(), enabled);

    let users = text(AGENT);
    for line in text("systemd/sysusers.d/holdfast.conf").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "u" {
            let (name, id, home) = (words[1], words[2], words.last().unwrap());
            assert!(
                users.contains(&format!("--gid {id} {name}")),
                "group of: {line}"
            );
            let home = home.replace("/var/", "${localstatedir}/");
            assert!(
                users.contains(&format!("--uid {id} --gid {name} ")),
                "number of: {line}"
            );
            assert!(
                users.contains(&format!("--home-dir {home} ")),
                "folder of: {line}"
            );
        } else if words[0] == "m" {
            assert!(
                users.contains(&format!("--gid {} --groups {} ", words[1], words[2])),
                "{line}"
            );
        }
    }
}

#[test]
fn what_the_root_is_found_with_is_in_the_kernel() {
    let kernel = text(KERNEL);
    for module in text("image/root/etc/initramfs-tools/modules").lines() {
        let told = format!("\n# {module}\nCONFIG_");
        assert!(kernel.contains(&told), "{module} is not built in");
        let (_, options) = kernel.split_once(&format!("\n# {module}\n")).unwrap();
        let own = options.lines().take_while(|l| l.starts_with("CONFIG_"));
        assert!(
            own.clone().all(|l| l.ends_with("=y")),
            "{module} is a module"
        );
    }
}

#[test]
fn versions_and_licences_are_the_workspaces() {
    let workspace: toml::Table = text("Cargo.toml").parse().unwrap();
    let version = workspace["workspace"]["package"]["version"]
        .as_str()
        .unwrap();
    for recipe in [AGENT, APPLIANCE] {
        assert!(recipe.ends_with(&format!("_{version}.bb")), "{recipe}");
    }
    let distro = text("yocto/meta-holdfast/conf/distro/holdfast.conf");
    assert_eq!(variable(&distro, "DISTRO_VERSION"), [version]);

    let deny: toml::Table = text("deny.toml").parse().unwrap();
    let allowed: BTreeSet<String> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|licence| licence.as_str().unwrap().replace(" WITH ", "-with-"))
        .collect();
    let told = variable(&text(AGENT), "LICENSE");
    assert_eq!(
        told.into_iter()
            .filter(|word| word != "&")
            .collect::<BTreeSet<_>>(),
        allowed
    );
}

/// Of every layer that comes from elsewhere the lock names one commit.
#[test]
fn what_kas_fetches_is_locked() {
    for file in below("yocto/kas") {
        let name = file.to_str().unwrap();
        let Some(stem) = name
            .strip_suffix(".yml")
            .filter(|stem| !stem.ends_with(".lock"))
        else {
            continue;
        };
        let lock = text(format!("{stem}.lock.yml"));
        let (_, repositories) = text(&file)
            .split_once("\nrepos:\n")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let mut named = "";
        for line in repositories.lines() {
            match line.strip_prefix("  ") {
                Some(key) if !key.starts_with(' ') => named = key.trim_end_matches(':'),
                Some(key) if key.starts_with("  url:") => {
                    let commit = lock.split_once(&format!("    {named}:\n      commit: "));
                    let commit = commit
                        .unwrap_or_else(|| panic!("{name}: {named} is not locked"))
                        .1;
                    let commit = commit.lines().next().unwrap();
                    assert!(
                        commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()),
                        "{named}"
                    );
                }
                _ => {}
            }
        }
    }
}
