//! One real MariaDB server on a loopback port, with its files in a temporary folder.
//!
//! The program is `mariadbd`; a service of the system is neither used nor touched. The files of a
//! fresh server are made once by `mariadb-install-db`, and copied for each server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};
use tempfile::TempDir;
use tokio::time::timeout;

use super::background::locked;
use super::ports::Port;
use super::supervised::{Supervised, last_lines};
use super::waiting::{Failure, Result, Wait};

/// The user that tests give to everlink; it may do anything in [`DATABASE`].
pub const USER: &str = "app";
/// Its password.
pub const PASSWORD: &str = "app-password";
/// Its database.
pub const DATABASE: &str = "shop";
/// The user by which the fixture itself signs in.
const FIXTURE_USER: &str = "fixture";
const FIXTURE_PASSWORD: &str = "fixture-password";

const START_LIMIT: Duration = Duration::from_secs(30);
const QUERY_LIMIT: Duration = Duration::from_secs(10);

/// Whether MariaDB is installed. Where it is not a test may be passed over, loudly; where
/// `CI=true` is set it fails instead.
pub fn is_installed() -> bool {
    let missing: Vec<&str> = ["mariadbd", "mariadb-install-db", "my_print_defaults"]
        .into_iter()
        .filter(|program| find(program).is_none())
        .collect();
    if missing.is_empty() {
        return true;
    }
    let text = format!("{missing:?} missing: `make setup` installs MariaDB");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    eprintln!("\n*** NOT TESTED: {text} ***\n");
    false
}

/// Where a program is; those of servers are not in everybody's path.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A real server. Dropping it kills it, paused or not, and removes its folder.
pub struct MariaDb {
    port: Port,
    // Before the folder, so that the server is gone when that is removed.
    process: Mutex<Option<Supervised>>,
    folder: TempDir,
    options: Vec<String>,
    _template: Arc<TempDir>,
}

