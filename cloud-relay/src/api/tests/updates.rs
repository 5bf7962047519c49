//! Updates of sites: who sees and sends what.

use serde_json::json as value;
use wire::ids::UserId;
use wire::update::{Update, UpdateProgress};

use super::*;
use crate::store::Scope;
use crate::store::testing::TestSite;
use crate::store::updates::{Bundle, DeliveryState};

fn path(site: &TestSite) -> String {
    format!("/api/v1/sites/{}/update", site.site)
}

fn runs(version: &str) -> Update {
    Update {
        running: Some(version.parse().unwrap()),
        unable: None,
        automatic: true,
        window: "02:00-05:00".into(),
        progress: UpdateProgress::None,
    }
}

async fn put_here(world: &World, version: &str, byte: &str) {
    let bundle = Bundle {
        version: version.parse().unwrap(),
        sha256: byte.repeat(32).parse().unwrap(),
        bytes: 5_000_000,
        added_at: world.app.now(),
    };
    assert!(world.store.add_bundle(bundle).await.unwrap());
}

async fn ask(world: &World, who: &Caller, method: Method, path: &str, body: Value) -> Answer {
    world.ask(who.request(method, path, json(&body))).await
}

#[tokio::test]
async fn an_admin_sees_what_is_offered_and_sends_it() {
    let world = World::new().await;
    let mine = world.store.plant_organisation("Mine").await;
    let site = world.store.plant_site(mine, "Shop").await;
    let admin = world.person(Role::OrgAdmin, Some(mine), None).await;
    let path = path(&site);
    put_here(&world, "0.1.0+2", "aa").await;
    put_here(&world, "0.1.0+10", "bb").await;
    // Nothing was told yet, so nothing is known to be newer.
    let told = world.get(&admin, &path).await.json();
    assert_eq!(
        (&told["told"], &told["offered"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(told["automatic"], false);
    world.store.plant_update(&site, runs("0.1.0+5")).await;
    let told = world.get(&admin, &path).await.json();
    assert_eq!(told["told"]["running"], "0.1.0+5");
    assert_eq!(told["offered"]["version"], "0.1.0+10");

    let old = world
        .post(&admin, &path, value!({ "version": "0.1.0+2" }))
        .await;
    assert_eq!(old.code(), ErrorCode::Conflict);
    let unknown = world
        .post(&admin, &path, value!({ "version": "0.1.0+11" }))
        .await;
    assert_eq!(unknown.code(), ErrorCode::ValidationFailed);
    let sent = world
        .post(
            &admin,
            &path,
            value!({ "version": "0.1.0+10", "when": "now" }),
        )
        .await;
    assert_eq!(sent.status, StatusCode::ACCEPTED);
    let delivery = &sent.json()["delivery"];
    assert_eq!(
        (&delivery["state"], &delivery["chosen"]),
        (&value!("pending"), &value!("now"))
    );
    let pending = world.store.pending_deliveries().await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (&pending[0].appliance, pending[0].state),
        (&site.appliance, DeliveryState::Pending)
    );

    let called_off = ask(&world, &admin, Method::DELETE, &path, Value::Null).await;
    assert_eq!(called_off.json()["delivery"], Value::Null);
    assert!(world.store.pending_deliveries().await.unwrap().is_empty());
    let by_itself = ask(
        &world,
        &admin,
        Method::PUT,
        &path,
        value!({ "automatic": true }),
    )
    .await;
    assert_eq!(by_itself.json()["automatic"], true);
    assert_eq!(world.store.automatic_appliances().await.unwrap().len(), 1);
    // What a person sends there goes first, and what is called off there is not sent again by itself.
    let sent = world
        .post(&admin, &path, value!({ "version": "0.1.0+10" }))
        .await;
    assert_eq!(sent.status, StatusCode::ACCEPTED);
    assert!(world.store.automatic_appliances().await.unwrap().is_empty());
    let called_off = ask(&world, &admin, Method::DELETE, &path, Value::Null).await;
    assert_eq!(called_off.json()["delivery"]["state"], "failed");
    assert!(world.store.pending_deliveries().await.unwrap().is_empty());
    let automatic = world.store.automatic_appliances().await.unwrap();
    assert!(automatic[0].last.is_some());
    let entries = world.store.audit(Scope::Organisation(mine), None, 10).await;
    let actions: Vec<String> = entries.unwrap().into_iter().map(|it| it.action).collect();
    assert_eq!(
        actions,
        [
            "update.call_off",
            "update.send",
            "update.settings",
            "update.call_off",
            "update.send"
        ]
    );
}

#[tokio::test]
async fn who_may_not_manage_a_site_sends_nothing_there() {
    let world = World::new().await;
    let (mine, theirs) = (
        world.store.plant_organisation("Mine").await,
        world.store.plant_organisation("Theirs").await,
    );
    let (ours, foreign) = (
        world.store.plant_site(mine, "Shop").await,
        world.store.plant_site(theirs, "Elsewhere").await,
    );
    put_here(&world, "0.1.0+2", "aa").await;
    for site in [&ours, &foreign] {
        world.store.plant_update(site, runs("0.1.0+1")).await;
    }
    let operator = world.person(Role::Operator, Some(mine), None).await;
    let admin = world.person(Role::OrgAdmin, Some(mine), None).await;
    let changes = [
        (Method::POST, value!({ "version": "0.1.0+2" })),
        (Method::PUT, value!({ "automatic": true })),
        (Method::DELETE, Value::Null),
    ];
    for (method, body) in changes {
        let refused = ask(
            &world,
            &operator,
            method.clone(),
            &path(&ours),
            body.clone(),
        )
        .await;
        assert_eq!(
            refused.code(),
            ErrorCode::AuthInsufficientPermissions,
            "{method}"
        );
        let hidden = ask(&world, &admin, method, &path(&foreign), body).await;
        assert_eq!(hidden.code(), ErrorCode::SiteNotFound);
    }
    let seen = world.get(&operator, &path(&ours)).await.json();
    assert_eq!(seen["offered"]["version"], "0.1.0+2");
    assert_eq!(
        world.get(&admin, &path(&foreign)).await.code(),
        ErrorCode::SiteNotFound
    );
    assert!(world.store.pending_deliveries().await.unwrap().is_empty());
}

#[tokio::test]
async fn another_delivery_takes_the_place_of_one() {
    let world = World::new().await;
    let mine = world.store.plant_organisation("Mine").await;
    let site = world.store.plant_site(mine, "Shop").await;
    let delivery = |byte: &str| crate::store::updates::Delivery {
        appliance: site.appliance.clone(),
        version: "0.1.0+2".parse().unwrap(),
        sha256: byte.repeat(32).parse().unwrap(),
        bytes: 1,
        chosen: None,
        asked_by: Some((UserId::new(), "ann".into())),
        state: DeliveryState::Pending,
        message: None,
        asked_at: world.app.now(),
        updated_at: world.app.now(),
    };
    let (first, second) = (delivery("aa"), delivery("bb"));
    world.store.set_delivery(first.clone()).await.unwrap();
    world.store.set_delivery(second.clone()).await.unwrap();
    // What became of the first is not told of the second.
    let (store, now) = (&world.store, world.app.now());
    let failed = DeliveryState::Failed;
    store
        .note_delivery(&first, failed, None, now)
        .await
        .unwrap();
    assert_eq!(
        store.pending_deliveries().await.unwrap(),
        std::slice::from_ref(&second)
    );
    store
        .note_delivery(&second, failed, Some("no".into()), now)
        .await
        .unwrap();
    assert!(store.pending_deliveries().await.unwrap().is_empty());
}
