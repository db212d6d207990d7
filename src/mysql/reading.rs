//! How the answer to a statement is read, and what becomes of it: [`Fate`].

use std::future::Future;

use futures_util::StreamExt;
use mysql_async::prelude::Protocol;
use mysql_async::{Error as Fault, Params, QueryResult};

use crate::mysql::answer::{Answer, weight};
use crate::mysql::effect::Effect;
use crate::mysql::error::{Error, ErrorKind, Outcome, Result};
use crate::mysql::verdict;

/// What became of a statement on the wire.
pub(super) enum Fate {
    Done(Answer),
    Failed(Error),
    /// Larger than allowed, and read to its end.
    TooLarge,
    /// The same, and not read to its end.
    CutOff,
}

/// How an answer is read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Rows to keep at the most, in bytes.
    pub(super) most: usize,
    pub(super) effect: Effect,
    /// What is too large need not be read to its end.
    pub(super) cuts: bool,
}

/// The first result set, bounded; the rest is read and dropped, unless it may be cut off.
pub(super) async fn gather<'a, 't: 'a, P>(
    running: impl Future<Output = std::result::Result<QueryResult<'a, 't, P>, Fault>>,
    reading: Reading,
) -> Fate
where
    P: Protocol + Unpin,
{
    let mut result = match running.await {
        Ok(result) => result,
        Err(fault) => return Fate::Failed(verdict::on_statement(fault, Some(reading.effect))),
    };
    let mut answer = Answer {
        affected_rows: result.affected_rows(),
        last_insert_id: result.last_insert_id(),
        rows: Vec::new(),
        session: None,
    };
    let mut bytes = 0;
    let gathered: std::result::Result<bool, Fault> = async {
        if let Some(mut rows) = result.stream::<mysql_async::Row>().await? {
            while let Some(row) = rows.next().await {
                let row = row?;
                bytes += weight(&row);
                if bytes <= reading.most {
                    answer.rows.push(row);
                } else if reading.cuts {
                    return Ok(false);
                } else {
                    answer.rows = Vec::new();
                }
            }
        }
        result.drop_result().await?;
        Ok(true)
    }
    .await;
    match gathered {
        Ok(true) if bytes > reading.most => Fate::TooLarge,
        Ok(true) => Fate::Done(answer),
        Ok(false) => Fate::CutOff,
        // The first part of it had been executed.
        Err(fault) => {
            let error = verdict::on_statement(fault, Some(reading.effect));
            Fate::Failed(error.with_outcome(Outcome::Unknown))
        }
    }
}

/// The driver would find out only after it has given the connection up.
pub(super) fn fits(prepared: &mysql_async::Statement, params: &Params) -> Result<()> {
    let (takes, given) = match params {
        Params::Positional(values) => (usize::from(prepared.num_params()), values.len()),
        Params::Empty => (usize::from(prepared.num_params()), 0),
        Params::Named(_) => return Ok(()),
    };
    if takes == given {
        return Ok(());
    }
    let text = format!("the statement takes {takes} parameters, {given} were given");
    Err(Error::not_sent(ErrorKind::Parameters(text.into())))
}
