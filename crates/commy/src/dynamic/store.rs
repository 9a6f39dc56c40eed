//! From a value to its stored form.

use super::fit::{elements, fields, inside, misfit, number, variant};
use super::load::{array_count, is_bytes};
use super::value::Value;
use crate::containers::deque::{DequeHeader, Ring};
use crate::containers::vec::{Shape, VecHeader};
use crate::error::{Error, Result};
use crate::schema::nesting::Nesting;
use crate::schema::{Field, Kind};
use crate::tx::Cx;
use crate::walk::Plan;

/// Puts the stored form of a value of a node into `out`, which has that many bytes, all of them zero. What it owns is
/// allocated; on an error it is left to the caller to undo that.
pub(super) fn store(cx: Cx, plan: &Plan, node: usize, value: &Value, out: &mut [u8]) -> Result<()> {
    let _nesting = Nesting::enter(plan.owns(node))?;
    let described = plan.node(node);
    let (first, _) = plan.entries(node);
    match described.kind {
        Kind::Unit if *value == Value::Unit => Ok(()),
        Kind::Unit => Err(misfit(described, value)),
        Kind::Duration => {
            let Value::Duration(duration) = value else { return Err(misfit(described, value)) };
            // All bytes of a duration but padding, which is not looked at, are in these two parts.
            let (whole, nanos) = (duration.as_secs(), duration.subsec_nanos());
            let at = crate::walk::NANOSECONDS_AT as usize;
            out[8 - at..][..8].copy_from_slice(&whole.to_ne_bytes());
            out[at..][..4].copy_from_slice(&nanos.to_ne_bytes());
            Ok(())
        }
        Kind::Atomic => {
            let value_of = plan.node(first.unwrap_or(node));
            put_number(out, number(value_of, value)?);
            Ok(())
        }
        Kind::Struct => {
            let own = described.variants.first().map_or(&[][..], |part| &part.fields);
            store_fields(cx, plan, own, &fields(described, own, value)?, out)
        }
        Kind::Enum | Kind::SignedEnum | Kind::Option => {
            let (variant, values) = variant(described, value)?;
            let tag = out.len().min(8);
            put_number(&mut out[..tag], u128::from(variant.tag));
            let stored = store_fields(cx, plan, &variant.fields, &values, out);
            stored.map_err(|error| if described.kind == Kind::Option { error } else { inside(error, &variant.name) })
        }
        Kind::Array => {
            if let Value::Bytes(bytes) = value
                && bytes.len() == out.len()
                && is_bytes(plan, node)
            {
                out.copy_from_slice(bytes);
                return Ok(());
            }
            let all = elements(described, value)?;
            if all.len() as u64 != array_count(plan, node) {
                let found = format!("a list of {}", all.len());
                return Err(Error::BadValue { place: String::new(), found, expected: described.name.clone() });
            }
            store_row(cx, plan, first.unwrap_or(node), &all, out)
        }
        Kind::String => {
            let Value::Text(text) = value else { return Err(misfit(described, value)) };
            let block = take(cx, text.len() as u64, 1)?;
            block.bytes.copy_from_slice(text.as_bytes());
            put_words(out, VecHeader::words_of_full(block.offset, text.len() as u64));
            Ok(())
        }
        Kind::Vec => {
            let (offset, len) = store_elements(cx, plan, node, value, u64::from)?;
            put_words(out, VecHeader::words_of_full(offset, len));
            Ok(())
        }
        Kind::VecDeque => {
            let (offset, len) = store_elements(cx, plan, node, value, DequeHeader::capacity_for)?;
            let cap = DequeHeader::capacity_for(len);
            put_words(out, DequeHeader::words_of(Ring { offset, cap, head: 0, len }));
            Ok(())
        }
        Kind::Box => {
            let content = first.unwrap_or(node);
            let shape = plan.forms(node).first;
            let block = take(cx, shape.size, shape.align)?;
            store(cx, plan, content, value, block.bytes)?;
            put_words(out, [block.offset]);
            Ok(())
        }
        Kind::HashMap | Kind::HashSet | Kind::BTreeMap | Kind::BTreeSet => {
            super::keyed::store(cx, plan, node, value, out)
        }
        _ => {
            put_number(out, number(described, value)?);
            Ok(())
        }
    }
}

/// The stored form of a value as bytes of the process.
pub(super) fn stored(cx: Cx, plan: &Plan, node: usize, value: &Value) -> Result<Vec<u8>> {
    let mut bytes = vec![0; plan.node(node).size];
    store(cx, plan, node, value, &mut bytes)?;
    Ok(bytes)
}

fn put_number(out: &mut [u8], number: u128) {
    let bytes = number.to_le_bytes();
    let len = out.len();
    out.copy_from_slice(&bytes[..len]);
    if cfg!(target_endian = "big") {
        out.reverse();
    }
}

pub(super) fn put_words<const N: usize>(out: &mut [u8], words: [u64; N]) {
    for (place, word) in out.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
}

fn store_fields(cx: Cx, plan: &Plan, fields: &[Field], values: &[&Value], out: &mut [u8]) -> Result<()> {
    fields.iter().zip(values).try_for_each(|(field, value)| {
        let place = &mut out[field.offset..][..plan.node(field.node).size];
        store(cx, plan, field.node, value, place).map_err(|error| inside(error, &field.name))
    })
}

/// Elements in a row.
fn store_row(cx: Cx, plan: &Plan, element: usize, all: &[Value], out: &mut [u8]) -> Result<()> {
    let size = plan.node(element).size;
    all.iter().enumerate().try_for_each(|(index, value)| {
        let place = &mut out[index * size..][..size];
        store(cx, plan, element, value, place).map_err(|error| inside(error, &index.to_string()))
    })
}

/// The elements of a sequence in a new block, which has room for as many as `room` says; gives its offset and how many
/// they are.
fn store_elements(cx: Cx, plan: &Plan, node: usize, value: &Value, room: fn(u64) -> u64) -> Result<(u64, u64)> {
    let shape: Shape = plan.forms(node).first;
    let element = plan.entries(node).0.unwrap_or(node);
    if let (Value::Bytes(bytes), true) = (value, is_bytes(plan, node)) {
        let len = bytes.len() as u64;
        let block = take(cx, shape.bytes(room(len))?, shape.align)?;
        block.bytes[..bytes.len()].copy_from_slice(bytes);
        return Ok((block.offset, len));
    }
    let all = elements(plan.node(node), value)?;
    let len = all.len() as u64;
    let block = take(cx, shape.bytes(room(len))?, shape.align)?;
    store_row(cx, plan, element, &all, block.bytes)?;
    Ok((block.offset, len))
}

/// A new block, whose bytes nobody else knows of yet.
struct Block<'a> {
    offset: u64,
    bytes: &'a mut [u8],
}

fn take<'a>(cx: Cx, bytes: u64, align: u64) -> Result<Block<'a>> {
    let offset = cx.alloc(bytes, align)?;
    let place = cx.at(offset, bytes, align).ok_or_else(|| Error::corrupt(offset, "a block outside the file"))?;
    // SAFETY: so many bytes in the file, taken a moment ago, so that nobody else refers to them; they are given back at the
    // end of the transaction at the earliest, and `Block` does not leave this file.
    let bytes = unsafe { std::slice::from_raw_parts_mut(place.as_ptr(), bytes as usize) };
    bytes.fill(0);
    Ok(Block { offset, bytes })
}
