//! One real Redis (or Valkey) server on a loopback port, with its files in a temporary folder.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::RwLock;

use super::background::locked;
use super::ports::Port;
use super::raw::{RawClient, Reply};
pub use super::redis_configuration::{FIXTURE_PASSWORD, FIXTURE_USER, RedisServerOptions};
use super::redis_configuration::{program, write_configuration};
use super::supervised::{Supervised, last_lines};
use super::waiting::{Failure, Result, Wait};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A real server. Dropping it kills it, paused or not, and removes its folder.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    _reserved: Option<Port>,
    tls: Option<Port>,
    // Before the folder, so that the server is gone when that is removed.
    process: Mutex<Option<Supervised>>,
    folder: TempDir,
    /// Held while a connection of the fixtures signs in: until then it looks like anybody's.
    signing_in: RwLock<()>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// There is no such program, or it does not answer within 20 s: then with its log.
    pub async fn start(options: RedisServerOptions) -> Result<Self> {
        let server = Self::launch(&options)?;
        server.ready().await?;
        Ok(server)
    }

    /// Starts a server without waiting for it: [`RedisServer::ready`] does that.
    ///
    /// # Errors
    /// There is no such program.
    pub fn launch(options: &RedisServerOptions) -> Result<Self> {
        let reserved = match options.port {
            Some(_) => None,
            None => Some(Port::reserve()?),
        };
        let port = match &reserved {
            Some(reserved) => reserved.number(),
            None => options.port.expect("a port is either given or reserved"),
        };
        let folder = tempfile::Builder::new()
            .prefix("everlink-redis-")
            .tempdir()?;
        let tls = options.tls.as_ref().map(|_| Port::reserve()).transpose()?;
        let tls_port = tls.as_ref().map(Port::number);
        write_configuration(options, port, tls_port, folder.path())?;
        let server = Self {
            port,
            _reserved: reserved,
            tls,
            process: Mutex::new(None),
            folder,
            signing_in: RwLock::default(),
        };
        server.spawn()?;
        Ok(server)
    }

    /// Waits until the server answers and has loaded its data.
    ///
    /// # Errors
    /// It ended, or does not answer within 20 s: with its log.
    pub async fn ready(&self) -> Result<()> {
        let mut wait = Wait::up_to(START_LIMIT, format!("a server on port {}", self.port));
        loop {
            let seen = match self.answers().await {
                Ok(()) => return Ok(()),
                Err(seen) => seen,
            };
            if !self.is_running() {
                return Err(Failure::new(format!(
                    "{} ended (`make setup` installs it): {seen}\n{}",
                    program(),
                    self.log()
                )));
            }
            wait.again(seen)
                .await
                .map_err(|late| Failure::new(format!("{late}\n{}", self.log())))?;
        }
    }

    async fn answers(&self) -> Result<()> {
        self.command(&["PING"]).await?.refused()?;
        let info = self.info("server").await?;
        let pid = field(&info, "process_id").unwrap_or_default();
        if pid != self.pid().unwrap_or_default().to_string() {
            return Err(Failure::new(format!(
                "process {pid}, a stranger, answers on port {}",
                self.port
            )));
        }
        Ok(())
    }

    fn spawn(&self) -> Result<()> {
        let configuration = self.folder.path().join("redis.conf");
        let started = Supervised::start(self.folder.path(), &program(), &[configuration])?;
        *self.process() = Some(started);
        Ok(())
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

    /// Ends the server with SIGTERM, as an operator would, and waits until it is gone. Its files
    /// stay.
    ///
    /// # Errors
    /// It does not run, or does not end within 10 s.
    pub async fn stop(&self) -> Result<()> {
        let mut process = self.taken()?;
        process.terminate()?;
        process.gone().await.map_err(|late| {
            let log = self.log();
            late.while_doing(format!("stopping the server on port {}\n{log}", self.port))
        })
    }

    /// Stops the server's clock with SIGSTOP: it answers nothing, while the kernel still accepts
    /// connections to it. Returns once it stands still.
    ///
    /// # Errors
    /// It does not run.
    pub async fn pause(&self) -> Result<()> {
        self.with_process(Supervised::pause)
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.with_process(Supervised::resume)
    }

    /// Starts the server anew on the same port with the same files, ending it by SIGTERM first if
    /// it still runs, and waits until it answers.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn restart(&self) -> Result<()> {
        if self.is_running() {
            self.stop().await?;
        } else if let Ok(ended) = self.taken() {
            // It ended by itself: its folder must outlive its shell.
            ended.gone().await?;
        }
        self.spawn()?;
        self.ready().await
    }

    /// Host and port to dial.
    pub fn endpoint(&self) -> (String, u16) {
        ("127.0.0.1".to_owned(), self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port for TLS, with [`RedisServerOptions::tls`].
    pub fn tls_port(&self) -> Option<u16> {
        self.tls.as_ref().map(Port::number)
    }

    /// Where it listens with [`RedisServerOptions::unix_socket`].
    pub fn socket_path(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// The pid of the server itself.
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self) -> Result<u32> {
        self.with_process(|process| Ok(process.pid()))
    }

    /// Whether the process lives, paused or not.
    pub fn is_running(&self) -> bool {
        self.process()
            .as_ref()
            .is_some_and(|process| !process.has_exited())
    }

    /// Whether it lives and stands still.
    pub fn is_paused(&self) -> bool {
        self.process().as_ref().is_some_and(Supervised::is_paused)
    }

    /// A new connection, signed in as [`FIXTURE_USER`].
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn connect(&self) -> Result<RawClient> {
        let _signing_in = self.signing_in.read().await;
        let mut client = RawClient::connect(self.port).await?;
        client.auth(FIXTURE_USER, FIXTURE_PASSWORD).await?;
        Ok(client)
    }

    /// Closes the connections of all clients but the fixtures' own: an administrator at work
    /// elsewhere would lose the answers. Returns how many there were.
    ///
    /// # Errors
    /// As [`RedisServer::command`].
    pub async fn client_kill_all(&self) -> Result<u64> {
        let mut administrator = self.connect().await?;
        let _nobody_signs_in = self.signing_in.write().await;
        let users = administrator.command(&["ACL", "USERS"]).await?;
        let users = users.elements().unwrap_or_default().iter();
        let mut killed = 0;
        for user in users.filter_map(Reply::text) {
            if user != FIXTURE_USER {
                let kill = ["CLIENT", "KILL", "USER", &user];
                let reply = administrator.command(&kill).await?;
                killed += reply.int().unwrap_or(0).unsigned_abs();
            }
        }
        Ok(killed)
    }

    /// Sends one command over a connection of its own and returns the reply, an error included.
    ///
    /// # Errors
    /// The server cannot be reached, or does not answer within 5 s.
    pub async fn command<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Reply> {
        self.connect().await?.command(args).await
    }

    /// One section of `INFO`.
    ///
    /// # Errors
    /// As [`RedisServer::command`].
    pub async fn info(&self, section: &str) -> Result<String> {
        let reply = self.command(&["INFO", section]).await?.refused()?;
        Ok(reply.text().unwrap_or_default())
    }

    /// The last lines that the server has logged.
    pub fn log(&self) -> String {
        ["redis.log", "stderr.log"]
            .map(|name| last_lines(&self.folder.path().join(name)))
            .join("\n")
    }

    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        locked(&self.process)
    }

    fn with_process<T>(&self, act: impl FnOnce(&mut Supervised) -> Result<T>) -> Result<T> {
        match self.process().as_mut() {
            Some(process) => act(process),
            None => Err(self.not_running()),
        }
    }

    fn taken(&self) -> Result<Supervised> {
        let taken = self.process().take();
        taken.ok_or_else(|| self.not_running())
    }

    fn not_running(&self) -> Failure {
        Failure::new(format!("the server on port {} does not run", self.port))
    }
}

/// The value of `name` in the text of `INFO` or `CLUSTER INFO`.
pub fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
