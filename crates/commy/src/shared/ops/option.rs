//! One-operation forms of options.

use crate::error::Result;
use crate::schema::Share;
use crate::shared::Shared;

impl<T: Share> Shared<Option<T>> {
    /// Whether there is a value.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn is_some(&self) -> Result<bool> {
        self.peek(move |option| option.is_some())
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn is_none(&self) -> Result<bool> {
        self.peek(move |option| option.is_none())
    }

    /// Takes the value out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn take(&self) -> Result<Option<T>> {
        self.change(|option| option.take())
    }

    /// Puts a value in. Gives the one that was there.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    pub fn replace(&self, value: T) -> Result<Option<T>> {
        self.change(|option| option.replace(value))
    }
}
