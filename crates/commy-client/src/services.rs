//! A service, as seen from afar.

use crate::connection::Client;
use crate::error::{Error, Result};
use crate::objects::Object;
use commy_wire::{
    Batch, Call, Empty, Mode, ObjectCreate, ObjectInfo, ObjectName, Operation, Reply, ServiceCreate, ServiceInfo,
};
use serde::Serialize;

/// A service, which may be there or not.
#[derive(Clone, Debug)]
pub struct Service {
    client: Client,
    name: String,
}

impl Service {
    pub(crate) fn new(client: Client, name: String) -> Service {
        Service { client, name }
    }

    /// `tenant/service`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for something that is about this service.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call(&self, call: Call) -> Result<Reply> {
        self.client.call(Some(&self.name), call).await
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    async fn info(&self, call: Call) -> Result<ServiceInfo> {
        match self.call(call).await? {
            Reply::Service(info) => Ok(info),
            _ => Err(Error::Unexpected),
        }
    }

    /// Makes it; the quota is in bytes, the server's default unless given.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn create(&self, mode: Mode, quota: Option<u64>) -> Result<ServiceInfo> {
        self.info(Call::ServiceCreate(ServiceCreate { mode, quota })).await
    }

    /// Whether it is there, and what may be done there.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn open(&self) -> Result<ServiceInfo> {
        self.info(Call::ServiceOpen(Empty {})).await
    }

    /// What it is and how much room it takes.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn describe(&self) -> Result<ServiceInfo> {
        self.info(Call::ServiceDescribe(Empty {})).await
    }

    /// Deletes it, with all that is in it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn delete(&self) -> Result<()> {
        self.call(Call::ServiceDelete(Empty {})).await.map(|_| ())
    }

    /// The names of its objects.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn objects(&self) -> Result<Vec<String>> {
        match self.call(Call::ObjectList(Empty {})).await? {
            Reply::Objects(names) => Ok(names),
            _ => Err(Error::Unexpected),
        }
    }

    /// An object, which may be there or not.
    pub fn object(&self, name: &str) -> Object {
        Object::new(self.clone(), name.to_owned())
    }

    /// Makes an object of a type written as in Rust, `HashMap<String, u64>`, zero and empty.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn create_object(&self, name: &str, r#type: &str) -> Result<Object> {
        let create = ObjectCreate { object: name.into(), r#type: r#type.into(), ..ObjectCreate::default() };
        self.create_object_as(create).await
    }

    /// The same with a value to begin with.
    ///
    /// # Errors
    /// As [`Client::call`]; [`Error::Value`] for what cannot be JSON.
    pub async fn create_object_with<T: Serialize>(&self, name: &str, r#type: &str, value: &T) -> Result<Object> {
        let value = Some(crate::typed::to_json(value)?);
        let create = ObjectCreate { object: name.into(), r#type: r#type.into(), value, ..ObjectCreate::default() };
        self.create_object_as(create).await
    }

    /// The same with all that can be said.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn create_object_as(&self, create: ObjectCreate) -> Result<Object> {
        let object = self.object(&create.object);
        self.call(Call::ObjectCreate(create)).await.map(|_| object)
    }

    /// What an object is.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn describe_object(&self, name: &str) -> Result<ObjectInfo> {
        match self.call(Call::ObjectDescribe(ObjectName { object: name.into() })).await? {
            Reply::Object(info) => Ok(info),
            _ => Err(Error::Unexpected),
        }
    }

    /// Removes an object.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn remove_object(&self, name: &str) -> Result<()> {
        self.call(Call::ObjectRemove(ObjectName { object: name.into() })).await.map(|_| ())
    }

    /// Does several operations, all or none; gives an answer to each.
    ///
    /// # Errors
    /// As [`Client::call`]; the failure says which operation it was.
    pub async fn batch(&self, operations: Vec<Operation>) -> Result<Vec<Reply>> {
        match self.call(Call::Batch(Batch { operations })).await? {
            Reply::Batch { results } => Ok(results),
            _ => Err(Error::Unexpected),
        }
    }
}
