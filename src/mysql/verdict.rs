//! What an error of the driver or the server proves: of a statement, and of an attempt to connect.

use mysql_async::{DriverError, Error as Fault, IoError};

use crate::exit::{Cause, CauseKind};
use crate::mysql::effect::Effect;
use crate::mysql::error::{Error, ErrorKind, Outcome, ServerError};
#[cfg(feature = "tls")]
use crate::mysql::secure;

/// Errors of the server that leave open whether the statement had an effect: it was interrupted,
/// by a person, a limit or a shutdown. Tables without transactions keep what was done by then.
/// (<https://mariadb.com/kb/en/mariadb-error-codes/>)
const OPEN: [u16; 12] = [
    1028, // filesort aborted
    1053, // server shutdown in progress
    1105, // unknown error
    1158, 1159, 1160, 1161, // network errors, as the server saw them
    1180, // error during COMMIT
    1317, // query execution was interrupted
    1927, // connection was killed
    1969, // max_statement_time exceeded (MariaDB)
    3024, // max_execution_time exceeded (MySQL)
];

/// After these the server closes the connection.
const LAST_WORDS: [u16; 4] = [
    1053, // server shutdown in progress
    1152, // aborted connection
    1927, // connection was killed
    4031, // disconnected because of inactivity (MySQL 8): said before the statement is read
];

/// Wrong credentials, or not allowed.
const DENIED: [u16; 8] = [1044, 1045, 1130, 1251, 1698, 1862, 3118, 4151];

/// The setup cannot work: it cannot be parsed, or sets what is not there or to what cannot be.
const BAD_SETUP: [u16; 4] = [1064, 1193, 1231, 1232];

/// Of a statement that had been written and may have had this effect, or of one that had not.
pub(super) fn on_statement(fault: Fault, written: Option<Effect>) -> Error {
    let open = match written {
        Some(_) => Outcome::Unknown,
        None => Outcome::NotSent,
    };
    match fault {
        Fault::Server(error) if error.code == 4031 => {
            Error::not_sent(ErrorKind::Lost(said_last(&error)))
        }
        Fault::Server(error) if LAST_WORDS.contains(&error.code) => {
            Error::new(ErrorKind::Lost(said_last(&error)), open)
        }
        Fault::Server(error) => {
            let refused = written.is_none_or(|effect| {
                effect.is_refused_by(error.code) && !OPEN.contains(&error.code)
            });
            let outcome = match refused {
                true => Outcome::Refused,
                false => Outcome::Unknown,
            };
            Error::new(ErrorKind::Server(served(&error)), outcome)
        }
        Fault::Driver(error) if is_misuse(&error) => {
            Error::not_sent(ErrorKind::Parameters(error.to_string().into()))
        }
        other => Error::new(ErrorKind::Lost(broken(&other)), open),
    }
}

/// Of an attempt to connect.
pub(super) fn on_connect(fault: &Fault) -> Cause {
    let Fault::Server(error) = fault else {
        return broken(fault);
    };
    let kind = match error.code {
        code if DENIED.contains(&code) => CauseKind::Denied,
        // Unknown database.
        1049 => CauseKind::Misconfigured,
        code if BAD_SETUP.contains(&code) => CauseKind::Misconfigured,
        // Too many connections, host blocked, server starts or ends, and what else may pass.
        _ => CauseKind::Unavailable,
    };
    // These name user, host and database, which are the configuration's own. Others may quote a
    // statement of the setup.
    let is_plain = DENIED.contains(&error.code) || error.code == 1049;
    match is_plain {
        true => Cause::new(kind, format!("{}: {}", error.code, error.message)),
        false => Cause::new(kind, served(error).to_string()),
    }
}

fn served(error: &mysql_async::ServerError) -> ServerError {
    ServerError::new(error.code, &error.state, &error.message)
}

fn said_last(error: &mysql_async::ServerError) -> Cause {
    Cause::new(CauseKind::Closed, served(error).to_string())
}

/// Parameters that do not fit: nothing of it was written.
fn is_misuse(error: &DriverError) -> bool {
    matches!(
        error,
        DriverError::Params(_)
            | DriverError::MixedParams
            | DriverError::StmtParamsMismatch { .. }
            | DriverError::StmtParamsNumberExceedsLimit { .. }
    )
}

