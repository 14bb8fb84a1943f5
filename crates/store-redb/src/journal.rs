//! Journals.

use redb::{ReadableTable, WriteTransaction};
use store::{Entry, Fault, Journal, JournalError, Position, Space, check_name_size, check_value_size};

use crate::RedbStore;
use crate::change::Change;
use crate::layout::{ENTRIES, JOURNALS, entry_key, position_of, stored_key};

impl Journal for RedbStore {
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError> {
        check_name_size(name).map_err(JournalError::Unavailable)?;
        values.iter().try_for_each(|value| check_value_size(value)).map_err(JournalError::Unavailable)?;
        let journal = stored_key(space, name);
        if values.is_empty() {
            let next = self.read(|moment| next_position(&moment.open_table(JOURNALS)?, &journal));
            return next.map(Position).map_err(JournalError::Unavailable);
        }
        let change = Change::Append { space, name: name.into(), values: values.into() };
        let appended =
            self.change(&change, |transaction| append(transaction, space, name, values).map(Some))?;
        Ok(appended.expect("an append is never taken back by itself"))
    }

    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault> {
        let (Some(first), Some(last)) =
            (entry_key(space, name, from), entry_key(space, name, Position(u64::MAX)))
        else {
            return Ok(Vec::new());
        };
        self.read(|moment| {
            let entries = moment.open_table(ENTRIES)?;
            let mut page = Vec::new();
            for entry in entries.range::<&[u8]>(&first[..]..=&last[..])?.take(limit) {
                let (key, value) = entry?;
                let position = position_of(key.value())
                    .ok_or_else(|| redb::Error::Corrupted("an entry has no position".to_owned()))?;
                page.push(Entry { position, value: value.value().to_vec() });
            }
            Ok(page)
        })
    }

    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError> {
        let change = Change::Trim { space, name: name.into(), before };
        self.change(&change, |transaction| trim(transaction, space, name, before))?;
        Ok(())
    }
}

/// Appends `values` to the journal; gives the position of the first.
pub(crate) fn append(
    transaction: &WriteTransaction,
    space: Space,
    name: &[u8],
    values: &[Vec<u8>],
) -> Result<Position, redb::Error> {
    let journal = stored_key(space, name);
    let mut journals = transaction.open_table(JOURNALS)?;
    let first = next_position(&journals, &journal)?;
    let mut entries = transaction.open_table(ENTRIES)?;
    let mut position = first;
    for value in values {
        let key = entry_key(space, name, Position(position)).expect("the name's size was checked");
        entries.insert(&key[..], &value[..])?;
        position += 1;
    }
    journals.insert(&journal[..], position)?;
    Ok(Position(first))
}

/// Drops the entries before `before`; `None` when there are none.
pub(crate) fn trim(
    transaction: &WriteTransaction,
    space: Space,
    name: &[u8],
    before: Position,
) -> Result<Option<()>, redb::Error> {
    let (Some(first), Some(end)) = (entry_key(space, name, Position(0)), entry_key(space, name, before))
    else {
        return Ok(None);
    };
    let mut entries = transaction.open_table(ENTRIES)?;
    let nothing_to_drop = entries.range::<&[u8]>(&first[..]..&end[..])?.next().is_none();
    if nothing_to_drop {
        return Ok(None);
    }
    entries.retain_in::<&[u8], _>(&first[..]..&end[..], |_, _| false)?;
    Ok(Some(()))
}

fn next_position(
    journals: &impl ReadableTable<&'static [u8], u64>,
    journal: &[u8],
) -> Result<u64, redb::Error> {
    Ok(journals.get(journal)?.map_or(0, |next| next.value()))
}
