//! Rows that have just been accepted, kept until their first call so that they need not be read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use laneway_journal::{Row, Sequence};

/// The rows, limited by the bytes of their bodies. A row that does not fit is read from the journal when it is needed.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    rows: BTreeMap<Sequence, Arc<Row>>,
    bytes: usize,
}

impl Bodies {
    const BYTES_MAX: usize = 32 << 20;

    /// What a row counts for beside its body.
    const ROW_BYTES: usize = 256;

    pub(crate) fn keep(&mut self, row: Arc<Row>) {
        let bytes = Self::bytes_of(&row);
        if self.bytes + bytes <= Self::BYTES_MAX {
            self.bytes += bytes;
            if let Some(known) = self.rows.insert(row.id.sequence(), row) {
                self.bytes -= Self::bytes_of(&known);
            }
        }
    }

    pub(crate) fn take(&mut self, sequence: Sequence) -> Option<Arc<Row>> {
        let row = self.rows.remove(&sequence)?;
        self.bytes -= Self::bytes_of(&row);
        Some(row)
    }

    fn bytes_of(row: &Row) -> usize {
        row.body.len() + Self::ROW_BYTES
    }
}
