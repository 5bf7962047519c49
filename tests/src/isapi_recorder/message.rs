//! Requests and answers as HTTP/1.1 and RTSP/1.0 share them: a line, headers, a body with a length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest body of a request.
const BODY_MAX: usize = 1 << 20;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `DESCRIBE`, ...
    pub method: String,
    /// As it stands in the line.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The next one; none at the end of the connection.
    pub async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut line = String::new();
        // RTSP clients send their receiver reports between requests.
        loop {
            let first = from.fill_buf().await?;
            match first.first() {
                None => return Ok(None),
                Some(b'$') => {
                    let mut head = [0; 4];
                    from.read_exact(&mut head).await?;
                    let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
                    from.read_exact(&mut packet).await?;
                }
                Some(_) => break,
            }
        }
        from.read_line(&mut line).await?;
        let mut words = line.split_whitespace();
        let mut request = Self {
            method: words.next().unwrap_or_default().to_owned(),
            target: words.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        loop {
            let mut line = String::new();
            from.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            request
                .headers
                .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length: usize = request
            .header("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if length > BODY_MAX {
            return Err(io::Error::other("the body is too large"));
        }
        request.body = vec![0; length];
        from.read_exact(&mut request.body).await?;
        Ok(Some(request))
    }

    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Without the length, which is added.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// A document.
    pub fn xml(status: u16, text: String) -> Self {
        Self {
            status,
            headers: vec![(
                "Content-Type",
                "application/xml; charset=\"UTF-8\"".to_owned(),
            )],
            body: text.into_bytes(),
        }
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Line and headers. A body without `length` ends with the connection.
    pub fn head(&self, protocol: &str, length: Option<usize>) -> String {
        let mut head = format!("{protocol} {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
            None => head.push_str("Connection: close\r\n"),
        }
        head.push_str("\r\n");
        head
    }

    /// Writes all of it.
    pub async fn write(
        &self,
        protocol: &str,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let head = self.head(protocol, Some(self.body.len()));
        to.write_all(&[head.as_bytes(), &self.body].concat()).await
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        453 => "Not Enough Bandwidth",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
