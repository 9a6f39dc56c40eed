//! Nothing is allowed that was not granted: a table of all kinds of requests.

mod common;

use common::{ENCODINGS, Place, Raw, grant};
use commy_client::Client;
use commy_wire::Permission::{Operator, ServiceCreate, ServiceDelete, ServiceRead, ServiceWrite, TenantAdmin};
use commy_wire::*;
use serde_json::json;
use std::collections::BTreeSet;

/// What a kind of request needs: any one of these sets of permissions, at the tenant, or `Operator` at the server.
struct Row {
    kind: &'static str,
    service: Option<&'static str>,
    call: Call,
    sets: &'static [&'static [Permission]],
}

/// Numbers that rows name.
struct Known {
    principal: u64,
    group: u64,
    key: String,
    servers_principal: u64,
}

const SERVICE: &str = "acme/orders";
const EVERYBODY: &[&[Permission]] = &[&[]];
const READ: &[&[Permission]] = &[&[ServiceRead]];
const WRITE: &[&[Permission]] = &[&[ServiceWrite]];
const BOTH: &[&[Permission]] = &[&[ServiceRead, ServiceWrite]];
const ADMIN: &[&[Permission]] = &[&[TenantAdmin], &[Operator]];
const OPERATOR: &[&[Permission]] = &[&[Operator]];

