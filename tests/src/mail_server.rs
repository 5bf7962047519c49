//! A real mail server: aiosmtpd (PyPI) with TLS and logins, in a Python environment made once beside the built programs.
//! Every mail that it takes is a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::eventually::eventually;
use crate::process::Process;

/// Account that the server knows.
pub const USER: &str = "holdfast";

/// Its password.
pub const PASSWORD: &str = "a lamp and a ladder";

/// aiosmtpd as released, and what it stands on.
const PACKAGES: [&str; 3] = ["aiosmtpd==1.4.6", "atpublic==7.0.0", "attrs==25.4.0"];

/// Takes logins over STARTTLS only, writes each mail to `<folder>/<n>.eml`, and its port to `<folder>/port`.
const SERVER: &str = r#"
import asyncio, os, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

folder, user, password, port = sys.argv[1:]

class Handler:
    async def handle_DATA(self, server, session, envelope):
        n = len([f for f in os.listdir(folder) if f.endswith(".eml")])
        path = os.path.join(folder, f"{n}.eml")
        with open(path + ".new", "wb") as file:
            head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
            head += f"X-Login: {session.auth_data.decode()}\r\nX-TLS: {session.ssl is not None}\r\n"
            file.write(head.encode() + envelope.original_content)
        os.rename(path + ".new", path)
        return "250 taken"

def login(server, session, envelope, mechanism, data):
    ok = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=ok, auth_data=data.login) if ok else AuthResult(success=False, handled=False)

context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))

def protocol():
    return SMTP(Handler(), tls_context=context, require_starttls=True, authenticator=login, auth_required=True)

async def serve():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", int(port))
    with open(os.path.join(folder, "port.new"), "w") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    await server.serve_forever()

asyncio.run(serve())
"#;

/// A mail server while it runs.
#[derive(Debug)]
pub struct MailServer {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl MailServer {
    /// Starts one below `folder`, with a certificate of its own.
    pub async fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        std::fs::write(folder.join("server.pem"), certified.cert.pem())?;
        std::fs::write(
            folder.join("server.key"),
            certified.signing_key.serialize_pem(),
        )?;
        let mut this = Self {
            folder: folder.to_owned(),
            port: 0,
            process: None,
        };
        this.again().await?;
        Ok(this)
    }

    /// Starts it again, on the port that it had.
    pub async fn again(&mut self) -> Result<()> {
        let python =
            tokio::task::spawn_blocking(|| crate::python::environment(PACKAGES[0], &PACKAGES))
                .await??;
        let file = self.folder.join("port");
        base::durable::remove_if_there(&file)?;
        let mut command = Command::new(python);
        command.args(["-c", SERVER]).arg(&self.folder).args([
            USER,
            PASSWORD,
            &self.port.to_string(),
        ]);
        let log = self.folder.join("server.log");
        self.process = Some(Process::start("aiosmtpd", &command, &log)?);
        let text = eventually("the mail server tells its port", || async {
            std::fs::read_to_string(&file)
        })
        .await
        .with_context(|| crate::process::tail(&log, 20))?;
        self.port = text.parse()?;
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        drop(self.process.take());
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its certificate, which is its own CA.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The mails that it took, oldest first.
    pub fn mails(&self) -> Result<Vec<String>> {
        let mut mails = Vec::new();
        while let Ok(bytes) = std::fs::read(self.folder.join(format!("{}.eml", mails.len()))) {
            mails.push(String::from_utf8(bytes)?);
        }
        Ok(mails)
    }
}