/// The connection is no longer good. The driver's own text is shown only where it quotes nothing.
fn broken(fault: &Fault) -> Cause {
    match fault {
        Fault::Io(IoError::Io(error)) => {
            #[cfg(feature = "tls")]
            if let Some(inner) = error.get_ref()
                && let Some(inner) = inner.downcast_ref::<rustls::Error>()
            {
                return secure::cause_of(inner);
            }
            Cause::from_io(error)
        }
        #[cfg(feature = "tls")]
        Fault::Io(IoError::Tls(mysql_async::TlsError::Tls(error))) => secure::cause_of(error),
        // A file of a certificate or key that is not what it should be.
        #[cfg(feature = "tls")]
        Fault::Io(IoError::Tls(error)) => Cause::new(CauseKind::Certificate, error.to_string()),
        Fault::Driver(DriverError::ConnectionClosed) => CauseKind::Closed.into(),
        Fault::Driver(
            error @ (DriverError::UnknownAuthPlugin { .. }
            | DriverError::MysqlOldPasswordDisabled
            | DriverError::CleartextPluginDisabled
            | DriverError::NoClientSslFlagFromServer),
        ) => Cause::new(CauseKind::Misconfigured, error.to_string()),
        Fault::Driver(DriverError::PacketTooLarge) => {
            Cause::new(CauseKind::Protocol, "a packet was too large")
        }
        Fault::Driver(DriverError::PacketOutOfOrder) => {
            Cause::new(CauseKind::Protocol, "a packet came out of order")
        }
        _ => Cause::new(CauseKind::Protocol, "the server broke the protocol"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Fault {
        Fault::Server(mysql_async::ServerError {
            code,
            message: "said 'hunter2'".to_owned(),
            state: "HY000".to_owned(),
        })
    }

    #[test]
    fn an_error_of_the_server_is_a_refusal_unless_it_leaves_the_end_open() {
        for (code, outcome) in [
            (1062, Outcome::Refused),
            (1064, Outcome::Refused),
            (1205, Outcome::Refused),
            (1213, Outcome::Refused),
            (1317, Outcome::Unknown),
            (1927, Outcome::Unknown),
            (1053, Outcome::Unknown),
            (1969, Outcome::Unknown),
            (4031, Outcome::NotSent),
        ] {
            let error = on_statement(server(code), Some(Effect::Whole));
            assert_eq!(error.outcome(), outcome, "{code}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        assert_eq!(on_statement(server(1927), None).outcome(), Outcome::NotSent);
        assert!(on_statement(server(1053), Some(Effect::Reads)).is_lost());
        for (code, written, outcome) in [
            (1644, Some(Effect::Parts), Outcome::Unknown),
            (1064, None, Outcome::Refused),
            (1051, Some(Effect::Defines), Outcome::Unknown),
        ] {
            let error = on_statement(server(code), written);
            assert_eq!(error.outcome(), outcome, "{code}");
        }
    }

    #[test]
    fn a_packet_that_came_unasked_is_not_shown() {
        let payload = b"hunter2".to_vec();
        let fault = Fault::Driver(DriverError::UnexpectedPacket { payload });
        let error = on_statement(fault, Some(Effect::Reads));
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn what_will_not_pass_by_itself_parks_the_link() {
        for (code, kind) in [
            (1045, CauseKind::Denied),
            (1044, CauseKind::Denied),
            (1049, CauseKind::Misconfigured),
            (1040, CauseKind::Unavailable),
            (1203, CauseKind::Unavailable),
            (1064, CauseKind::Misconfigured),
            (1193, CauseKind::Misconfigured),
            (1231, CauseKind::Misconfigured),
            (1232, CauseKind::Misconfigured),
            (9999, CauseKind::Unavailable),
        ] {
            assert_eq!(on_connect(&server(code)).kind(), kind, "{code}");
        }
        // What a statement of the setup is quoted with is shown nowhere.
        for code in [1040, 1064, 1231] {
            let cause = on_connect(&server(code));
            assert!(!cause.to_string().contains("hunter2"), "{cause}");
        }
        let eof = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert_eq!(on_connect(&eof.into()).kind(), CauseKind::Closed);
    }
}
