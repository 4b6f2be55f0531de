//! How rows are written. What comes in is a row's bytes; what goes out is what they mean, and the way back.

use serde::de::DeserializeOwned;

use super::super::baseline::UserRow;
use super::super::keys;
use super::super::numbers::NumberBlock;
use super::super::rows::RowsError;
use crate::model::UserNumber;

/// Reads a person's row: the number, then everything else as JSON.
pub(in crate::store) fn decode_user(bytes: &[u8]) -> Result<UserRow, RowsError> {
    let (number, json) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged(keys::USERS))?;
    let row: UserRow = serde_json::from_slice(json).map_err(|_| damaged(keys::USERS))?;
    Ok(UserRow { number: UserNumber(u32::from_le_bytes(*number)), ..row })
}

/// Reads only the number of a person's row.
pub(in crate::store) fn decode_number(bytes: &[u8]) -> Result<UserNumber, RowsError> {
    bytes.first_chunk().map(|number| UserNumber(u32::from_le_bytes(*number))).ok_or_else(|| damaged(keys::USERS))
}

pub(super) fn encode_user(row: &UserRow) -> Result<Vec<u8>, RowsError> {
    let mut bytes = row.number.0.to_le_bytes().to_vec();
    serde_json::to_writer(&mut bytes, row).map_err(unwritable)?;
    Ok(bytes)
}

pub(in crate::store) fn damaged(key: &[u8]) -> RowsError {
    RowsError::Damaged(format!("row {:?} can't be read", String::from_utf8_lossy(key)))
}

pub(super) fn unwritable(error: serde_json::Error) -> RowsError {
    RowsError::Io(error.into())
}

/// Reads a JSON row.
pub(in crate::store) fn get_json<T: DeserializeOwned>(
    bytes: Option<&[u8]>,
    key: &[u8],
) -> Result<Option<T>, RowsError> {
    bytes.map(|bytes| serde_json::from_slice(bytes).map_err(|_| damaged(key))).transpose()
}

/// Reads a block of numbers.
pub(in crate::store) fn get_block(bytes: Option<&[u8]>, key: &[u8]) -> Result<Option<NumberBlock>, RowsError> {
    bytes.map(|bytes| NumberBlock::decode(bytes).ok_or_else(|| damaged(key))).transpose()
}
