//! One-operation forms of strings.

use crate::error::Result;
use crate::shared::Shared;

impl Shared<String> {
    /// How many bytes it has.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn len(&self) -> Result<usize> {
        self.peek(move |text| text.byte_len())
    }

    /// Whether it is empty.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Puts a text at the end.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    pub fn push_str(&self, more: &str) -> Result<()> {
        self.change(|text| text.push_str(more))
    }

    /// Puts a character at the end.
    ///
    /// # Errors
    /// As [`push_str`](Shared::push_str).
    pub fn push(&self, character: char) -> Result<()> {
        self.change(|text| text.push(character))
    }

    /// Replaces the text.
    ///
    /// # Errors
    /// As [`push_str`](Shared::push_str).
    pub fn set(&self, to: &str) -> Result<()> {
        self.change(|text| text.set(to))
    }

    /// Removes the text.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|text| text.clear())
    }
}
