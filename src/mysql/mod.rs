//! MySQL and MariaDB: a supervised pool of connections, on the driver `mysql_async`.
//!
//! ```no_run
//! use everlink::mysql::{MysqlSettings, Pool};
//! use std::time::Duration;
//!
//! # async fn example() -> everlink::mysql::Result<()> {
//! let settings = MysqlSettings::from_url("mysql://app:secret@127.0.0.1:3306/shop")?;
//! let pool = Pool::open(settings)?;
//! pool.ready(Duration::from_secs(5)).await.expect("a server");
//! pool.exec("INSERT INTO visits (name) VALUES (?)", ("Kim",)).await?;
//! let visits: Vec<(u64, String)> = pool.query("SELECT id, name FROM visits").await?.rows()?;
//! let moved = pool
//!     .transaction(async |session| {
//!         session.exec("UPDATE accounts SET n = n - ? WHERE id = 1", (5,)).await?;
//!         session.exec("UPDATE accounts SET n = n + ? WHERE id = 2", (5,)).await
//!     })
//!     .await?;
//! assert_eq!(moved.affected_rows(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! A link owns the pool: it is up while the server answers, and every connection of the pool is
//! gone when it is down. `docs/mysql.md` tells what is promised.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings`, `url` | what can be set, its defaults and bounds |
//! | `error` | what can go wrong, and what became of the statement |
//! | `statement`, `answer` | what is asked, and what came back |
//! | `effect` | how much of a statement may have been done when it failed |
//! | `verdict` | what an error of the driver or the server proves |
//! | `secure` | TLS as the driver takes it |
//! | `wire` | one connection of the driver, closed when dropped |
//! | `queue` | where calls wait for a connection |
//! | `reading` | how an answer is read, and what becomes of it |
//! | `session` | a connection lent to one call |
//! | `lending` | how far it was used, and what is left of it |
//! | `call` | one call: its work and who waits for it |
//! | `pump` | one life of the pool: lends, warms, retires, ends |
//! | `check` | is the server there? |
//! | `task` | what is under way for one connection |
//! | `connection` | the backend and its connection actor |
//! | `pool` | the handle |

mod answer;
mod call;
mod check;
mod connection;
mod effect;
mod error;
mod lending;
mod pool;
mod pump;
mod queue;
mod reading;
#[cfg(feature = "tls")]
mod secure;
mod session;
mod settings;
mod statement;
mod task;
mod url;
mod verdict;
mod wire;

pub use answer::Answer;
pub use connection::MysqlBackend;
pub use error::{Error, ErrorKind, Outcome, Result, ServerError};
pub use mysql_async::prelude::{FromRow, FromValue};
pub use mysql_async::{Params, Row, Value, params};
pub use pool::Pool;
pub use queue::Statistics;
pub use session::Session;
pub use settings::{Health, MysqlSettings, PoolSize, Timeouts, WhenDown};
pub use statement::Statement;
