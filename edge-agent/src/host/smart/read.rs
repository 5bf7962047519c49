//! Reading what `smartctl --json` prints (smartmontools 7.0 and newer, JSON format 1.0). Pure. Of the many fields these are
//! read; one of another kind than it should have is as one that is missing, so that no quirk of one disk hides the rest.

use serde_json::Value;

use super::{Smart, Unasked, short};

/// Numbers beyond this are none that a disk means: makers put several counters into one raw value.
const COUNT_MAX: u64 = 1 << 32;
/// Most attributes that are looked at; a disk has up to 30.
const ATTRIBUTES_MAX: usize = 256;

/// What an answer says of the disk, or why it says nothing.
pub fn read(answer: &[u8]) -> Result<Smart, Unasked> {
    let json: Value = serde_json::from_slice(answer)
        .map_err(|e| Unasked::Unreadable(format!("it is not JSON: {e}")))?;
    if json.pointer("/smartctl/version").is_none() {
        return Err(Unasked::Unreadable(
            "it does not look like smartctl's".to_owned(),
        ));
    }
    let smart = smart(&json);
    if smart == Smart::default() {
        return Err(refused(&json));
    }
    Ok(smart)
}

/// Why nothing was read, by the program's own words.
fn refused(json: &Value) -> Unasked {
    let messages = json.pointer("/smartctl/messages").and_then(Value::as_array);
    let said: Vec<String> = messages
        .into_iter()
        .flatten()
        .take(4)
        .filter_map(|message| short_line(message.get("string")?.as_str()?))
        .collect();
    let said = said.join("; ");
    if said.contains("Permission denied") || said.contains("Operation not permitted") {
        return Unasked::NotAllowed;
    }
    if said.to_ascii_uppercase().contains("STANDBY") {
        return Unasked::Asleep;
    }
    Unasked::Silent(match said.is_empty() {
        true => "it said nothing of the disk".to_owned(),
        false => said,
    })
}

fn short_line(text: &str) -> Option<String> {
    let text = base::untrusted::one_line(text, 200);
    (!text.is_empty()).then_some(text)
}

fn smart(json: &Value) -> Smart {
    let text = |at: &str| json.pointer(at).and_then(Value::as_str).and_then(short);
    let count = |at: &str| json.pointer(at).and_then(number);
    let nvme = |field: &str| count(&format!("/nvme_smart_health_information_log/{field}"));
    let attribute = |id: u64| raw_of(json, id);
    let rotation = count("/rotation_rate");
    Smart {
        model: text("/model_name").or_else(|| text("/scsi_model_name")),
        serial: text("/serial_number"),
        passed: json
            .pointer("/smart_status/passed")
            .and_then(Value::as_bool),
        power_on_hours: count("/power_on_time/hours").or_else(|| nvme("power_on_hours")),
        temperature_c: json
            .pointer("/temperature/current")
            .and_then(Value::as_i64)
            .filter(|degrees| (-60..=150).contains(degrees)),
        reallocated: attribute(5).or_else(|| count("/scsi_grown_defect_list")),
        pending: attribute(197),
        uncorrectable: attribute(198),
        media_errors: nvme("media_errors"),
        wear_percent: nvme("percentage_used").or_else(|| count("/endurance_used/current_percent")),
        spare: nvme("available_spare").zip(nvme("available_spare_threshold")),
        critical_warning: nvme("critical_warning").unwrap_or(0),
        below_threshold: below_threshold(json),
        flash: rotation == Some(0) || json.pointer("/nvme_smart_health_information_log").is_some(),
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().filter(|number| *number < COUNT_MAX)
}

fn attributes(json: &Value) -> impl Iterator<Item = &Value> {
    let table = json
        .pointer("/ata_smart_attributes/table")
        .and_then(Value::as_array);
    table.into_iter().flatten().take(ATTRIBUTES_MAX)
}

/// The raw value of an ATA attribute.
fn raw_of(json: &Value, id: u64) -> Option<u64> {
    attributes(json)
        .find(|it| it.get("id").and_then(Value::as_u64) == Some(id))
        .and_then(|it| it.pointer("/raw/value"))
        .and_then(number)
}

/// An attribute that foretells failure and is below its threshold now.
fn below_threshold(json: &Value) -> Option<String> {
    attributes(json)
        .find(|it| {
            let now = it.get("when_failed").and_then(Value::as_str) == Some("now");
            let foretells = it.pointer("/flags/prefailure").and_then(Value::as_bool);
            now && foretells == Some(true)
        })
        .and_then(|it| short(it.get("name")?.as_str()?))
}
