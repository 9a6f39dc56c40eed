//! `tenant`, `service`, `principal`, `group`, `grant`, `key`, `audit`: administering a server, by the same messages as any
//! program. What the server answers is printed as JSON, a line for each thing.

use crate::demo::Result;
use crate::remote::{block_on, connect, print};
use clap::{Args, Subcommand};
use commy_client::wire::*;
use serde_json::Value as Json;

/// Where the server is.
#[derive(Args)]
pub struct At {
    /// The server: wss://host:port, ws://host:port or unix:///path.
    #[arg(long, env = "COMMY_SERVER", global = true, default_value = "unix://commy-data/commy.sock")]
    server: String,
}

#[derive(Subcommand)]
pub enum Command {
    /// Tenants of a server.
    Tenant {
        #[command(flatten)]
        at: At,
        #[command(subcommand)]
        what: TenantCommand,
    },
    /// Services of a server, named as tenant/service.
    Service {
        #[command(flatten)]
        at: At,
        #[command(subcommand)]
        what: ServiceCommand,
    },
    /// Principals of a server: who can be granted something.
    Principal {
        #[command(flatten)]
        at: At,
        #[command(subcommand)]
        what: PrincipalCommand,
    },
    /// Groups of principals.
    Group {
        #[command(flatten)]
        at: At,
        #[command(subcommand)]
        what: GroupCommand,
    },
    /// What was granted to whom.
    Grant {
        #[command(flatten)]
        at: At,
        #[command(subcommand)]
        what: GrantCommand,
    },
    /// Keys by which principals show who they are.
    Key {
        #[command(flatten)]
        at: At,
        #[command(subcommand)]
        what: KeyCommand,
    },
    /// What was done and what was denied, the newest first.
    Audit {
        #[command(flatten)]
        at: At,
        /// Only what is about this tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Make a tenant.
    Create { tenant: String },
    /// The tenants.
    List,
    /// Delete a tenant that has nothing any more.
    Delete { tenant: String },
}

#[derive(Subcommand)]
pub enum ServiceCommand {
    /// Make a service.
    Create {
        /// Its name, tenant/service.
        service: String,
        /// Let programs of the server's user map its segment.
        #[arg(long, conflicts_with = "isolated")]
        shared: bool,
        /// Let programs of other users, too, map its segment, which is in memory then.
        #[arg(long)]
        isolated: bool,
        /// Bytes that its segment may grow to.
        #[arg(long)]
        quota: Option<u64>,
    },
    /// The services.
    List {
        /// Only those of this tenant.
        tenant: Option<String>,
    },
    /// What it is and how much room it takes.
    Describe { service: String },
    /// Delete a service with all that is in it.
    Delete { service: String },
}

#[derive(Subcommand)]
pub enum PrincipalCommand {
    /// Make a principal, that shows who it is by keys unless said otherwise.
    Create {
        name: String,
        /// The tenant that it belongs to.
        #[arg(long)]
        tenant: Option<String>,
        /// It shows who it is by tokens with this subject.
        #[arg(long, conflicts_with = "user")]
        jwt: Option<String>,
        /// It is the local user of this number.
        #[arg(long)]
        user: Option<u32>,
    },
    /// The principals.
    List {
        /// Only those of this tenant.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Delete a principal with its keys and grants.
    Delete { principal: u64 },
}

#[derive(Subcommand)]
pub enum GroupCommand {
    /// Make a group.
    Create {
        name: String,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// The groups, and who is in them.
    List {
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Delete a group with its grants.
    Delete {
        name: String,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Put a principal into a group.
    Add { group: u64, principal: u64 },
    /// Take a principal out of a group.
    Remove { group: u64, principal: u64 },
}

/// To whom, where and what.
#[derive(Args)]
pub struct Granting {
    /// ServiceCreate, ServiceRead, ServiceWrite, ServiceDelete, TenantAdmin, Operator.
    #[arg(required = true)]
    permissions: Vec<Permission>,
    /// The principal.
    #[arg(long, required_unless_present = "group")]
    principal: Option<u64>,
    /// The group.
    #[arg(long, conflicts_with = "principal")]
    group: Option<u64>,
    /// Where: a tenant, tenant/service, or tenant/service/object; the server unless given.
    #[arg(long, default_value = "")]
    on: String,
}

impl Granting {
    fn grant(&self) -> Grant {
        let to = match (self.group, self.principal) {
            (Some(group), _) => Subject::Group(group),
            (None, principal) => Subject::Principal(principal.unwrap_or_default()),
        };
        // Of an object all that is behind the second slash is the name.
        let mut names = self.on.splitn(3, '/').filter(|name| !name.is_empty()).map(str::to_owned);
        let at = commy_client::wire::At { tenant: names.next(), service: names.next(), object: names.next() };
        Grant { to, at, permissions: self.permissions.iter().copied().collect() }
    }
}

#[derive(Subcommand)]
pub enum GrantCommand {
    /// Grant permissions, there and below.
    Add(Granting),
    /// Take away what was granted there.
    Revoke(Granting),
    /// What was granted.
    List {
        /// Only at this tenant and its services.
        #[arg(long)]
        tenant: Option<String>,
    },
}

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key; its secret is shown this once.
    Create {
        principal: u64,
        /// Seconds until it expires.
        #[arg(long)]
        expires_in: Option<u64>,
    },
    /// Make a key in place of another.
    Rotate {
        /// The part between cmy_ and the secret.
        key: String,
        /// For how many seconds the other one goes on.
        #[arg(long, default_value_t = 0)]
        overlap: u64,
    },
    /// End a key at once.
    Revoke { key: String },
    /// The keys of a principal, without their secrets.
    List { principal: u64 },
}

impl Command {
    /// The server, the service that it is about, and what is asked.
    fn request(&self) -> (&At, Option<&str>, Call) {
        match self {
            Command::Tenant { at, what } => (at, None, what.call()),
            Command::Service { at, what } => {
                let (service, call) = what.call();
                (at, service, call)
            }
            Command::Principal { at, what } => (at, None, what.call()),
            Command::Group { at, what } => (at, None, what.call()),
            Command::Grant { at, what } => (at, None, what.call()),
            Command::Key { at, what } => (at, None, what.call()),
            Command::Audit { at, tenant, limit } => {
                let asked = AuditList { tenant: tenant.clone(), before: None, limit: Some(*limit) };
                (at, None, Call::AuditList(asked))
            }
        }
    }
}

impl TenantCommand {
    fn call(&self) -> Call {
        match self {
            TenantCommand::Create { tenant } => Call::TenantCreate(Tenant { tenant: tenant.clone() }),
            TenantCommand::List => Call::TenantList(Empty {}),
            TenantCommand::Delete { tenant } => Call::TenantDelete(Tenant { tenant: tenant.clone() }),
        }
    }
}

impl ServiceCommand {
    fn call(&self) -> (Option<&str>, Call) {
        match self {
            ServiceCommand::Create { service, shared, isolated, quota } => {
                let mode = match (shared, isolated) {
                    (_, true) => Mode::Isolated,
                    (true, false) => Mode::Shared,
                    (false, false) => Mode::Served,
                };
                (Some(service), Call::ServiceCreate(ServiceCreate { mode, quota: *quota }))
            }
            ServiceCommand::List { tenant } => (None, Call::ServiceList(List { tenant: tenant.clone() })),
            ServiceCommand::Describe { service } => (Some(service), Call::ServiceDescribe(Empty {})),
            ServiceCommand::Delete { service } => (Some(service), Call::ServiceDelete(Empty {})),
        }
    }
}

impl PrincipalCommand {
    fn call(&self) -> Call {
        match self {
            PrincipalCommand::Create { name, tenant, jwt, user } => {
                let kind = match (jwt, user) {
                    (Some(subject), _) => PrincipalKind::Jwt(subject.clone()),
                    (None, Some(user)) => PrincipalKind::User(*user),
                    (None, None) => PrincipalKind::Key,
                };
                Call::PrincipalCreate(PrincipalCreate { name: name.clone(), tenant: tenant.clone(), kind })
            }
            PrincipalCommand::List { tenant } => Call::PrincipalList(List { tenant: tenant.clone() }),
            PrincipalCommand::Delete { principal } => Call::PrincipalDelete(PrincipalId { principal: *principal }),
        }
    }
}

impl GroupCommand {
    fn call(&self) -> Call {
        let group = |name: &String, tenant: &Option<String>| Group { name: name.clone(), tenant: tenant.clone() };
        match self {
            GroupCommand::Create { name, tenant } => Call::GroupCreate(group(name, tenant)),
            GroupCommand::List { tenant } => Call::GroupList(List { tenant: tenant.clone() }),
            GroupCommand::Delete { name, tenant } => Call::GroupDelete(group(name, tenant)),
            GroupCommand::Add { group, principal } => Call::MemberAdd(Member { group: *group, principal: *principal }),
            GroupCommand::Remove { group, principal } => {
                Call::MemberRemove(Member { group: *group, principal: *principal })
            }
        }
    }
}

impl GrantCommand {
    fn call(&self) -> Call {
        match self {
            GrantCommand::Add(granting) => Call::GrantAdd(granting.grant()),
            GrantCommand::Revoke(granting) => Call::GrantRevoke(granting.grant()),
            GrantCommand::List { tenant } => Call::GrantList(List { tenant: tenant.clone() }),
        }
    }
}

impl KeyCommand {
    fn call(&self) -> Call {
        match self {
            KeyCommand::Create { principal, expires_in } => {
                Call::KeyCreate(KeyCreate { principal: *principal, expires_in: *expires_in })
            }
            KeyCommand::Rotate { key, overlap } => Call::KeyRotate(KeyId { key: key.clone(), overlap: Some(*overlap) }),
            KeyCommand::Revoke { key } => Call::KeyRevoke(KeyId { key: key.clone(), overlap: None }),
            KeyCommand::List { principal } => Call::KeyList(PrincipalId { principal: *principal }),
        }
    }
}

/// Runs a command.
pub fn run(command: &Command) -> Result<()> {
    let (at, service, call) = command.request();
    block_on(async {
        let reply = connect(&at.server).await?.call(service, call).await?;
        // An answer is an object with one field, which names its kind.
        match serde_json::to_value(&reply)? {
            Json::Object(kinds) => kinds.into_iter().try_for_each(|(_, told)| match told {
                Json::Array(all) => all.iter().try_for_each(|one| print(one, true)),
                Json::Object(nothing) if nothing.is_empty() => Ok(()),
                one => print(&one, true),
            }),
            other => print(&other, true),
        }
    })
}
