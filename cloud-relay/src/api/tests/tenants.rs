//! Organisations are strictly apart: what belongs to another one cannot be told from what does not exist.

use super::*;
use crate::changes::{Change, Presence, What};
use crate::store::testing::{TestSite, a_recording, dawn};
use proptest::prelude::*;
use serde_json::json as value;
use std::time::Duration;
use wire::ids::{CameraId, RecordingId};

/// Everything of one organisation.
struct Tenant {
    organisation: OrganisationId,
    sites: Vec<TestSite>,
    cameras: Vec<CameraId>,
    recordings: Vec<RecordingId>,
}

impl Tenant {
    async fn plant(world: &World, name: &str, sites: usize, each: usize) -> Self {
        let mut tenant = Self {
            organisation: world.store.plant_organisation(name).await,
            sites: Vec::new(),
            cameras: Vec::new(),
            recordings: Vec::new(),
        };
        for n in 0..sites {
            let site = world
                .store
                .plant_site(tenant.organisation, &format!("Site {n}"))
                .await;
            for c in 0..each {
                let camera = world
                    .store
                    .plant_camera(&site, &format!("Camera {c}"))
                    .await;
                tenant.cameras.push(camera);
                let start = dawn().plus_s(60 * c as i64);
                let recordings = vec![
                    a_recording(camera, start, 60),
                    a_recording(camera, start, 30),
                ];
                tenant.recordings.extend(recordings.iter().map(|it| it.id));
                world.store.plant_recordings(&site, recordings).await;
            }
            tenant.sites.push(site);
        }
        tenant
    }

    /// Every id that only this tenant may see.
    fn ids(&self) -> Vec<String> {
        let mut ids = vec![self.organisation.to_string()];
        ids.extend(self.sites.iter().map(|it| it.site.to_string()));
        ids.extend(self.sites.iter().map(|it| it.appliance.to_string()));
        ids.extend(self.cameras.iter().map(ToString::to_string));
        ids.extend(self.recordings.iter().map(ToString::to_string));
        ids
    }

    /// Fills the parameters of a route with this tenant's things.
    fn fill(&self, path: &str, name: &str) -> String {
        match (path, name) {
            (_, "site") => self.sites[0].site.to_string(),
            (_, "camera") => self.cameras[0].to_string(),
            (path, "id") if path.contains("/cameras/") => self.cameras[0].to_string(),
            (path, "id") if path.contains("/appliances/") => self.sites[0].appliance.to_string(),
            (path, "id") if path.contains("/recordings/") => self.recordings[0].to_string(),
            _ => nothing(path, name),
        }
    }
}