fn table(known: &Known) -> Vec<Row> {
    let name = || "stock".to_owned();
    let tenant = || Some("acme".to_owned());
    let row = |kind, service, call, sets| Row { kind, service, call, sets };
    let (s, none) = (Some(SERVICE), None);
    let get = Get { object: name(), ..Get::default() };
    let set = Set { object: name(), path: "a".into(), value: json!(1), if_version: None };
    let remove = Remove { object: name(), path: "a".into(), if_version: None };
    let batch = |operations| Call::Batch(Batch { operations });
    let group = || Group { name: "made".into(), tenant: tenant() };
    let member = || Member { group: known.group, principal: known.principal };
    let authenticate = Authenticate { protocol: 1, credentials: Credentials::Local(Empty {}) };
    let principal = |tenant, kind| PrincipalCreate { name: "made".into(), tenant, kind };
    let one = |node, permission| grant(known.principal, node, &[permission]);
    let push = Push { object: "list".into(), value: json!(1), ..Push::default() };
    let pop = || Pop { object: "list".into(), ..Pop::default() };
    vec![
        row("authenticate", none, Call::Authenticate(authenticate), EVERYBODY),
        row("ping", none, Call::Ping(Empty {}), EVERYBODY),
        row("unwatch", none, Call::Unwatch(Unwatch { watch: 7 }), EVERYBODY),
        row("service_list", none, Call::ServiceList(List::default()), EVERYBODY),
        row("tenant_list", none, Call::TenantList(Empty {}), EVERYBODY),
        row("service_create", Some("acme/made"), Call::ServiceCreate(Default::default()), &[&[ServiceCreate]]),
        row(
            "service_open",
            s,
            Call::ServiceOpen(Empty {}),
            &[&[ServiceRead], &[ServiceWrite], &[ServiceCreate], &[ServiceDelete], &[TenantAdmin], &[Operator]],
        ),
        row("service_describe", s, Call::ServiceDescribe(Empty {}), READ),
        row("service_delete", Some("acme/spare"), Call::ServiceDelete(Empty {}), &[&[ServiceDelete]]),
        row(
            "object_create",
            s,
            Call::ObjectCreate(ObjectCreate { object: "made".into(), r#type: "u8".into(), ..Default::default() }),
            WRITE,
        ),
        row("object_list", s, Call::ObjectList(Empty {}), READ),
        row("object_describe", s, Call::ObjectDescribe(ObjectName { object: name() }), READ),
        row("object_remove", s, Call::ObjectRemove(ObjectName { object: "spare".into() }), WRITE),
        row("get", s, Call::Get(get.clone()), READ),
        row("set", s, Call::Set(set.clone()), WRITE),
        row(
            "insert",
            s,
            Call::Insert(Insert { object: name(), path: "b".into(), value: json!(1), if_version: None }),
            WRITE,
        ),
        row("remove", s, Call::Remove(remove.clone()), BOTH),
        row("clear", s, Call::Clear(Clear { object: name(), ..Default::default() }), WRITE),
        row("push", s, Call::Push(push.clone()), WRITE),
        row("pop", s, Call::Pop(pop()), BOTH),
        row("length", s, Call::Length(Length { object: name(), ..Default::default() }), READ),
        row("scan", s, Call::Scan(Scan { object: name(), ..Default::default() }), READ),
        row("batch", s, batch(vec![]), READ),
        row("batch", s, batch(vec![Operation::Get(get)]), READ),
        row("batch", s, batch(vec![Operation::Set(set.clone()), Operation::Push(push)]), WRITE),
        row("batch", s, batch(vec![Operation::Set(set), Operation::Remove(remove)]), BOTH),
        row("watch", s, Call::Watch(Watch { object: name(), ..Default::default() }), READ),
        row("map", Some("acme/near"), Call::Map(Map { write: false }), READ),
        row("map", Some("acme/near"), Call::Map(Map { write: true }), BOTH),
        row("tenant_create", none, Call::TenantCreate(Tenant { tenant: "made".into() }), OPERATOR),
        row("tenant_delete", none, Call::TenantDelete(Tenant { tenant: "spare".into() }), OPERATOR),
        row("principal_create", none, Call::PrincipalCreate(principal(tenant(), PrincipalKind::Key)), ADMIN),
        row("principal_create", none, Call::PrincipalCreate(principal(None, PrincipalKind::Key)), OPERATOR),
        // To be a name of the outside is an operator's to give.
        row("principal_create", none, Call::PrincipalCreate(principal(tenant(), PrincipalKind::User(0))), OPERATOR),
        row("principal_list", none, Call::PrincipalList(List { tenant: tenant() }), ADMIN),
        row("principal_list", none, Call::PrincipalList(List { tenant: None }), OPERATOR),
        row("principal_delete", none, Call::PrincipalDelete(PrincipalId { principal: 1 }), OPERATOR),
        row("group_create", none, Call::GroupCreate(group()), ADMIN),
        row("group_list", none, Call::GroupList(List { tenant: tenant() }), ADMIN),
        row("group_list", none, Call::GroupList(List { tenant: None }), OPERATOR),
        row("group_delete", none, Call::GroupDelete(group()), ADMIN),
        row("member_add", none, Call::MemberAdd(member()), ADMIN),
        row("member_remove", none, Call::MemberRemove(member()), ADMIN),
        row("key_create", none, Call::KeyCreate(KeyCreate { principal: known.principal, expires_in: Some(60) }), ADMIN),
        row(
            "key_create",
            none,
            Call::KeyCreate(KeyCreate { principal: known.servers_principal, expires_in: Some(60) }),
            OPERATOR,
        ),
        row("key_rotate", none, Call::KeyRotate(KeyId { key: known.key.clone(), overlap: Some(60) }), ADMIN),
        row("key_revoke", none, Call::KeyRevoke(KeyId { key: known.key.clone(), overlap: None }), ADMIN),
        row("key_list", none, Call::KeyList(PrincipalId { principal: known.principal }), ADMIN),
        row("grant_add", none, Call::GrantAdd(one("acme", ServiceCreate)), ADMIN),
        row("grant_add", none, Call::GrantAdd(one("", ServiceCreate)), OPERATOR),
        row("grant_add", none, Call::GrantAdd(one("acme/orders/list", ServiceRead)), ADMIN),
        row("grant_revoke", none, Call::GrantRevoke(one("acme/orders/list", ServiceRead)), ADMIN),
        row("grant_revoke", none, Call::GrantRevoke(one("acme", ServiceCreate)), ADMIN),
        row("grant_list", none, Call::GrantList(List { tenant: tenant() }), ADMIN),
        row("grant_list", none, Call::GrantList(List { tenant: None }), OPERATOR),
        row("audit_list", none, Call::AuditList(AuditList { tenant: tenant(), before: None, limit: None }), ADMIN),
        row("audit_list", none, Call::AuditList(AuditList { tenant: None, before: None, limit: None }), OPERATOR),
    ]
}

/// Makes all that rows name, if it is not there.
async fn furnish(place: &Place, operator: &Client) -> Known {
    for tenant in ["acme", "spare"] {
        let _ = operator.call(None, Call::TenantCreate(Tenant { tenant: tenant.into() })).await;
    }
    for (name, mode) in [("orders", Mode::Served), ("spare", Mode::Served), ("near", Mode::Shared)] {
        let _ = operator.service("acme", name).create(mode, None).await;
    }
    let service = operator.service("acme", "orders");
    for (name, kind) in [("stock", "HashMap<String, u8>"), ("list", "Vec<u8>"), ("spare", "u8")] {
        let _ = service.create_object(name, kind).await;
    }
    let group = Group { name: "friends".into(), tenant: Some("acme".into()) };
    let Reply::Group(group) = operator.call(None, Call::GroupCreate(group)).await.unwrap() else { panic!("no group") };
    let (principal, key) = place.principal(Some("acme"), "somebody").await;
    let (servers_principal, _) = place.principal(None, "the server's").await;
    Known { principal, group: group.id, key: key.split('_').nth(1).unwrap().to_owned(), servers_principal }
}

/// Sets what a principal is granted: at the tenant, and `Operator` at the server.
async fn grant_exactly(place: &Place, principal: u64, set: &[Permission]) {
    let all: Vec<Permission> = Permission::ALL.into_iter().filter(|one| *one != Operator).collect();
    place.revoke(principal, "acme", &all).await;
    place.revoke(principal, "", &Permission::ALL).await;
    let below: Vec<Permission> = set.iter().copied().filter(|one| *one != Operator).collect();
    if !below.is_empty() {
        place.grant(principal, "acme", &below).await;
    }
    if set.contains(&Operator) {
        place.grant(principal, "", &[Operator]).await;
    }
}

fn code(answer: Option<Message>) -> Option<Code> {
    match answer {
        Some(Message::Error(failure)) => Some(failure.code),
        Some(Message::Reply { .. }) => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_request_is_allowed_with_what_it_needs_and_denied_without() {
    let place = Place::new().await;
    let operator = place.operator().await;
    let known = furnish(&place, &operator).await;
    let rows = table(&known);
    let seen: BTreeSet<&str> = rows.iter().map(|row| row.kind).collect();
    let missing: Vec<_> = Call::KINDS.iter().filter(|kind| !seen.contains(*kind)).collect();
    assert!(missing.is_empty(), "kinds of requests without a row: {missing:?}");

    let (principal, key) = place.principal(Some("acme"), "tried").await;
    for row in &rows {
        assert_eq!(row.call.kind(), row.kind);
        let request = Request { id: 2, service: row.service.map(str::to_owned), call: row.call.clone() };
        // Everything but what it needs, in each way in which that can be missing.
        let missing: Vec<Vec<Permission>> = match row.sets {
            [set] => set.iter().map(|one| vec![*one]).collect(),
            sets => vec![sets.iter().flat_map(|set| set.iter().copied()).collect()],
        };
        for missing in missing {
            let all: Vec<Permission> = Permission::ALL.into_iter().filter(|one| !missing.contains(one)).collect();
            grant_exactly(&place, principal, &all).await;
            let mut raw = Raw::with_key(&place, &key).await;
            for encoding in ENCODINGS {
                let answer = raw.ask_as(encoding, &request).await;
                assert_eq!(code(answer), Some(Code::Denied), "{} without {missing:?}", row.kind);
            }
        }
        for (set, encoding) in row.sets.iter().flat_map(|set| ENCODINGS.map(|encoding| (set, encoding))) {
            // What an earlier row took away is there again.
            let _ = operator.service("acme", "spare").create(Mode::Served, None).await;
            let _ = operator.service("acme", "orders").create_object("spare", "u8").await;
            let _ = operator.call(None, Call::TenantCreate(Tenant { tenant: "spare".into() })).await;
            let _ = operator.service("acme", "made").delete().await;
            let _ = operator.service("acme", "orders").remove_object("made").await;
            let _ = operator.call(None, Call::TenantDelete(Tenant { tenant: "made".into() })).await;
            grant_exactly(&place, principal, set).await;
            let mut request = request.clone();
            if let Call::KeyRevoke(KeyId { key, .. }) | Call::KeyRotate(KeyId { key, .. }) = &mut request.call {
                let create = KeyCreate { principal: known.principal, expires_in: None };
                let made = operator.call(None, Call::KeyCreate(create)).await.unwrap();
                let Reply::Key(made) = made else { panic!("no key") };
                *key = made.key;
            }
            let answer = code(Raw::with_key(&place, &key).await.ask_as(encoding, &request).await);
            let expected = match row.kind {
                "authenticate" => Some(Code::BadRequest),
                "unwatch" | "principal_delete" => Some(Code::NotFound),
                // A name of the outside is one principal's.
                "principal_create" => answer.filter(|code| *code == Code::Exists),
                // Made or deleted by the row's first set.
                "group_create" | "group_delete" => answer.filter(|code| *code != Code::Denied),
                // Where there are no Unix sockets, nothing can hand a segment over.
                "map" if cfg!(not(unix)) => Some(Code::Unsupported),
                _ => None,
            };
            assert_eq!(answer, expected, "{} with {set:?}, {encoding:?}", row.kind);
        }
    }
    // What was denied is in the audit.
    let asked = AuditList { tenant: None, before: None, limit: Some(1000) };
    let mut denied = BTreeSet::new();
    while denied.len() < 30 {
        let Reply::Audit(entries) = operator.call(None, Call::AuditList(asked.clone())).await.unwrap() else {
            panic!()
        };
        denied = entries.into_iter().filter(|entry| !entry.allowed).map(|entry| entry.action).collect();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_shown_who_it_is_gets_nothing_at_all() {
    let place = Place::new().await;
    let operator = place.operator().await;
    let known = furnish(&place, &operator).await;
    for row in table(&known).iter().filter(|row| row.kind != "authenticate") {
        for encoding in ENCODINGS {
            let mut raw = Raw::open(&place).await;
            let request = Request { id: 2, service: row.service.map(str::to_owned), call: row.call.clone() };
            let answer = code(raw.ask_as(encoding, &request).await);
            assert_eq!(answer, Some(Code::Unauthenticated), "{}", row.kind);
            assert_eq!(raw.next().await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_cannot_be_reached_from_another_one() {
    let place = Place::new().await;
    let operator = place.operator().await;
    furnish(&place, &operator).await;
    // A tenant whose name begins as the other's, and services of the same names.
    for tenant in ["ac", "acme2"] {
        operator.call(None, Call::TenantCreate(Tenant { tenant: tenant.into() })).await.unwrap();
        operator.service(tenant, "orders").create(Mode::Served, None).await.unwrap();
    }
    let everything: Vec<Permission> = Permission::ALL.into_iter().filter(|one| *one != Operator).collect();
    for (number, tenant) in ["ac", "acme2"].into_iter().enumerate() {
        let (principal, key) = place.principal(Some(tenant), &format!("admin {number}")).await;
        place.grant(principal, tenant, &everything).await;
        let client = place.client(&key).await;
        client.service(tenant, "orders").create_object("stock", "u8").await.unwrap();
        let denied = |error: commy_client::Error| assert_eq!(error.code(), Some(Code::Denied));
        for name in ["orders", "none", "", "..", "orders/.."] {
            let error = client.service("acme", name).object("stock").get::<u8>("").await.unwrap_err();
            assert!(matches!(error.code(), Some(Code::Denied | Code::BadRequest)), "{name}: {error}");
        }
        denied(client.service("acme", "made").create(Mode::Served, None).await.unwrap_err());
        denied(client.service("nobody", "orders").open().await.unwrap_err());
        // It cannot give itself anything elsewhere, nor more than its tenant's.
        for (node, permission) in [
            ("acme", ServiceRead),
            ("acme/orders", ServiceRead),
            ("acme/orders/stock", ServiceRead),
            ("", ServiceRead),
            ("", Operator),
        ] {
            let add = grant(principal, node, &[permission]);
            denied(client.call(None, Call::GrantAdd(add)).await.unwrap_err());
        }
        let add = grant(principal, tenant, &[Operator]);
        assert_eq!(client.call(None, Call::GrantAdd(add)).await.unwrap_err().code(), Some(Code::BadRequest));
        // Lists tell of its own only.
        let Reply::Services(services) = client.call(None, Call::ServiceList(List::default())).await.unwrap() else {
            panic!("no services")
        };
        assert_eq!(services.iter().map(|info| info.tenant.as_str()).collect::<Vec<_>>(), [tenant]);
        let Reply::Tenants(tenants) = client.call(None, Call::TenantList(Empty {})).await.unwrap() else { panic!() };
        assert_eq!(tenants.iter().map(|info| info.tenant.as_str()).collect::<Vec<_>>(), [tenant]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_made_anew_under_an_old_name_has_none_of_the_old_grants() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let (principal, key) = place.principal(Some("acme"), "reader").await;
    place.grant(principal, "acme/orders", &[ServiceRead]).await;
    service.create_object("stock", "u8").await.unwrap();
    let client = place.client(&key).await;
    let seen = client.service("acme", "orders").object("stock");
    assert_eq!(seen.get::<u8>("").await.unwrap(), Some(0));
    service.delete().await.unwrap();
    service.create(Mode::Served, None).await.unwrap();
    service.create_object("stock", "u8").await.unwrap();
    assert_eq!(seen.get::<u8>("").await.unwrap_err().code(), Some(Code::Denied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_grants_what_it_was_granted_for_as_long_as_one_is_in_it() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    service.create_object("stock", "u8").await.unwrap();
    let operator = place.operator().await;
    let (principal, key) = place.principal(Some("acme"), "member").await;
    let group = Group { name: "readers".into(), tenant: Some("acme".into()) };
    let Reply::Group(group) = operator.call(None, Call::GroupCreate(group)).await.unwrap() else { panic!() };
    let add = Grant { to: Subject::Group(group.id), ..grant(0, "acme", &[ServiceRead]) };
    operator.call(None, Call::GrantAdd(add)).await.unwrap();
    let client = place.client(&key).await;
    let stock = client.service("acme", "orders").object("stock");
    assert_eq!(stock.get::<u8>("").await.unwrap_err().code(), Some(Code::Denied));
    let member = Member { group: group.id, principal };
    operator.call(None, Call::MemberAdd(member.clone())).await.unwrap();
    assert_eq!(stock.get::<u8>("").await.unwrap(), Some(0));
    operator.call(None, Call::MemberRemove(member)).await.unwrap();
    assert_eq!(stock.get::<u8>("").await.unwrap_err().code(), Some(Code::Denied));
}

/// The objects that a request names.
fn objects_of(call: &Call) -> BTreeSet<String> {
    fn look(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                serde_json::Value::String(object) if name == "object" => drop(found.insert(object.clone())),
                value => look(value, found),
            }),
            serde_json::Value::Array(all) => all.iter().for_each(|value| look(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    look(&serde_json::to_value(call).unwrap(), &mut found);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_granted_at_an_object_is_granted_there_and_at_no_other() {
    let place = Place::new().await;
    let operator = place.operator().await;
    let known = furnish(&place, &operator).await;
    let (principal, key) = place.principal(Some("acme"), "tried").await;
    let mut tried = BTreeSet::new();
    let rows = table(&known);
    // Of what is granted there, the kinds of requests that are about an object that there is.
    for row in rows.iter().filter(|row| row.service == Some(SERVICE) && row.kind != "object_create") {
        let objects = objects_of(&row.call);
        let [set] = row.sets else { continue };
        if objects.is_empty() {
            continue;
        }
        tried.insert(row.kind);
        let request = Request { id: 2, service: Some(SERVICE.into()), call: row.call.clone() };
        let _ = operator.service("acme", "orders").create_object("spare", "u8").await;
        let nodes: Vec<String> = objects.iter().map(|object| format!("{SERVICE}/{object}")).collect();
        let others = ["stock", "list", "spare"].into_iter().filter(|name| !objects.contains(*name));
        for other in others {
            place.grant(principal, &format!("{SERVICE}/{other}"), &[ServiceRead, ServiceWrite]).await;
        }
        let mut raw = Raw::with_key(&place, &key).await;
        for node in &nodes {
            // Before anything is granted at the last of its objects it is denied, for all that is granted elsewhere.
            assert_eq!(code(raw.ask(&request).await), Some(Code::Denied), "{} without {node}", row.kind);
            place.grant(principal, node, set).await;
        }
        assert_eq!(code(raw.ask(&request).await), None, "{} with {set:?} at {nodes:?}", row.kind);
        if row.kind == "watch" {
            assert!(matches!(raw.next().await, Some(Message::Event { .. })));
        }
        let _ = operator.service("acme", "orders").create_object("spare", "u8").await;
        for name in ["stock", "list", "spare"] {
            place.revoke(principal, &format!("{SERVICE}/{name}"), &[ServiceRead, ServiceWrite]).await;
        }
        let mut raw = Raw::with_key(&place, &key).await;
        assert_eq!(code(raw.ask(&request).await), Some(Code::Denied), "{} after it was revoked", row.kind);
    }
    let expected = ["batch", "clear", "get", "insert", "length", "object_describe", "object_remove", "pop", "push"];
    let expected = expected.into_iter().chain(["remove", "scan", "set", "watch"]);
    assert_eq!(tried, expected.collect());
    // What is about the service as a whole stays denied.
    place.grant(principal, "acme/orders/stock", &[ServiceRead, ServiceWrite]).await;
    let client = place.client(&key).await;
    let service = client.service("acme", "orders");
    assert_eq!(service.describe().await.unwrap_err().code(), Some(Code::Denied));
    assert_eq!(service.objects().await.unwrap(), ["stock"], "it tells of more than may be read");
    assert_eq!(service.create_object("other", "u8").await.unwrap_err().code(), Some(Code::Denied));
    assert!(service.open().await.unwrap().permissions.is_empty());
    let refused =
        [("acme/orders/stock", ServiceDelete), ("acme/orders/stock", TenantAdmin), ("acme/orders/none", ServiceRead)];
    for (node, permission) in refused {
        let error = operator.call(None, Call::GrantAdd(grant(principal, node, &[permission]))).await.unwrap_err();
        assert!(matches!(error.code(), Some(Code::BadRequest | Code::NotFound)), "{node}, {permission}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_made_anew_under_an_old_name_has_none_of_the_old_grants() {
    let mut place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let (principal, key) = place.principal(Some("acme"), "reader").await;
    let stock = service.create_object("a/stock", "u8").await.unwrap();
    place.grant(principal, "acme/orders/a/stock", &[ServiceRead]).await;
    place.restart().await;
    let client = place.client(&key).await;
    let seen = client.service("acme", "orders").object("a/stock");
    assert_eq!(seen.get::<u8>("").await.unwrap(), Some(0));
    let mut watch = seen.watch("").await.unwrap();
    assert!(watch.next().await.unwrap().is_some());
    let operator = place.operator().await;
    let service = operator.service("acme", "orders");
    service.remove_object("a/stock").await.unwrap();
    service.create_object_with("a/stock", "u8", &7).await.unwrap();
    assert_eq!(seen.get::<u8>("").await.unwrap_err().code(), Some(Code::Denied));
    // Its watch ends, for the object is gone or because it may not be read any more, and tells nothing of the new one.
    if let Ok(Some(update)) = watch.next().await {
        panic!("{update:?}");
    }
    drop(stock);
    let Reply::Grants(grants) = operator.call(None, Call::GrantList(List::default())).await.unwrap() else { panic!() };
    assert!(grants.iter().all(|grant| grant.at.object.is_none()), "{grants:?}");
    // A removal that fails changes nothing.
    place.grant(principal, "acme/orders/a/stock", &[ServiceRead]).await;
    assert_eq!(service.remove_object("none").await.unwrap_err().code(), Some(Code::NotFound));
    assert_eq!(seen.get::<u8>("").await.unwrap(), Some(7));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_of_a_segment_before_the_answer_that_gives_it() {
    let place = Place::new().await;
    let operator = place.operator().await;
    let _ = operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await;
    operator.service("acme", "near").create(Mode::Shared, None).await.unwrap();
    let (reader, key) = place.principal(Some("acme"), "reader").await;
    place.grant(reader, "acme", &[ServiceRead]).await;
    let (other, others_key) = place.principal(Some("acme"), "other").await;
    let map = |id| Request { id, service: Some("acme/near".into()), call: Call::Map(Map { write: false }) };
    let mut raw = Raw::with_key(&place, &key).await;
    let (mut answered, mut moved) = (1, 0);
    for _ in 0..common::size("COMMY_MOVES", 20) {
        // One that was given it may not have it any more, so it moves, somewhere between these requests.
        place.grant(other, "acme", &[ServiceRead]).await;
        let given = Raw::with_key(&place, &others_key).await.ask(&map(2)).await;
        assert_eq!(code(given), None);
        place.revoke(other, "acme", &[ServiceRead]).await;
        let before = moved;
        while moved == before {
            let id = answered + 1;
            assert!(raw.send(encode(Encoding::Json, &map(id)), false).await);
            while answered < id {
                match raw.next().await {
                    Some(Message::Reply { id: of, result: Reply::Mapping(_) }) if of == id => answered = id,
                    Some(Message::Event { watch, event: Event::Moved {} }) if watch <= answered => moved += 1,
                    message => panic!("{message:?} after the answer {answered}"),
                }
            }
        }
    }
}
