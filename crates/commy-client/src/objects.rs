//! An object, as seen from afar: values as any type that serde can read and write.

use crate::error::{Error, Result};
use crate::services::Service;
use crate::typed::{from_json, to_json};
use crate::watch::Watch;
use commy_wire::{Call, Clear, Get, Insert, Length, Pop, Push, Remove, Reply, Scan, Set};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// An object, which may be there or not. Paths are steps with `/` between, `""` is the whole value.
#[derive(Clone, Debug)]
pub struct Object {
    service: Service,
    name: String,
}

/// A page of entries.
#[derive(Clone, Debug)]
pub struct Page<K, V> {
    /// Keys and values; of a sequence indices and elements, of a set elements and `()`.
    pub entries: Vec<(K, V)>,
    /// For the next page; none if this is the last.
    pub cursor: Option<String>,
    /// The object's version.
    pub version: u64,
}

fn version(reply: Reply) -> Result<u64> {
    match reply {
        Reply::Changed { version } => Ok(version),
        _ => Err(Error::Unexpected),
    }
}

fn value<T: DeserializeOwned>(reply: Reply) -> Result<(Option<T>, u64)> {
    match reply {
        Reply::Value { found: true, value, version } => Ok((Some(from_json(value)?), version)),
        Reply::Value { version, .. } => Ok((None, version)),
        _ => Err(Error::Unexpected),
    }
}

impl Object {
    pub(crate) fn new(service: Service, name: String) -> Object {
        Object { service, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    fn parts(&self, path: &str) -> (String, String) {
        (self.name.clone(), path.to_owned())
    }

    /// What a path leads to; `None` if nothing is there.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call); [`Error::Value`] if it is none of that type.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        self.get_versioned(path).await.map(|(value, _)| value)
    }

    /// The same with the object's version.
    ///
    /// # Errors
    /// As [`get`](Object::get).
    pub async fn get_versioned<T: DeserializeOwned>(&self, path: &str) -> Result<(Option<T>, u64)> {
        let (object, path) = self.parts(path);
        value(self.service.call(Call::Get(Get { object, path, if_version: None })).await?)
    }

    /// Replaces what a path leads to; in a map puts an entry in. Gives the object's version.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call); [`Error::Value`] for what cannot be JSON.
    pub async fn set<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<u64> {
        self.set_if(path, value, None).await
    }

    /// The same if the object has a version; else [`Code::Conflict`](commy_wire::Code::Conflict).
    ///
    /// # Errors
    /// As [`set`](Object::set).
    pub async fn set_if<T: Serialize + ?Sized>(&self, path: &str, value: &T, if_version: Option<u64>) -> Result<u64> {
        let (object, path) = self.parts(path);
        version(self.service.call(Call::Set(Set { object, path, value: to_json(value)?, if_version })).await?)
    }

    /// Puts something in that is not there; gives whether it was not.
    ///
    /// # Errors
    /// As [`set`](Object::set).
    pub async fn insert<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<bool> {
        let (object, path) = self.parts(path);
        let insert = Insert { object, path, value: to_json(value)?, if_version: None };
        match self.service.call(Call::Insert(insert)).await? {
            Reply::Inserted { new, .. } => Ok(new),
            _ => Err(Error::Unexpected),
        }
    }

    /// Takes out what a path leads to.
    ///
    /// # Errors
    /// As [`get`](Object::get).
    pub async fn remove<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let (object, path) = self.parts(path);
        let remove = Remove { object, path, if_version: None };
        value(self.service.call(Call::Remove(remove)).await?).map(|(value, _)| value)
    }

    /// Makes the container at a path empty.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call).
    pub async fn clear(&self, path: &str) -> Result<()> {
        let (object, path) = self.parts(path);
        version(self.service.call(Call::Clear(Clear { object, path, if_version: None })).await?).map(|_| ())
    }

    /// Adds an element behind the last.
    ///
    /// # Errors
    /// As [`set`](Object::set).
    pub async fn push<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<()> {
        let (object, path) = self.parts(path);
        let push = Push { object, path, value: to_json(value)?, front: false, if_version: None };
        version(self.service.call(Call::Push(push)).await?).map(|_| ())
    }

    /// Takes the last element out.
    ///
    /// # Errors
    /// As [`get`](Object::get).
    pub async fn pop<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        self.take(path, false, Duration::ZERO).await
    }

    /// Takes the first element out; waits for one for so long.
    ///
    /// # Errors
    /// As [`get`](Object::get).
    pub async fn pop_front<T: DeserializeOwned>(&self, path: &str, wait: Duration) -> Result<Option<T>> {
        self.take(path, true, wait).await
    }

    async fn take<T: DeserializeOwned>(&self, path: &str, front: bool, wait: Duration) -> Result<Option<T>> {
        let (object, path) = self.parts(path);
        let wait_ms = (!wait.is_zero()).then_some(wait.as_millis() as u64);
        let pop = Pop { object, path, front, wait_ms, if_version: None };
        value(self.service.call(Call::Pop(pop)).await?).map(|(value, _)| value)
    }

    /// How many elements or entries are at a path, of a text bytes; `None` if nothing is there.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call).
    pub async fn len(&self, path: &str) -> Result<Option<u64>> {
        let (object, path) = self.parts(path);
        match self.service.call(Call::Length(Length { object, path, if_version: None })).await? {
            Reply::Length { length, .. } => Ok(length),
            _ => Err(Error::Unexpected),
        }
    }

    /// A page of entries, after the one whose cursor is given.
    ///
    /// # Errors
    /// As [`get`](Object::get).
    pub async fn scan<K: DeserializeOwned, V: DeserializeOwned>(
        &self,
        path: &str,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<K, V>> {
        let (object, path) = self.parts(path);
        match self.service.call(Call::Scan(Scan { object, path, cursor, limit: Some(limit) })).await? {
            Reply::Page { entries, cursor, version } => {
                let entry = |(key, value)| Ok((from_json(key)?, from_json(value)?));
                Ok(Page { entries: entries.into_iter().map(entry).collect::<Result<_>>()?, cursor, version })
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// Tells of what changes at a path from now on, the value first.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call).
    pub async fn watch(&self, path: &str) -> Result<Watch> {
        self.watch_since(path, None).await
    }

    /// Tells of what changed at a path since a version, for who knows it as it was then.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call).
    pub async fn watch_since(&self, path: &str, since: Option<u64>) -> Result<Watch> {
        let (object, path) = self.parts(path);
        let watch = commy_wire::Watch { object, path, since };
        Watch::begin(self.service.client().clone(), self.service.name().to_owned(), watch).await
    }
}
