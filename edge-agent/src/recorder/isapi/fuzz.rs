//! Bytes of anybody through everything that reads documents: a plain function, driven by proptest and by the corpus in
//! `corpus/` (answers of devices as far as they are known, and what once was trouble).

use std::path::Path;

use proptest::prelude::*;

use super::answers;
use super::uri::{PlaybackUri, SourceName};
use super::xml::Element;

/// Reads bytes in every way that a device's bytes are read. Must neither panic nor take long, whatever they are.
pub fn read_everything(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        answers::told_time(text);
        SourceName::parse(text);
        if let Some(uri) = PlaybackUri::parse(text) {
            assert!(uri.as_str().is_ascii());
            let name = SourceName::of(&uri, u32::MAX, jiff::civil::DateTime::MAX);
            assert!(name.to_string().len() <= 99, "{name}");
            uri.seconds();
            uri.size_bytes();
        }
        let _ = text.parse::<crate::recorder::clock::zone::ZoneRule>();
    }
    let Ok(root) = Element::parse(bytes) else {
        return;
    };
    answers::device_info(&root);
    answers::inputs(&root);
    answers::online(&root);
    answers::streams(&root);
    answers::rtsp_port(&root);
    answers::device_time(&root);
    answers::page(&root);
    answers::refusal(&root);
    crate::recorder::onvif::matches(&root, None);
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/recorder/isapi/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

#[test]
fn the_corpus_is_read() {
    let corpus = corpus();
    assert!(corpus.len() >= 10);
    for bytes in &corpus {
        read_everything(bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read_everything(&bytes);
    }

    #[test]
    fn nearly_documents(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..20),
    ) {
        let corpus = corpus();
        let mut bytes = corpus[seed.index(corpus.len())].clone();
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        read_everything(&bytes);
    }

    #[test]
    fn any_text_of_tags(text in "(<[a-zA-Z:]{1,9}>|</[a-zA-Z:]{1,9}>|[0-9TZ:&;#x+-]{1,20}|<!\\[CDATA\\[|\\]\\]>){0,60}") {
        read_everything(text.as_bytes());
    }
}
