//! What each kind of request needs, in one table. What is not in it is refused.

use crate::services::Asked;
use commy_wire::*;

/// What a request needs before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// That the client has shown who it is.
    Known,
    /// All of these permissions at the service that it names.
    AtService(Permissions),
    /// All of these permissions at each object that it names, or above; the service is asked first, since what is granted
    /// there needs no look at objects.
    AtObjects(Permissions),
    /// All of these permissions at the service that it names, or at an object in it: it tells of those objects only.
    AtSomeObject(Permissions),
    /// Any permission at the service that it names.
    AnyAtService,
    /// This permission at the tenant of the service that it names.
    AtTenant(Permission),
    /// To be an operator.
    Operator,
    /// To administer the tenant, or the server, that what it names belongs to.
    Administrator,
    /// Nobody may.
    Never,
}

pub const READ: Permissions = Permissions::from_bits(Permission::ServiceRead as u32);
pub const WRITE: Permissions = Permissions::from_bits(Permission::ServiceWrite as u32);
/// What gives a value that it takes out reads, too.
pub const BOTH: Permissions = Permissions::from_bits(Permission::ServiceRead as u32 | Permission::ServiceWrite as u32);
const DELETE: Permissions = Permissions::from_bits(Permission::ServiceDelete as u32);

/// What a request needs.
pub fn need(call: &Call) -> Need {
    if let Some(asked) = Asked::of_call(call) {
        return Need::AtObjects(asked.what.needs());
    }
    match call {
        Call::Authenticate(_) | Call::Ping(_) | Call::Unwatch(_) => Need::Known,
        // They tell only of what the client has a permission for.
        Call::ServiceList(_) | Call::TenantList(_) => Need::Known,
        Call::ServiceCreate(_) => Need::AtTenant(Permission::ServiceCreate),
        Call::ServiceOpen(_) => Need::AnyAtService,
        Call::ServiceDelete(_) => Need::AtService(DELETE),
        Call::ServiceDescribe(_) => Need::AtService(READ),
        Call::ObjectList(_) => Need::AtSomeObject(READ),
        Call::ObjectDescribe(_) => Need::AtObjects(READ),
        Call::Scan(_) | Call::Watch(_) => Need::AtObjects(READ),
        // There is no object yet.
        Call::ObjectCreate(_) => Need::AtService(WRITE),
        Call::ObjectRemove(_) => Need::AtObjects(WRITE),
        Call::Batch(batch) => Need::AtObjects(of_batch(batch)),
        Call::Map(Map { write }) => Need::AtService(if *write { BOTH } else { READ }),
        Call::TenantCreate(_) | Call::TenantDelete(_) => Need::Operator,
        Call::PrincipalCreate(_) | Call::PrincipalList(_) | Call::PrincipalDelete(_) => Need::Administrator,
        Call::GroupCreate(_) | Call::GroupList(_) | Call::GroupDelete(_) => Need::Administrator,
        Call::MemberAdd(_) | Call::MemberRemove(_) => Need::Administrator,
        Call::KeyCreate(_) | Call::KeyRotate(_) | Call::KeyRevoke(_) | Call::KeyList(_) => Need::Administrator,
        Call::GrantAdd(_) | Call::GrantRevoke(_) | Call::GrantList(_) => Need::Administrator,
        Call::AuditList(_) => Need::Administrator,
        _ => Need::Never,
    }
}

fn of_operation(operation: &Operation) -> Permissions {
    Asked::of_operation(operation).map_or(BOTH, |asked| asked.what.needs())
}

fn of_batch(batch: &Batch) -> Permissions {
    // One of nothing reads, so that it cannot be used to find out what services there are.
    batch.operations.iter().map(of_operation).reduce(|all, one| all | one).unwrap_or(READ)
}

/// The objects that a request is about that needs something [`AtObjects`](Need::AtObjects), with what it needs at each.
pub(crate) fn objects(call: &Call) -> Vec<(&str, Permissions)> {
    let name = match call {
        Call::Batch(batch) => {
            return batch.operations.iter().map(|one| (one.object(), of_operation(one))).collect();
        }
        Call::ObjectDescribe(ObjectName { object }) | Call::ObjectRemove(ObjectName { object }) => object,
        Call::Scan(Scan { object, .. }) | Call::Watch(Watch { object, .. }) => object,
        _ => match Asked::of_call(call) {
            Some(asked) => asked.object,
            None => return Vec::new(),
        },
    };
    match need(call) {
        Need::AtObjects(needed) => vec![(name, needed)],
        _ => Vec::new(),
    }
}
