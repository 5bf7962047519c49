//! One question, answered in one place: may this principal do this to that (Q3).
//!
//! Pure. What a person may not even know of is [`Refusal::Hidden`] and becomes a 404, so that the ids of another tenant
//! cannot be told from ids that do not exist; what they know of but may not do is [`Refusal::Forbidden`], a 403.

use http::Method;
use wire::ids::{OrganisationId, SiteId, UserId};
use wire::resource::Role;
use wire::tunnel::Permission;

use crate::store::Scope;
use crate::store::people::Person;

/// Who asks. Made by `identity.rs` out of a login session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Id.
    pub user_id: UserId,
    /// Login name.
    pub username: String,
    /// Role.
    pub role: Role,
    /// Tenant; none for super admins.
    pub organisation: Option<OrganisationId>,
    /// The only sites this person may see; none: all of the organisation's.
    pub sites: Option<Vec<SiteId>>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Something at a site.
    AtSite(Permission),
    /// Join an appliance to the organisation, or revoke it.
    Claim,
    /// Read the audit log.
    ReadAudit,
}

/// To what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A site of an organisation.
    Site(OrganisationId, SiteId),
    /// An organisation.
    Organisation(OrganisationId),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// To this person it does not exist.
    Hidden,
    /// It exists, but not for this.
    Forbidden,
}

impl From<Person> for Principal {
    fn from(person: Person) -> Self {
        Self {
            user_id: person.id,
            username: person.username,
            role: person.role,
            organisation: person.organisation,
            sites: person.sites,
        }
    }
}

impl Principal {
    /// Whose rows this person may see.
    pub fn scope(&self) -> Scope {
        match (self.role, self.organisation, &self.sites) {
            (Role::SuperAdmin, _, _) => Scope::Everything,
            (_, Some(organisation), None) => Scope::Organisation(organisation),
            (_, Some(organisation), Some(sites)) => Scope::Sites(organisation, sites.clone()),
            // Nobody but a super admin is without an organisation; whoever is, sees nothing.
            (_, None, _) => Scope::Nothing,
        }
    }

    /// Whether this person may do this to that.
    pub fn may(&self, action: Action, target: Target) -> Result<(), Refusal> {
        if !self.sees(target) {
            return Err(Refusal::Hidden);
        }
        let admin = matches!(self.role, Role::SuperAdmin | Role::OrgAdmin);
        let allowed = match action {
            Action::AtSite(permission) => permissions(self.role).contains(&permission),
            // These concern all sites of the organisation.
            Action::Claim | Action::ReadAudit => admin && self.sites.is_none(),
        };
        if allowed {
            Ok(())
        } else {
            Err(Refusal::Forbidden)
        }
    }

    fn sees(&self, target: Target) -> bool {
        match (self.scope(), target) {
            (Scope::Everything, _) => true,
            (Scope::Nothing, _) => false,
            (Scope::Organisation(mine), Target::Site(theirs, _) | Target::Organisation(theirs)) => {
                mine == theirs
            }
            (Scope::Sites(mine, _), Target::Organisation(theirs)) => mine == theirs,
            (Scope::Sites(mine, sites), Target::Site(theirs, site)) => {
                mine == theirs && sites.contains(&site)
            }
        }
    }
}

/// What a role may do at the sites that it sees; this is also what the relay asserts to the appliance.
pub fn permissions(role: Role) -> &'static [Permission] {
    use Permission::{Download, Manage, Operate, View};
    match role {
        Role::SuperAdmin | Role::OrgAdmin => &[View, Download, Operate, Manage],
        Role::Operator => &[View, Download, Operate],
        Role::Viewer => &[View],
        // A token has scopes of its own; the role alone gives nothing.
        Role::ApiOnly => &[],
    }
}

