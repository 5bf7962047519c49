//! Lists of archives, and what must stay within an index.

use wire::archive::ArchiveState;
use wire::ids::ArchiveId;

use super::MailAbout;
use crate::catalog::CatalogError;
use crate::catalog::testing::{House, found, range};

async fn house() -> (House, wire::archive::Archive) {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await;
    let span = range("2026-11-03T10:00:00Z", "2026-11-03T10:10:00Z");
    let ids = house
        .observe(recorder.id, 1, vec![found("a", span, 5)])
        .await;
    house.hold(ids[0], b"footage").await;
    let asked = range("2026-11-03T10:05:00Z", "2026-11-03T11:00:00Z");
    let archive = house
        .catalog
        .add_archive(asked, None, "ann".into())
        .await
        .unwrap();
    (house, archive)
}

#[tokio::test]
async fn what_reaches_into_the_range_is_packed_and_nothing_is_refused() {
    let (house, archive) = house().await;
    assert_eq!(archive.state, ArchiveState::Building);
    assert_eq!(
        (archive.recordings, archive.asked_by.as_deref()),
        (1, Some("ann"))
    );
    let after = range("2026-11-03T10:10:00Z", "2026-11-03T11:00:00Z");
    let refused = house.catalog.add_archive(after, None, "ann".into()).await;
    assert!(matches!(refused, Err(CatalogError::NothingToArchive)));
    let nobody = house
        .catalog
        .add_archive(after, Some(vec![wire::ids::CameraId::new()]), "ann".into())
        .await;
    assert!(matches!(nobody, Err(CatalogError::NoCamera(_))));
    assert!(house.catalog.archives(Some("x".into())).await.is_err());
    let unknown = house.catalog.archive(ArchiveId::new()).await;
    assert!(matches!(unknown, Err(CatalogError::NoArchive(_))));
}

#[tokio::test]
async fn only_what_is_over_is_taken_off_the_list() {
    let (house, archive) = house().await;
    assert!(house.catalog.forget_archive(archive.id).await.is_err());
    assert!(house.catalog.begin_clear(archive.id, true).await.is_err());
    house
        .catalog
        .fail_archive(archive.id, "why".into())
        .await
        .unwrap();
    assert!(
        house
            .catalog
            .fail_archive(archive.id, "why".into())
            .await
            .is_err()
    );
    house.catalog.forget_archive(archive.id).await.unwrap();
    assert!(house.catalog.archives(None).await.unwrap().items.is_empty());
    house.assert_sound();
}

#[tokio::test]
async fn a_mail_waits_is_tried_again_and_is_sent_once() {
    let (house, archive) = house().await;
    let (id, catalog) = (archive.id, &house.catalog);
    assert!(catalog.mail_due().await.unwrap().is_none());
    catalog.damage("update archive set state = 'ready', volume_id = 1, file = 'x', digest = 'd', mail_state = 'waiting'").await;
    assert_eq!(catalog.mail_due().await.unwrap().unwrap().id, id);
    let later = catalog.now().plus_s(60);
    let noted = catalog
        .note_mail(id, MailAbout::Later("away".into(), later))
        .await
        .unwrap();
    assert_eq!(
        (noted.mail.attempts, noted.mail.failure.as_deref()),
        (1, Some("away"))
    );
    assert!(catalog.mail_due().await.unwrap().is_none());
    assert_eq!(catalog.next_mail().await.unwrap(), Some(later));
    house.clock.advance_ms(60_000);
    assert!(catalog.mail_due().await.unwrap().is_some());
    catalog
        .note_mail(id, MailAbout::GivenUp("refused".into()))
        .await
        .unwrap();
    assert!(catalog.mail_due().await.unwrap().is_none());
    // The settings may be others after a start; or a person asks.
    catalog.retry_mails().await.unwrap();
    assert!(catalog.mail_due().await.unwrap().is_some());
    catalog.note_mail(id, MailAbout::Sent).await.unwrap();
    catalog.retry_mails().await.unwrap();
    assert!(catalog.mail_due().await.unwrap().is_none());
    catalog.send_mail(id).await.unwrap();
    assert!(catalog.mail_due().await.unwrap().is_some());
}
