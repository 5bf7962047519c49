//! A list of recorders as a spreadsheet saves it. Strict: what is not understood is named by its line and not guessed.
//!
//! `name,driver,address,port,username,password,enabled`, one recorder a line, the first line naming the columns. A field
//! may stand in double quotes, in which two of them are one (RFC 4180); a line break within a field is not taken.

use wire::resource::DriverKind;
use zeroize::Zeroizing;

/// The columns, as the first line names them.
const COLUMNS: [&str; 7] = [
    "name", "driver", "address", "port", "username", "password", "enabled",
];

/// What stands in a line.
pub struct Line {
    /// Counted from 1, the columns' line included.
    pub number: usize,
    /// May be empty.
    pub name: String,
    /// `sdk`, `isapi`, or `isapi-tls` for ISAPI over HTTPS.
    pub driver: DriverKind,
    /// See `driver`.
    pub tls: bool,
    /// Not checked yet.
    pub address: String,
    /// Empty: the usual one.
    pub port: Option<u16>,
    /// Not checked yet.
    pub username: String,
    /// As it stands there, blanks included.
    pub password: Zeroizing<String>,
    /// Empty: yes.
    pub enabled: bool,
}

/// Why a line is not taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// In words.
    pub message: String,
}

/// Reads a list: what is understood of it, and what is not. Empty lines are passed over.
pub fn read(text: &str) -> (Vec<Line>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, line)| !line.trim().is_empty());
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    match lines.next() {
        Some((line, head)) => {
            if let Err(message) = check_head(head) {
                return (read, vec![Problem { line, message }]);
            }
        }
        None => {
            let message = "the list is empty".into();
            return (read, vec![Problem { line: 1, message }]);
        }
    }
    for (number, line) in lines {
        match read_line(number, line) {
            Ok(line) => read.push(line),
            Err(message) => problems.push(Problem {
                line: number,
                message,
            }),
        }
    }
    (read, problems)
}

fn check_head(head: &str) -> Result<(), String> {
    let expected = COLUMNS.join(",");
    let names = fields(head)?;
    if names
        .iter()
        .map(|name| name.trim().to_ascii_lowercase())
        .eq(COLUMNS)
    {
        return Ok(());
    }
    Err(match head.contains(';') {
        true => format!(
            "the columns are separated by semicolons: save the list with commas; the first line must be {expected}"
        ),
        false => format!("the first line must name the columns: {expected}"),
    })
}

fn read_line(number: usize, line: &str) -> Result<Line, String> {
    let fields = fields(line)?;
    let count = fields.len();
    let [name, driver, address, port, username, password, enabled] = <[_; 7]>::try_from(fields)
        .map_err(|_| {
            format!(
                "has {count} fields instead of {}: a comma within a field needs double quotes around the field",
                COLUMNS.len()
            )
        })?;
    let (driver, tls) = match driver.trim() {
        "sdk" => (DriverKind::Sdk, false),
        "isapi" => (DriverKind::Isapi, false),
        "isapi-tls" => (DriverKind::Isapi, true),
        other => {
            return Err(format!(
                "driver {other:?} is not known: write sdk, isapi, or isapi-tls for ISAPI over HTTPS"
            ));
        }
    };
    let port = match port.trim() {
        "" => None,
        digits => match digits.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            Ok(_) | Err(_) => {
                return Err(format!("port {digits:?} is not a number from 1 to 65535"));
            }
        },
    };
    let enabled = match enabled.trim().to_ascii_lowercase().as_str() {
        "" | "yes" | "true" => true,
        "no" | "false" => false,
        other => return Err(format!("enabled {other:?} is neither yes nor no")),
    };
    Ok(Line {
        number,
        name: name.trim().to_owned(),
        driver,
        tls,
        address: address.trim().to_owned(),
        port,
        username: username.trim().to_owned(),
        password,
        enabled,
    })
}

/// The fields of a line. Any of them may be the password, so none is left behind in memory.
fn fields(line: &str) -> Result<Vec<Zeroizing<String>>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err(
                        "a double quote stands within a field: put the whole field in double quotes and write it twice"
                            .into(),
                    );
                }
                (Zeroizing::new(rest[..end].to_owned()), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Ok(fields),
            None => {
                return Err("something stands behind the closing double quote of a field".into());
            }
        }
    }
}

/// The rest of a field whose quote is open, and what comes behind it.
fn quoted_field(text: &str) -> Result<(Zeroizing<String>, &str), String> {
    let mut field = Zeroizing::new(String::new());
    let mut rest = text;
    loop {
        let Some(end) = rest.find('"') else {
            return Err("a double quote is not closed on its line".into());
        };
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name,driver,address,port,username,password,enabled\n";

    fn all(text: &str) -> (Vec<Line>, Vec<Problem>) {
        read(&format!("{HEAD}{text}"))
    }

    #[test]
    fn a_list_from_a_spreadsheet_is_read() {
        let text = "\u{feff}Name,Driver,Address,Port,Username,Password,Enabled\r\n\
                    Shop,sdk,192.168.1.64,8000,admin,secret,yes\r\n\
                    \r\n\
                    \"Gate, north\",isapi-tls,gate.local,,holdfast,\" a\"\"b,c \",no\r\n";
        let (lines, problems) = read(text);
        assert_eq!(problems, []);
        assert_eq!(lines.len(), 2);
        let gate = &lines[1];
        assert_eq!((gate.number, gate.name.as_str()), (4, "Gate, north"));
        assert_eq!(
            (gate.driver, gate.tls, gate.port),
            (DriverKind::Isapi, true, None)
        );
        assert_eq!((gate.password.as_str(), gate.enabled), (" a\"b,c ", false));
        assert!(lines[0].enabled && !lines[0].tls);
    }

    #[test]
    fn every_bad_line_is_named_with_its_number_and_reason() {
        let (lines, problems) = all("a,sdk,h,8000,u,p\n\
             b,onvif,h,8000,u,p,yes\n\
             c,sdk,h,0,u,p,yes\n\
             d,sdk,h,http,u,p,yes\n\
             e,sdk,h,,u,p,maybe\n\
             f,sdk,h,,u,\"p,yes\n\
             g,sdk,h,,u,p\"q,yes\n\
             h,sdk,h,,u,\"p\"q,yes\n\
             i,sdk,h,,u,p,yes\n");
        assert_eq!(lines.len(), 1);
        let told: Vec<(usize, bool)> = problems
            .iter()
            .zip([
                "6 fields instead of 7",
                "\"onvif\" is not known",
                "port \"0\"",
                "port \"http\"",
                "neither yes nor no",
                "not closed",
                "within a field",
                "behind the closing",
            ])
            .map(|(problem, part)| (problem.line, problem.message.contains(part)))
            .collect();
        let expected: Vec<(usize, bool)> = (2..=9).map(|line| (line, true)).collect();
        assert_eq!(told, expected, "{problems:?}");
    }

    #[test]
    fn other_lists_are_refused_as_a_whole() {
        let part = |text: &str| read(text).1.remove(0).message;
        assert!(part("").contains("empty"));
        assert!(part("Shop,sdk,h,8000,u,p,yes\n").contains("must name the columns"));
        assert!(
            part("name;driver;address;port;username;password;enabled\n").contains("semicolons")
        );
    }
}