/// What a request needs that is passed on to an appliance under `/sites/{site}/…`; none: it is not passed on. `path` is
/// what follows the site, without a slash in front.
pub fn site_route(method: &Method, path: &str) -> Option<Permission> {
    use Permission::{Download, Manage, Operate, View};
    let mut segments = path.split('/');
    let (noun, rest) = (segments.next()?, segments.collect::<Vec<_>>());
    let plain = |s: &&str| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if !rest.iter().all(plain) {
        return None;
    }
    let (get, post, put, delete) = (
        *method == Method::GET || *method == Method::HEAD,
        *method == Method::POST,
        *method == Method::PUT,
        *method == Method::DELETE,
    );
    match (noun, rest.as_slice()) {
        ("recorders", [] | [_]) if get => Some(View),
        ("recorders", []) if post => Some(Manage),
        // A recorder's id is a UUID: none of these words is one.
        ("recorders", ["test" | "bulk" | "list" | "discover"]) if post => Some(Manage),
        ("recorders", [_]) if put || delete => Some(Manage),
        ("recorders", [_, "test" | "import"]) if post => Some(Manage),
        ("cameras", [] | [_] | [_, "status" | "retention"]) if get => Some(View),
        ("recorders", [_, "places"]) if get => Some(View),
        ("cameras", ["bulk"]) if post => Some(Manage),
        ("cameras", [_, "retention"]) if put => Some(Manage),
        ("bookmarks", []) if get => Some(View),
        ("bookmarks", []) if post => Some(Operate),
        ("bookmarks", [_]) if delete => Some(Operate),
        ("cameras", [_]) if put || delete => Some(Manage),
        ("sync", [] | [_]) if get => Some(View),
        ("sync", []) if post => Some(Operate),
        ("sync", [_]) if delete => Some(Operate),
        ("archives", [] | [_]) if get => Some(View),
        ("archives", [_, "download"]) if get => Some(Download),
        ("storage" | "system", []) | ("system", ["downloads"]) if get => Some(View),
        ("system", ["downloads"]) if put => Some(Manage),
        // A bundle itself is sent by the relay, not through it.
        ("system", ["update"]) if get => Some(View),
        ("system", ["update"]) if delete => Some(Manage),
        ("system", ["update", "install"]) if post => Some(Manage),
        ("system", ["rotate-key" | "factory-reset"]) if post => Some(Manage),
        ("system", ["support" | "doctor"]) if get => Some(Manage),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn principal(
        role: Role,
        organisation: Option<OrganisationId>,
        sites: Option<Vec<SiteId>>,
    ) -> Principal {
        Principal {
            user_id: UserId::new(),
            username: "ann".into(),
            role,
            organisation,
            sites,
        }
    }

    #[test]
    fn who_may_do_what_at_a_site_of_their_own() {
        use Permission::{Download, Manage, Operate, View};
        let (organisation, site) = (OrganisationId::new(), SiteId::new());
        let target = Target::Site(organisation, site);
        for (role, view, download, operate, manage, claim) in [
            (Role::SuperAdmin, true, true, true, true, true),
            (Role::OrgAdmin, true, true, true, true, true),
            (Role::Operator, true, true, true, false, false),
            (Role::Viewer, true, false, false, false, false),
            (Role::ApiOnly, false, false, false, false, false),
        ] {
            let organisation = (role != Role::SuperAdmin).then_some(organisation);
            let who = principal(role, organisation, None);
            for (action, allowed) in [
                (Action::AtSite(View), view),
                (Action::AtSite(Download), download),
                (Action::AtSite(Operate), operate),
                (Action::AtSite(Manage), manage),
                (Action::Claim, claim),
                (Action::ReadAudit, claim),
            ] {
                let verdict = who.may(action, target);
                let expected = if allowed {
                    Ok(())
                } else {
                    Err(Refusal::Forbidden)
                };
                assert_eq!(verdict, expected, "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn what_belongs_to_others_does_not_exist() {
        let (mine, theirs) = (OrganisationId::new(), OrganisationId::new());
        let (site, other) = (SiteId::new(), SiteId::new());
        for role in [Role::OrgAdmin, Role::Operator, Role::Viewer, Role::ApiOnly] {
            let who = principal(role, Some(mine), None);
            for target in [Target::Site(theirs, site), Target::Organisation(theirs)] {
                let verdict = who.may(Action::AtSite(Permission::View), target);
                assert_eq!(verdict, Err(Refusal::Hidden));
            }
            let narrow = principal(role, Some(mine), Some(vec![site]));
            let verdict = narrow.may(Action::AtSite(Permission::View), Target::Site(mine, other));
            assert_eq!(verdict, Err(Refusal::Hidden));
        }
        let narrow = principal(Role::OrgAdmin, Some(mine), Some(vec![site]));
        let verdict = narrow.may(Action::ReadAudit, Target::Organisation(mine));
        assert_eq!(verdict, Err(Refusal::Forbidden));
        assert_eq!(
            principal(Role::OrgAdmin, None, None).scope(),
            Scope::Nothing
        );
    }

    #[test]
    fn only_known_routes_are_passed_on() {
        let id = SiteId::new().to_string();
        for (method, path, needs) in [
            (Method::GET, "recorders".to_owned(), Some(Permission::View)),
            (Method::POST, "recorders".into(), Some(Permission::Manage)),
            (
                Method::PUT,
                format!("recorders/{id}"),
                Some(Permission::Manage),
            ),
            (
                Method::DELETE,
                format!("recorders/{id}"),
                Some(Permission::Manage),
            ),
            (
                Method::POST,
                format!("recorders/{id}/test"),
                Some(Permission::Manage),
            ),
            (Method::POST, "sync".into(), Some(Permission::Operate)),
            (Method::GET, format!("sync/{id}"), Some(Permission::View)),
            (
                Method::DELETE,
                format!("sync/{id}"),
                Some(Permission::Operate),
            ),
            (
                Method::POST,
                "recorders/bulk".into(),
                Some(Permission::Manage),
            ),
            (
                Method::POST,
                "recorders/test".into(),
                Some(Permission::Manage),
            ),
            (
                Method::POST,
                "cameras/bulk".into(),
                Some(Permission::Manage),
            ),
            (Method::POST, format!("recorders/{id}"), None),
            (
                Method::GET,
                "system/downloads".into(),
                Some(Permission::View),
            ),
            (
                Method::PUT,
                "system/downloads".into(),
                Some(Permission::Manage),
            ),
            (
                Method::POST,
                "system/rotate-key".into(),
                Some(Permission::Manage),
            ),
            (
                Method::POST,
                "system/factory-reset".into(),
                Some(Permission::Manage),
            ),
            (
                Method::GET,
                "system/support".into(),
                Some(Permission::Manage),
            ),
            (
                Method::GET,
                "system/doctor".into(),
                Some(Permission::Manage),
            ),
            (Method::POST, "system/doctor".into(), None),
            (Method::GET, "system/update".into(), Some(Permission::View)),
            (
                Method::DELETE,
                "system/update".into(),
                Some(Permission::Manage),
            ),
            (
                Method::POST,
                "system/update/install".into(),
                Some(Permission::Manage),
            ),
            (Method::POST, "system/update".into(), None),
            (Method::PUT, "system/update/bundle".into(), None),
            (Method::GET, "system/backup".into(), None),
            (Method::DELETE, "system/relay".into(), None),
            (Method::GET, "storage".into(), Some(Permission::View)),
            (Method::GET, "archives".into(), Some(Permission::View)),
            (
                Method::GET,
                format!("archives/{id}/download"),
                Some(Permission::Download),
            ),
            (Method::POST, "archives".into(), None),
            (Method::POST, format!("archives/{id}/clear"), None),
            (Method::PATCH, "recorders".into(), None),
            (Method::POST, "storage".into(), None),
            (Method::GET, "auth/me".into(), None),
            (Method::POST, "setup".into(), None),
            (Method::GET, "recordings".into(), None),
            (Method::GET, "recorders/..".into(), None),
            (Method::GET, "recorders/%2e%2e".into(), None),
            (Method::GET, "recorders/".into(), None),
            (Method::GET, String::new(), None),
        ] {
            assert_eq!(site_route(&method, &path), needs, "{method} {path}");
        }
    }

    proptest! {
        /// Nobody but a super admin may do anything outside the organisation.
        #[test]
        fn tenants_are_apart(role in 1usize..5, permission in 0usize..4, narrow: bool, same: bool) {
            let role = [Role::SuperAdmin, Role::OrgAdmin, Role::Operator, Role::Viewer, Role::ApiOnly][role];
            let permission = [Permission::View, Permission::Download, Permission::Operate, Permission::Manage][permission];
            let (mine, site) = (OrganisationId::new(), SiteId::new());
            let theirs = if same { mine } else { OrganisationId::new() };
            let who = principal(role, Some(mine), narrow.then(|| vec![site]));
            let verdict = who.may(Action::AtSite(permission), Target::Site(theirs, site));
            if !same {
                prop_assert_eq!(verdict, Err(Refusal::Hidden));
            } else {
                prop_assert_ne!(verdict, Err(Refusal::Hidden));
            }
        }
    }
}
