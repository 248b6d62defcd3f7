//! One text of an answer: a choice's content, one tool call's arguments. It is redacted first, then values come back.

use crate::fault::Fault;
use crate::redact::{Counts, Escaping, Finding, Leaves, Restore, Stream};

use super::Redaction;

/// One text on its way to the app.
pub(super) struct Channel {
    scan: Scan,
    restore: Restore,
    /// What was scanned and not yet restored.
    scanned: String,
}

enum Scan {
    /// Answers are not redacted.
    Off,
    Text(Box<Stream>),
    Json(Box<Leaves>),
}

impl Channel {
    pub(super) fn new(redaction: &Redaction, is_json: bool) -> Self {
        let tenant = redaction.vault.tenant();
        let scan = match (redaction.rule.redacts_answers, is_json) {
            (false, _) => Scan::Off,
            (true, false) => Scan::Text(Box::new(Stream::new(tenant))),
            (true, true) => Scan::Json(Box::new(Leaves::new(tenant))),
        };
        let escaping = if is_json {
            Escaping::Json
        } else {
            Escaping::Plain
        };
        Self {
            scan,
            restore: Restore::new(escaping),
            scanned: String::new(),
        }
    }

    /// Takes the next piece. What is decided is added to `out`.
    pub(super) fn push(
        &mut self,
        redaction: &Redaction,
        piece: &str,
        out: &mut String,
        counts: &mut Counts,
    ) -> Result<(), Fault> {
        let plan = &redaction.rule.plan;
        let mut found = |finding: Finding| counts.add(plan, &finding);
        match &mut self.scan {
            Scan::Off => self.scanned.push_str(piece),
            Scan::Text(stream) => stream.push(plan, piece, &mut self.scanned, &mut found),
            Scan::Json(leaves) => leaves.push(plan, piece, &mut self.scanned, &mut found),
        }
        self.restore(redaction, out)
    }

    /// The text is over: all that is held comes out.
    pub(super) fn finish(
        &mut self,
        redaction: &Redaction,
        out: &mut String,
        counts: &mut Counts,
    ) -> Result<(), Fault> {
        let plan = &redaction.rule.plan;
        let mut found = |finding: Finding| counts.add(plan, &finding);
        match &mut self.scan {
            Scan::Off => {}
            Scan::Text(stream) => stream.finish(plan, &mut self.scanned, &mut found),
            Scan::Json(leaves) => leaves.finish(plan, &mut self.scanned, &mut found),
        }
        self.restore(redaction, out)?;
        self.restore.finish(out);
        Ok(())
    }

    fn restore(&mut self, redaction: &Redaction, out: &mut String) -> Result<(), Fault> {
        let blocked = match &self.scan {
            Scan::Off => None,
            Scan::Text(stream) => stream.blocked(),
            Scan::Json(leaves) => leaves.stream().blocked(),
        };
        if let Some(kind) = blocked {
            return Err(redaction.blocked(kind));
        }
        self.restore.push(&redaction.vault, &self.scanned, out);
        self.scanned.clear();
        Ok(())
    }
}