impl MariaDb {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// It is not installed, or does not answer within 30 s: then with its log.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with further options of the server, such as `--wait-timeout=1`.
    ///
    /// # Errors
    /// As [`MariaDb::start`].
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let template = tokio::task::spawn_blocking(template)
            .await
            .map_err(|error| Failure::new(error.to_string()))??;
        let folder = tempfile::Builder::new()
            .prefix("everlink-mariadb-")
            .tempdir()?;
        let copied = Command::new("cp")
            .arg("-r")
            .arg(template.path().join("data"))
            .arg(folder.path().join("data"))
            .status()?;
        if !copied.success() {
            return Err(Failure::new("the files of a fresh server were not copied"));
        }
        fs::write(
            folder.path().join("init.sql"),
            format!(
                "CREATE DATABASE IF NOT EXISTS {DATABASE};\n\
                 CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
                 GRANT ALL ON {DATABASE}.* TO '{USER}'@'%';\n\
                 CREATE USER IF NOT EXISTS '{FIXTURE_USER}'@'%' IDENTIFIED BY '{FIXTURE_PASSWORD}';\n\
                 GRANT ALL ON *.* TO '{FIXTURE_USER}'@'%' WITH GRANT OPTION;\n"
            ),
        )?;
        let server = Self {
            port: Port::reserve()?,
            process: Mutex::new(None),
            folder,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            _template: template,
        };
        server.spawn()?;
        server.ready().await?;
        Ok(server)
    }

    fn spawn(&self) -> Result<()> {
        let folder = self.folder.path();
        let file = |name: &str| folder.join(name).display().to_string();
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            format!("--datadir={}", file("data")),
            format!("--socket={}", file("sock")),
            format!("--pid-file={}", file("pid")),
            format!("--tmpdir={}", folder.display()),
            format!("--init-file={}", file("init.sql")),
            format!("--port={}", self.port.number()),
            "--bind-address=127.0.0.1".to_owned(),
            "--skip-name-resolve".to_owned(),
            "--skip-log-bin".to_owned(),
            "--innodb-buffer-pool-size=16M".to_owned(),
            "--key-buffer-size=1M".to_owned(),
            "--aria-pagecache-buffer-size=1M".to_owned(),
            "--performance-schema=OFF".to_owned(),
        ];
        arguments.extend(as_root());
        arguments.extend(self.options.iter().cloned());
        let program = find("mariadbd").ok_or_else(|| Failure::new("mariadbd is missing"))?;
        let started = Supervised::start(folder, &program.display().to_string(), &arguments)?;
        *self.process() = Some(started);
        Ok(())
    }

    /// Waits until the server answers.
    async fn ready(&self) -> Result<()> {
        let mut wait = Wait::up_to(START_LIMIT, format!("MariaDB on port {}", self.port()));
        loop {
            let seen = match self.rows::<String>("SELECT @@datadir").await {
                Ok(folders) => {
                    let own = Path::new(&folders[0]).starts_with(self.folder.path());
                    if own {
                        return Ok(());
                    }
                    Failure::new("a stranger answers")
                }
                Err(seen) => seen,
            };
            let runs = self
                .process()
                .as_ref()
                .is_some_and(|process| !process.has_exited());
            if !runs {
                return Err(Failure::new(format!("it ended: {seen}\n{}", self.log())));
            }
            wait.again(seen)
                .await
                .map_err(|late| Failure::new(format!("{late}\n{}", self.log())))?;
        }
    }

    /// Kills the server with SIGKILL and waits until it is gone. Its files stay.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill9(&self) -> Result<()> {
        let mut process = self.taken()?;
        process.kill()?;
        process.gone().await
    }

    /// Starts a server that was killed anew, on the same port with the same files, and waits until
    /// it answers.
    ///
    /// # Errors
    /// As [`MariaDb::start`].
    pub async fn restart(&self) -> Result<()> {
        self.spawn()?;
        self.ready().await
    }

    /// The same, on another port.
    ///
    /// # Errors
    /// As [`MariaDb::start`].
    pub async fn restart_elsewhere(&mut self) -> Result<()> {
        self.port = Port::reserve()?;
        self.restart().await
    }

    /// Stops the server's clock with SIGSTOP.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        match self.process().as_mut() {
            Some(process) => process.pause(),
            None => Err(Failure::new("the server does not run")),
        }
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        match self.process().as_mut() {
            Some(process) => process.resume(),
            None => Err(Failure::new("the server does not run")),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// What everlink dials, through a proxy on another port or not.
    pub fn url_on(&self, port: u16) -> String {
        format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}")
    }

    /// What everlink dials.
    pub fn url(&self) -> String {
        self.url_on(self.port())
    }

    /// The rows of a statement, as the fixture's own user, over a connection of its own.
    ///
    /// # Errors
    /// The server cannot be reached, refuses it, or does not answer within 10 s.
    pub async fn rows<T: FromRow + Send + 'static>(&self, sql: &str) -> Result<Vec<T>> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port())
            .user(Some(FIXTURE_USER))
            .pass(Some(FIXTURE_PASSWORD))
            .prefer_socket(false);
        let asking = async {
            let mut conn = Conn::new(options).await?;
            let rows = conn.query(sql).await?;
            conn.disconnect().await?;
            Ok::<_, mysql_async::Error>(rows)
        };
        match timeout(QUERY_LIMIT, asking).await {
            Ok(rows) => rows.map_err(|error| Failure::new(error.to_string())),
            Err(_) => Err(Failure::new(format!("no answer within {QUERY_LIMIT:?}"))),
        }
    }

    /// Executes a statement as the fixture's own user.
    ///
    /// # Errors
    /// As [`MariaDb::rows`].
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.rows::<mysql_async::Row>(sql).await.map(drop)
    }

    /// The connections of [`USER`] that the server has: their numbers, and what they work on.
    ///
    /// # Errors
    /// As [`MariaDb::rows`].
    pub async fn connections(&self) -> Result<Vec<(u64, Option<String>)>> {
        self.rows(&format!(
            "SELECT id, info FROM information_schema.processlist WHERE user = '{USER}' ORDER BY id"
        ))
        .await
    }

    /// The last lines that the server has logged.
    pub fn log(&self) -> String {
        last_lines(&self.folder.path().join("stderr.log"))
    }

    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        locked(&self.process)
    }

    fn taken(&self) -> Result<Supervised> {
        let taken = self.process().take();
        taken.ok_or_else(|| Failure::new("the server does not run"))
    }
}

/// It refuses to run as root unless told to.
fn as_root() -> Option<String> {
    let is_root = rustix::process::geteuid().is_root();
    is_root.then(|| "--user=root".to_owned())
}

/// The files of a fresh server, made once and kept as long as somebody has them.
fn template() -> Result<Arc<TempDir>> {
    static TEMPLATE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut template = locked(&TEMPLATE);
    if let Some(template) = template.upgrade() {
        return Ok(template);
    }
    let program = find("mariadb-install-db")
        .ok_or_else(|| Failure::new("mariadb-install-db is missing: `make setup` installs it"))?;
    let folder = tempfile::Builder::new()
        .prefix("everlink-mariadb-fresh-")
        .tempdir()?;
    let output = Command::new(program)
        .arg("--no-defaults")
        .arg(format!(
            "--datadir={}",
            folder.path().join("data").display()
        ))
        .args(["--skip-test-db", "--innodb-log-file-size=4M"])
        .arg("--auth-root-authentication-method=normal")
        .args(as_root())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("mariadb-install-db failed: {text}")));
    }
    let made = Arc::new(folder);
    *template = Arc::downgrade(&made);
    Ok(made)
}
