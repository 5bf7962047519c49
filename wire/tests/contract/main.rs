//! The contract with whoever reads our messages: JSON Schemas and documentation are committed, agree with the types,
//! and real payloads fit them. `HOLDFAST_WRITE_CONTRACT=1 cargo test -p wire` writes what has changed on purpose.

mod examples;

use std::path::{Path, PathBuf};

use schemars::Schema;
use serde_json::{Value, json};
use wire::poke::{Ack, Poke};
use wire::telemetry::{Online, Report, StateMessage, TelemetryMessage};

fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("online", schemars::schema_for!(Online)),
        ("report", schemars::schema_for!(Report)),
        ("state", schemars::schema_for!(StateMessage)),
        ("telemetry", schemars::schema_for!(TelemetryMessage)),
        ("ack", schemars::schema_for!(Ack)),
        ("poke", schemars::schema_for!(Poke)),
    ]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Compares a committed file with what it should be, or writes it when told to.
fn committed(path: &Path, should: &str) {
    if std::env::var_os("HOLDFAST_WRITE_CONTRACT").is_some() {
        std::fs::write(path, should).expect("a committed file can be written");
        return;
    }
    let is = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        is == should,
        "{} is not what the types say. If the change is meant (and additive, or of a new version), write it with \
         HOLDFAST_WRITE_CONTRACT=1 cargo test -p wire",
        path.display()
    );
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    for (name, schema) in schemas() {
        let mut value = serde_json::to_value(&schema).expect("a schema is JSON");
        value["$id"] = json!(format!("urn:holdfast:1:{name}"));
        let text = serde_json::to_string_pretty(&value).expect("JSON") + "\n";
        committed(&root().join(format!("schemas/{name}.json")), &text);
    }
}

fn validator(name: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(root().join(format!("schemas/{name}.json")))
        .expect("the schema is committed");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a valid schema")
}

#[test]
fn real_payloads_fit_their_schemas() {
    for example in examples::examples() {
        let validator = validator(example.schema);
        let faults: Vec<String> = validator
            .iter_errors(&example.payload)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{}: {faults:?}", example.name);
        // What a later version adds must not break a consumer that validates (poke and ack excepted: those are ours).
        if !matches!(example.schema, "ack" | "poke") {
            let mut later = example.payload.clone();
            later["added_later"] = json!(1);
            assert!(
                validator.is_valid(&later),
                "{} with more in it",
                example.name
            );
        }
    }
}

#[test]
fn payloads_that_break_the_contract_do_not_fit() {
    for example in examples::examples() {
        let validator = validator(example.schema);
        for key in [
            "v",
            "appliance",
            "type",
            "data",
            "seq",
            "log",
            "online",
            "ts",
        ] {
            let mut broken = example.payload.clone();
            let Some(object) = broken.as_object_mut() else {
                continue;
            };
            if object.remove(key).is_some() {
                assert!(
                    !validator.is_valid(&broken),
                    "{} without {key}",
                    example.name
                );
            }
        }
        if example.payload.get("appliance").is_some() {
            let mut broken = example.payload.clone();
            broken["appliance"] = json!("NOT AN APPLIANCE");
            assert!(!validator.is_valid(&broken), "{}", example.name);
        }
        if example.payload.get("data").is_some() {
            let mut broken = example.payload.clone();
            broken["type"] = json!("no.such.type");
            assert!(!validator.is_valid(&broken), "{}", example.name);
        }
    }
}

/// The examples of docs/ref/mqtt.md stand between a marker (`<!-- example: name -->`) and the end of a code block.
#[test]
fn the_documentation_shows_what_is_sent() {
    let path = root().join("../docs/ref/mqtt.md");
    let text = std::fs::read_to_string(&path).expect("the documentation is there");
    let mut should = text.clone();
    for example in examples::examples() {
        let marker = format!("<!-- example: {} -->\n", example.name);
        let start = should
            .find(&marker)
            .unwrap_or_else(|| panic!("docs/ref/mqtt.md shows no {:?}", example.name))
            + marker.len();
        let open = "```json\n";
        assert!(should[start..].starts_with(open), "{}", example.name);
        let end = start
            + should[start..]
                .find("\n```\n")
                .expect("the code block ends")
            + 1;
        let json = serde_json::to_string_pretty(&example.payload).expect("JSON");
        should.replace_range(start + open.len()..end, &(json + "\n"));
        let leaf = example
            .topic
            .splitn(5, '/')
            .nth(4)
            .expect("a leaf")
            .to_owned();
        let pattern = match leaf.rsplit_once('/') {
            Some((head @ ("state/recorder" | "state/camera"), _)) => format!("{head}/<id>"),
            _ => leaf,
        };
        assert!(
            should.contains(&format!("`{pattern}`")),
            "the table lacks {pattern}"
        );
    }
    committed(&path, &should);
}
