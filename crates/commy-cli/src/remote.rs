//! The commands for objects on a server: `commy get wss://host:7440 tenant/service/object path`, as on files.
//!
//! Who one is says `COMMY_KEY`, a key; without one, over `unix://`, it is the user. `COMMY_AUTHORITY` names a certificate
//! that is believed besides those of the public authorities.

use crate::demo::Result;
use crate::objects::{Command, Put};
use commy_client::wire::{Call, Code, ObjectCreate};
use commy_client::{Client, Credentials, Error, Object, Options, Update};
use serde_json::Value as Json;
use std::path::Path;

/// The server that a file's name is, if it is that of one.
pub fn server(file: &Path) -> Option<&str> {
    let text = file.to_str()?;
    ["wss://", "ws://", "unix://"].iter().any(|scheme| text.starts_with(scheme)).then_some(text)
}

/// Connects as whoever the environment says.
pub async fn connect(url: &str) -> Result<Client> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut options = Options::new();
    if let Some(authority) = variable("COMMY_AUTHORITY") {
        options = options.authority(authority);
    }
    let credentials = match variable("COMMY_KEY") {
        Some(key) => Credentials::Key(key),
        None if url.starts_with("unix://") => Credentials::Local(Default::default()),
        None => return Err("COMMY_KEY must have a key".into()),
    };
    Ok(options.connect(url, credentials).await?)
}

/// Runs `work` in a runtime of its own.
pub fn block_on<R>(work: impl Future<Output = Result<R>>) -> Result<R> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Runs a command on a server.
pub fn run(url: &str, command: &Command) -> Result<()> {
    block_on(async {
        let client = connect(url).await?;
        match command {
            Command::Ls { under, json, .. } => list(&client, under, *json).await,
            Command::Get { name, path, json, watch, .. } => get(&object(&client, name)?, path, *json, *watch).await,
            Command::Create { name, r#type, value, .. } => {
                let object = object(&client, name)?;
                let value = value.as_deref().map(parse);
                let create = ObjectCreate {
                    object: object.name().into(),
                    r#type: r#type.clone(),
                    value,
                    ..ObjectCreate::default()
                };
                object.service().create_object_as(create).await?;
                Ok(())
            }
            Command::Set(Put { name, path, value, .. }) => {
                let object = object(&client, name)?;
                as_either(value, async |json| object.set(path, &json).await.map(|_| ())).await
            }
            Command::Insert(Put { name, path, value, .. }) => {
                let object = object(&client, name)?;
                as_either(value, async |json| match object.insert(path, &json).await? {
                    true => Ok(()),
                    false => Err(Error::Value("it is there already; `set` replaces it".into())),
                })
                .await
            }
            Command::Push { name, value, at, front: false, .. } => {
                let object = object(&client, name)?;
                as_either(value, async |json| object.push(at, &json).await).await
            }
            Command::Pop { name, at, front, json, .. } => {
                let object = object(&client, name)?;
                let wait = std::time::Duration::ZERO;
                let taken = if *front { object.pop_front::<Json>(at, wait).await? } else { object.pop(at).await? };
                print(&taken.ok_or("there is nothing to take out")?, *json)
            }
            Command::Rm { name, path: None, .. } => {
                let object = object(&client, name)?;
                Ok(object.service().remove_object(object.name()).await?)
            }
            Command::Rm { name, path: Some(path), json, .. } => {
                let taken = object(&client, name)?.remove::<Json>(path).await?;
                print(&taken.ok_or_else(|| format!("nothing is at {path}"))?, *json)
            }
            _ => Err("this command works on files only".into()),
        }
    })
}

/// The object that `tenant/service/object` names; the object's own name may have more parts.
fn object(client: &Client, name: &str) -> Result<Object> {
    let mut parts = name.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(tenant), Some(service), Some(object)) => Ok(client.service(tenant, service).object(object)),
        _ => Err(format!("{name} is no object of a server; name it as tenant/service/object").into()),
    }
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()))
}

/// Does it with the value as JSON; if it does not fit, as a text that looks like something else.
async fn as_either(text: &str, work: impl AsyncFn(Json) -> commy_client::Result<()>) -> Result<()> {
    let json = parse(text);
    let is_text = json.is_string();
    match work(json).await {
        Err(error) if error.code() == Some(Code::BadValue) && !is_text => {
            Ok(work(Json::String(text.to_owned())).await.map_err(|_| error)?)
        }
        done => Ok(done?),
    }
}

/// Prints JSON.
pub fn print(json: &Json, one_line: bool) -> Result<()> {
    println!("{}", if one_line { serde_json::to_string(json)? } else { serde_json::to_string_pretty(json)? });
    Ok(())
}

async fn list(client: &Client, under: &str, json: bool) -> Result<()> {
    let services = match under.split_once('/') {
        Some((tenant, service)) => vec![(tenant.to_owned(), service.to_owned())],
        None => {
            let tenant = (!under.is_empty()).then(|| under.to_owned());
            let list = Call::ServiceList(commy_client::wire::List { tenant });
            match client.call(None, list).await? {
                commy_client::wire::Reply::Services(all) => {
                    all.into_iter().map(|info| (info.tenant, info.service)).collect()
                }
                _ => return Err("the server answered something else".into()),
            }
        }
    };
    for (tenant, service) in services {
        let service = client.service(&tenant, &service);
        for name in service.objects().await? {
            let info = service.describe_object(&name).await?;
            let name = format!("{}/{name}", service.name());
            if json {
                print(&serde_json::json!({ "name": name, "type": info.r#type, "len": info.length }), true)?;
            } else {
                let length = info.length.map_or(String::new(), |length| format!("{length} "));
                println!("{name}  {length}{}", info.r#type);
            }
        }
    }
    Ok(())
}

async fn get(object: &Object, path: &str, one_line: bool, watch: bool) -> Result<()> {
    if !watch {
        let value = object.get::<Json>(path).await?;
        return print(&value.ok_or_else(|| format!("nothing is at {path}"))?, one_line);
    }
    let mut watch = object.watch(path).await?;
    while let Some(update) = watch.next().await? {
        match update {
            Update::Value { value, .. } | Update::Lagged { value, .. } => {
                print(&value.unwrap_or(Json::Null), one_line)?;
            }
            Update::Changes(_) => {
                // The command shows values.
                print(&object.get::<Json>(path).await?.unwrap_or(Json::Null), one_line)?;
            }
            _ => {}
        }
    }
    Ok(())
}
