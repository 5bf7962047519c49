//! Organisations and their people, as the relay's operator sets them up. The first start makes one of each.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base::clock::Clock;
use wire::ids::{OrganisationId, UserId};
use wire::resource::Role;
use wire::time::UtcTime;

use crate::store::Store;
use crate::store::organisations::Organisation;
use crate::store::people::{Added, Person};

/// Login name of the first admin.
pub const FIRST_ADMIN: &str = "admin";

/// Name of the first organisation.
const FIRST_ORGANISATION: &str = "My organisation";

/// Longest login name.
const USERNAME_CHARS_MAX: usize = 254;

/// Where the first admin's password lies until it is changed. Only this path is ever logged.
pub fn first_password_file(state: &Path) -> PathBuf {
    state.join("first-admin-password")
}

/// Makes the first organisation and its admin if nobody is there. The password goes to a file that only the relay's
/// own user can read, and must be changed at the first login.
pub async fn first_start(store: &Store, clock: &Clock, state: &Path) -> anyhow::Result<()> {
    if store.has_people().await? {
        return Ok(());
    }
    let path = first_password_file(state);
    let password = random_password();
    // The file first: a password without a row is written anew at the next start, a row without a file is a locked door.
    base::durable::replace(&path, format!("{password}\n").as_bytes(), 0o600)
        .with_context(|| format!("write {}", path.display()))?;
    let organisation = Organisation {
        id: OrganisationId::new(),
        name: FIRST_ORGANISATION.into(),
    };
    let admin = Person {
        id: UserId::new(),
        organisation: Some(organisation.id),
        username: FIRST_ADMIN.into(),
        role: Role::OrgAdmin,
        must_change_password: true,
        sites: None,
    };
    let hash = hash(password).await?;
    store
        .add_first(organisation, admin, hash, UtcTime::from(clock.now()))
        .await?;
    tracing::info!(
        path = %path.display(),
        "The first admin was made: log in as \"{FIRST_ADMIN}\" with the password in this file"
    );
    Ok(())
}

/// A person to add, as the operator describes them on the command line.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Login name.
    pub username: String,
    /// Role.
    pub role: Role,
    /// Name of the organisation, which is made if it is not there; none for super admins.
    pub organisation: Option<String>,
}

/// Adds a person and gives the password to tell them; it must be changed at the first login.
pub async fn add_person(store: &Store, clock: &Clock, new: NewPerson) -> anyhow::Result<String> {
    let username = new.username.trim();
    let length = username.chars().count();
    if length == 0 || length > USERNAME_CHARS_MAX || username.chars().any(char::is_control) {
        bail!("a login name has 1 to {USERNAME_CHARS_MAX} characters");
    }
    let now = UtcTime::from(clock.now());
    let organisation = match (new.role, new.organisation) {
        (Role::ApiOnly, _) => bail!("api_only is a role of tokens, not of people"),
        (Role::SuperAdmin, Some(_)) => bail!("a super admin belongs to no organisation"),
        (Role::SuperAdmin, None) => None,
        (_, None) => bail!("name the organisation that the person belongs to"),
        (_, Some(name)) => Some(organisation_named(store, &name, now).await?),
    };
    let password = random_password();
    let person = Person {
        id: UserId::new(),
        organisation,
        username: username.to_owned(),
        role: new.role,
        must_change_password: true,
        sites: None,
    };
    let hash = hash(password.clone()).await?;
    match store.add_person(person, hash, now).await? {
        Added::Added => Ok(password),
        Added::NameTaken => bail!("somebody has the login name {username:?} already"),
    }
}

async fn organisation_named(
    store: &Store,
    name: &str,
    now: UtcTime,
) -> anyhow::Result<OrganisationId> {
    let name = name.trim();
    if name.is_empty() {
        bail!("the name of an organisation must not be empty");
    }
    let known = store.organisations().await?;
    if let Some(organisation) = known.into_iter().find(|o| o.name == name) {
        return Ok(organisation.id);
    }
    let organisation = Organisation {
        id: OrganisationId::new(),
        name: name.to_owned(),
    };
    let id = organisation.id;
    store.add_organisation(organisation, now).await?;
    Ok(id)
}

/// 80 random bits that a person can type: `abcd-efgh-ijkl-mnop`.
fn random_password() -> String {
    let text = data_encoding::BASE32_NOPAD
        .encode(&base::token::random::<10>())
        .to_lowercase();
    let groups: Vec<&str> = (0..4).map(|i| &text[4 * i..4 * i + 4]).collect();
    groups.join("-")
}

async fn hash(password: String) -> anyhow::Result<String> {
    tokio::task::spawn_blocking(move || base::password::hash(&password))
        .await
        .context("hash a password")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn clock() -> Clock {
        Clock::simulated("2026-11-03T14:00:00Z".parse().unwrap())
    }

    #[tokio::test]
    async fn the_first_start_makes_one_admin_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        first_start(&store, &clock(), dir.path()).await.unwrap();
        let path = first_password_file(dir.path());
        let password = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let known = store.credentials("ADMIN".into()).await.unwrap().unwrap();
        assert!(known.person.must_change_password);
        assert!(base::password::verify(
            password.trim(),
            &known.password_hash
        ));
        first_start(&store, &clock(), dir.path()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), password);
    }

    #[tokio::test]
    async fn people_are_added_to_organisations_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let new = |username: &str, role, organisation: Option<&str>| NewPerson {
            username: username.into(),
            role,
            organisation: organisation.map(String::from),
        };
        let add = async |new| add_person(&store, &clock(), new).await;
        add(new("ann@a", Role::OrgAdmin, Some("A"))).await.unwrap();
        add(new("bob@a", Role::Viewer, Some("A"))).await.unwrap();
        add(new("root", Role::SuperAdmin, None)).await.unwrap();
        assert_eq!(store.organisations().await.unwrap().len(), 1);
        for bad in [
            new("Ann@A", Role::Viewer, Some("A")),
            new("", Role::Viewer, Some("A")),
            new("carl", Role::Viewer, None),
            new("carl", Role::SuperAdmin, Some("A")),
            new("carl", Role::ApiOnly, Some("A")),
        ] {
            assert!(add(bad.clone()).await.is_err(), "{bad:?}");
        }
    }
}
