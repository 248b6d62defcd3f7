//! Credentials in URLs: what stands between `://` and `@`.

use super::Sight;
use crate::redact::entity::Entity;
use crate::redact::view::{More, is_word};

const USER_BYTES_MAX: usize = 128;

/// Schemes of databases and queues.
const STORES: &[&[u8]] = &[
    b"postgres",
    b"postgresql",
    b"mysql",
    b"mariadb",
    b"mongodb",
    b"srv",
    b"redis",
    b"rediss",
    b"amqp",
    b"amqps",
    b"mssql",
    b"sqlserver",
    b"cockroachdb",
    b"clickhouse",
    b"kafka",
    b"nats",
    b"asyncpg",
    b"psycopg2",
    b"pymysql",
];

/// Passwords of examples.
const PLACEHOLDERS: &[&[u8]] = &[b":pass", b":password", b":pw", b":passwd"];

pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    if !view.before(at).is_ascii_alphanumeric() || !view.has(at, b"://")? {
        return Ok(());
    }
    let start = at.wrapping_add(3);
    let end = view.run(start, USER_BYTES_MAX, |byte| {
        byte > b' '
            && !matches!(
                byte,
                b'/' | b'@'
                    | b'"'
                    | b'\''
                    | b'<'
                    | b'>'
                    | b'\\'
                    | b'?'
                    | b'#'
                    | b'`'
                    | b'('
                    | b')'
                    | b','
            )
    })?;
    if view.ahead(end)? != b'@' || end == start {
        return Ok(());
    }
    let user = view.part(start..end);
    let has_password = user
        .iter()
        .position(|&byte| byte == b':')
        .is_some_and(|at| at.wrapping_add(1) < user.len());
    // `${USER}:${PASSWORD}` and `<user>` are no one's.
    let is_template = PLACEHOLDERS.iter().any(|placeholder| {
        let tail = user.len().checked_sub(placeholder.len());
        let tail = tail.and_then(|at| user.get(at..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(placeholder))
    }) || user.starts_with(b"[")
        || user.starts_with(b"$")
        || user.starts_with(b"{")
        || user.contains(&b'*');
    if is_template || !has_password && user.len() < 20 {
        return Ok(());
    }
    let scheme = view.part(view.run_back(at, 12, is_word)..at);
    let entity = if STORES.contains(&scheme) {
        Entity::ConnectionString
    } else {
        Entity::UrlCredentials
    };
    sight.offer(entity, start, end, 92);
    Ok(())
}