const LISTS: [&str; 5] = [
    "/api/v1/sites",
    "/api/v1/appliances",
    "/api/v1/cameras",
    "/api/v1/recordings",
    "/api/v1/audit",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn nothing_of_another_organisation_leaks_by_any_route(
        mine in (1usize..3, 1usize..3), theirs in (1usize..3, 1usize..3), role in 0usize..3, limit in 1u32..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mine = Tenant::plant(&world, "Mine", mine.0, mine.1).await;
            let theirs = Tenant::plant(&world, "Theirs", theirs.0, theirs.1).await;
            let role = [Role::OrgAdmin, Role::Operator, Role::Viewer][role];
            let me = world.person(role, Some(mine.organisation), None).await;
            let other = world.person(Role::OrgAdmin, Some(theirs.organisation), None).await;
            world.post(&other, "/api/v1/auth/logout", value!(null)).await;
            for list in LISTS {
                if list.ends_with("/audit") && role != Role::OrgAdmin {
                    continue;
                }
                let items = value!(world.items(&me, list, limit).await).to_string();
                for id in theirs.ids() {
                    prop_assert!(!items.contains(&id), "{} in {}", id, list);
                }
            }
            let count = async |list: &str| world.items(&me, list, limit).await.len();
            prop_assert_eq!(count("/api/v1/sites").await, mine.sites.len());
            prop_assert_eq!(count("/api/v1/cameras").await, mine.cameras.len());
            prop_assert_eq!(count("/api/v1/recordings").await, mine.recordings.len());
            // Asked for by id: as if it did not exist.
            let foreign = routes(|path, name| theirs.fill(path, name));
            let absent = routes(nothing);
            for ((method, path, _), (_, nowhere, _)) in foreign.into_iter().zip(absent) {
                if path == nowhere {
                    continue;
                }
                let ask = async |path: &str| {
                    world.ask(me.request(method.clone(), path, json(&value!({"locked": true})))).await
                };
                let (answer, none) = (ask(&path).await, ask(&nowhere).await);
                prop_assert_eq!(answer.status, 404, "{} {}", method, path);
                prop_assert_eq!(answer.code(), none.code());
                let message = |it: &Answer| it.json()["error"]["message"].clone();
                prop_assert_eq!(message(&answer), message(&none));
            }
            // Filters do not reach across.
            for query in [
                format!("recordings?camera={}", theirs.cameras[0]),
                format!("recordings?site={}", theirs.sites[0].site),
                format!("cameras?site={}", theirs.sites[0].site),
            ] {
                let page = world.get(&me, &format!("/api/v1/{query}")).await.json();
                prop_assert_eq!(&page["items"], &value!([]));
            }
            let claim = value!({"code": "ABCD-1234", "site_name": "N", "organisation_id": theirs.organisation});
            let claim = world.post(&me, "/api/v1/appliances/claim", claim).await;
            prop_assert_eq!(claim.code(), ErrorCode::NotFound);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn some_sites_of_an_organisation_are_all_that_some_people_see() {
    let world = World::new().await;
    let tenant = Tenant::plant(&world, "A", 2, 2).await;
    let sites = vec![tenant.sites[0].site];
    let narrow = world
        .person(Role::OrgAdmin, Some(tenant.organisation), Some(sites))
        .await;
    let count = async |list: &str| world.items(&narrow, list, 3).await.len();
    assert_eq!(count("/api/v1/sites").await, 1);
    assert_eq!(count("/api/v1/appliances").await, 1);
    assert_eq!(count("/api/v1/cameras").await, 2);
    assert_eq!(count("/api/v1/recordings").await, 4);
    let other = format!("/api/v1/recordings/{}", tenant.recordings[7]);
    let hidden = world.get(&narrow, &other).await;
    assert_eq!(hidden.code(), ErrorCode::RecordingNotFound);
    let audit = world.get(&narrow, "/api/v1/audit").await;
    assert_eq!(audit.code(), ErrorCode::AuthInsufficientPermissions);
    let nobody = world
        .person(Role::Viewer, Some(tenant.organisation), Some(Vec::new()))
        .await;
    assert_eq!(world.items(&nobody, "/api/v1/recordings", 3).await.len(), 0);
    let everybody = world.person(Role::SuperAdmin, None, None).await;
    assert_eq!(
        world.items(&everybody, "/api/v1/recordings", 3).await.len(),
        8
    );
    assert_eq!(world.items(&everybody, "/api/v1/cameras", 3).await.len(), 4);
}

#[tokio::test]
async fn what_a_role_may_not_do_is_forbidden() {
    let world = World::new().await;
    let tenant = Tenant::plant(&world, "A", 1, 1).await;
    let recording = tenant.recordings[0];
    let site = tenant.sites[0].site;
    let organisation = Some(tenant.organisation);
    let viewer = world.person(Role::Viewer, organisation, None).await;
    let operator = world.person(Role::Operator, organisation, None).await;
    let ask = async |who: &Caller, method: Method, path: String, body: Value| {
        world
            .ask(who.request(method, &path, json(&body)))
            .await
            .code()
    };
    let forbidden = ErrorCode::AuthInsufficientPermissions;
    let locked = value!({ "locked": true });
    let lock = format!("/api/v1/recordings/{recording}/lock");
    let download = format!("/api/v1/recordings/{recording}/download");
    let one = format!("/api/v1/recordings/{recording}");
    let recorders = format!("/api/v1/sites/{site}/recorders");
    let sync = format!("/api/v1/sites/{site}/sync");
    let claim = value!({"code": "ABCD-1234", "site_name": "N"});
    let claims = "/api/v1/appliances/claim".to_owned();
    // Whoever may gets as far as the tunnel, which is not there.
    let (may, offline) = (ErrorCode::SiteOffline, value!(null));
    assert_eq!(
        ask(&viewer, Method::POST, lock.clone(), locked.clone()).await,
        forbidden
    );
    assert_eq!(ask(&operator, Method::POST, lock, locked).await, may);
    assert_eq!(
        ask(&viewer, Method::GET, download.clone(), offline.clone()).await,
        forbidden
    );
    assert_eq!(
        ask(&operator, Method::GET, download, offline.clone()).await,
        may
    );
    assert_eq!(
        ask(&operator, Method::DELETE, one, offline.clone()).await,
        forbidden
    );
    assert_eq!(
        ask(&viewer, Method::POST, sync.clone(), offline.clone()).await,
        forbidden
    );
    assert_eq!(
        ask(&operator, Method::POST, sync, offline.clone()).await,
        may
    );
    assert_eq!(
        ask(&operator, Method::POST, recorders.clone(), offline.clone()).await,
        forbidden
    );
    assert_eq!(
        ask(&viewer, Method::GET, recorders, offline.clone()).await,
        may
    );
    assert_eq!(ask(&operator, Method::POST, claims, claim).await, forbidden);
    let revoke = format!("/api/v1/appliances/{}/revoke", tenant.sites[0].appliance);
    assert_eq!(
        ask(&operator, Method::POST, revoke, offline.clone()).await,
        forbidden
    );
    assert_eq!(
        ask(&operator, Method::GET, "/api/v1/audit".into(), offline).await,
        forbidden
    );
}

#[tokio::test]
async fn changes_are_told_to_their_own_people_only() {
    let world = World::new().await;
    let mine = Tenant::plant(&world, "A", 1, 0).await;
    let theirs = Tenant::plant(&world, "B", 1, 0).await;
    let me = world
        .person(Role::Viewer, Some(mine.organisation), None)
        .await;
    let request = me.request(Method::GET, "/api/v1/events", Body::empty());
    let response = world.send(request).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    for site in [&theirs.sites[0], &mine.sites[0]] {
        world.app.changes.tell(Change {
            organisation: site.organisation,
            site: site.site,
            appliance: site.appliance.clone(),
            what: What::Presence(Presence::Online { online: true }),
        });
    }
    let mut body = response.into_body();
    let mut told = String::new();
    while !told.contains("data:") {
        let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await;
        let frame = frame.unwrap().unwrap().unwrap();
        told.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(told.contains("event: changed"), "{told}");
    assert!(told.contains("\"kind\":\"site\""), "{told}");
    assert!(told.contains(&mine.sites[0].site.to_string()), "{told}");
    assert!(!told.contains(&theirs.sites[0].site.to_string()), "{told}");
}
