//! What is done with objects from afar, through the SDK, over TLS.

mod common;

use common::{LONG, Place};
use commy_client::{Error, Update};
use commy_wire::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_does_what_it_says() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let stock = service.create_object("stock", "BTreeMap<String, u64>").await.unwrap();
    assert_eq!(stock.get::<u64>("apples").await.unwrap(), None);
    let version = stock.set("apples", &3u64).await.unwrap();
    assert_eq!(stock.get_versioned::<u64>("apples").await.unwrap(), (Some(3), version));
    assert!(stock.insert("pears", &u64::MAX).await.unwrap());
    assert!(!stock.insert("pears", &1u64).await.unwrap());
    assert_eq!(stock.get::<u64>("pears").await.unwrap(), Some(u64::MAX));
    assert_eq!(stock.len("").await.unwrap(), Some(2));
    let all: BTreeMap<String, u64> = stock.get("").await.unwrap().unwrap();
    assert_eq!(all, BTreeMap::from([("apples".into(), 3), ("pears".into(), u64::MAX)]));
    assert_eq!(stock.remove::<u64>("apples").await.unwrap(), Some(3));
    stock.clear("").await.unwrap();
    assert_eq!(stock.len("").await.unwrap(), Some(0));

    let jobs = service.create_object("jobs", "VecDeque<(u32, String)>").await.unwrap();
    jobs.push("", &(1, "first")).await.unwrap();
    jobs.push("", &(2, "second")).await.unwrap();
    assert_eq!(jobs.pop::<(u32, String)>("").await.unwrap(), Some((2, "second".into())));
    assert_eq!(jobs.pop_front::<(u32, String)>("", Duration::ZERO).await.unwrap(), Some((1, "first".into())));
    assert_eq!(jobs.pop::<(u32, String)>("").await.unwrap(), None);

    let info = service.describe_object("jobs").await.unwrap();
    assert_eq!((info.r#type.as_str(), info.length, info.every_change), ("VecDeque<(u32, String)>", Some(0), false));
    assert_eq!(service.objects().await.unwrap(), ["jobs", "stock"]);
    service.remove_object("jobs").await.unwrap();
    assert_eq!(jobs.len("").await.unwrap_err().code(), Some(Code::NotFound));
    let described = service.describe().await.unwrap();
    assert_eq!((described.objects, described.service.as_str()), (Some(1), "orders"));
    service.delete().await.unwrap();
    assert_eq!(stock.len("").await.unwrap_err().code(), Some(Code::NotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_has_its_code_and_changes_nothing() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let code = |error: Error| error.code().unwrap();
    let stock = service.create_object("stock", "HashMap<String, u8>").await.unwrap();
    assert_eq!(code(service.create_object("stock", "u8").await.unwrap_err()), Code::Exists);
    assert_eq!(code(service.create_object("other", "Vec<").await.unwrap_err()), Code::BadType);
    assert_eq!(code(service.create_object("../etc", "u8").await.unwrap_err()), Code::BadRequest);
    assert_eq!(code(stock.set("a", &300u32).await.unwrap_err()), Code::BadValue);
    assert_eq!(code(stock.set("a/b/c", &3u32).await.unwrap_err()), Code::BadPath);
    assert_eq!(code(stock.set_if("a", &3u32, Some(9)).await.unwrap_err()), Code::Conflict);
    assert_eq!(code(service.object("none").len("").await.unwrap_err()), Code::NotFound);
    assert_eq!(code(service.create(Mode::Served, None).await.unwrap_err()), Code::Exists);
    let operator = place.operator().await;
    assert_eq!(code(operator.service("acme", "b/c").open().await.unwrap_err()), Code::BadRequest);
    assert_eq!(code(operator.service("acme", "..").create(Mode::Served, Some(1)).await.unwrap_err()), Code::BadRequest);
    assert_eq!(code(operator.call(None, Call::Get(Get::default())).await.unwrap_err()), Code::BadRequest);
    assert_eq!(stock.get_versioned::<BTreeMap<String, u8>>("").await.unwrap(), (Some(BTreeMap::new()), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_happens_whole_or_not_at_all() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let waiting = service.create_object_with("waiting", "Vec<u32>", &[1, 2]).await.unwrap();
    let done = service.create_object("done", "Vec<u32>").await.unwrap();
    let version = waiting.get_versioned::<Vec<u32>>("").await.unwrap().1;
    let batch = |if_version| {
        vec![
            Operation::Pop(Pop { object: "waiting".into(), if_version: Some(if_version), ..Pop::default() }),
            Operation::Push(Push { object: "done".into(), value: json!(2), ..Push::default() }),
            Operation::Length(Length { object: "done".into(), ..Length::default() }),
        ]
    };
    let replies = service.batch(batch(version)).await.unwrap();
    assert_eq!(replies[0], Reply::Value { found: true, value: json!(2), version: version + 1 });
    assert!(matches!(replies[2], Reply::Length { length: Some(1), .. }));
    // The condition does not hold any more: nothing is done.
    let Error::Failed(failure) = service.batch(batch(version)).await.unwrap_err() else { panic!("no failure") };
    assert_eq!((failure.code, failure.operation), (Code::Conflict, Some(0)));
    // The last operation fails, after the others were done: they are undone.
    let mut bad = batch(version + 1);
    bad.push(Operation::Push(Push { object: "done".into(), value: json!("no number"), ..Push::default() }));
    let Error::Failed(failure) = service.batch(bad).await.unwrap_err() else { panic!("no failure") };
    assert_eq!((failure.code, failure.operation), (Code::BadValue, Some(3)));
    assert_eq!(waiting.get::<Vec<u32>>("").await.unwrap(), Some(vec![1]));
    assert_eq!(done.get::<Vec<u32>>("").await.unwrap(), Some(vec![2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pop_waits_for_an_element_and_others_are_answered_meanwhile() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let jobs = service.create_object("jobs", "VecDeque<u32>").await.unwrap();
    assert_eq!(jobs.pop_front::<u32>("", Duration::from_millis(30)).await.unwrap(), None);
    let waiter = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.pop_front::<u32>("", LONG).await.unwrap() }
    });
    // The same connection: its answer shows that the server does not wait with the pop.
    assert_eq!(jobs.len("").await.unwrap(), Some(0));
    jobs.push("", &7u32).await.unwrap();
    assert_eq!(tokio::time::timeout(LONG, waiter).await.unwrap().unwrap(), Some(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_gives_every_entry_once_whatever_comes_and_goes_between_its_pages() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let all: BTreeMap<String, u32> = (0..250).map(|number| (format!("k/\"{number:03}"), number)).collect();
    for (name, kind) in [("tree", "BTreeMap<String, u32>"), ("hash", "HashMap<String, u32>")] {
        let object = service.create_object_with(name, kind, &all).await.unwrap();
        let (mut found, mut cursor, mut told) = (BTreeMap::new(), None, 0);
        loop {
            let page = object.scan::<String, u32>("", cursor, 100).await.unwrap();
            // Of a hash map a page has whole groups.
            assert!(page.entries.len() <= 100);
            told += page.entries.len();
            found.extend(page.entries);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
            object.set("z", &1u32).await.unwrap();
            object.remove::<u32>("z").await.unwrap();
        }
        assert_eq!((&found, told), (&all, all.len()), "{name}");
    }
    let list = service.create_object_with("list", "VecDeque<u8>", &[1u8; 25]).await.unwrap();
    let page = list.scan::<u64, u8>("", None, 10).await.unwrap();
    let page = list.scan::<u64, u8>("", page.cursor, 10).await.unwrap();
    assert_eq!((page.entries[0], page.cursor.as_deref()), ((10, 1), Some("i20")));
    for cursor in ["", "x", "i-1", "k{", "g", "kő", "ő"] {
        let error = list.scan::<u64, u8>("", Some(cursor.into()), 10).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::BadRequest), "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_the_newest_value_and_with_a_ring_every_change() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let plain = service.create_object("plain", "u64").await.unwrap();
    let mut watch = plain.watch("").await.unwrap();
    assert!(matches!(watch.next().await.unwrap(), Some(Update::Value { version: 0, .. })));
    plain.set("", &5u64).await.unwrap();
    let update = watch.next().await.unwrap().unwrap();
    assert_eq!(update.value::<u64>().unwrap(), Some(5));

    let create = ObjectCreate {
        object: "ring".into(),
        r#type: "HashMap<String, u64>".into(),
        changes: Some(1000),
        ..ObjectCreate::default()
    };
    let ring = service.create_object_as(create).await.unwrap();
    let mut watch = ring.watch("").await.unwrap();
    assert!(watch.every_change());
    assert!(matches!(watch.next().await.unwrap(), Some(Update::Value { .. })));
    for number in 0..500u64 {
        ring.set(&format!("k{number}"), &number).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 500 {
        match watch.next().await.unwrap().unwrap() {
            Update::Changes(changes) => seen.extend(changes.into_iter().map(|change| change.key.unwrap())),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, (0..500).map(|number| json!(format!("k{number}"))).collect::<Vec<_>>());
    service.remove_object("ring").await.unwrap();
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_a_key_tells_of_that_key_alone() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let stock = service.create_object("stock", "HashMap<String, u64>").await.unwrap();
    let mut watch = stock.watch("apples").await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Some(Update::Value { value: None, version: 0 }));
    stock.set("pears", &1u64).await.unwrap();
    stock.set("apples", &2u64).await.unwrap();
    let update = watch.next().await.unwrap().unwrap();
    assert_eq!(update.value::<u64>().unwrap(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_connects_again_and_its_watches_miss_nothing() {
    let mut place = Place::new().await;
    // The same port again.
    place.config.listen = place.server.as_ref().unwrap().address();
    let service = place.service("acme", "orders").await;
    let create = ObjectCreate {
        object: "ring".into(),
        r#type: "BTreeMap<u32, u32>".into(),
        changes: Some(1000),
        ..ObjectCreate::default()
    };
    let ring = service.create_object_as(create).await.unwrap();
    let mut watch = ring.watch("").await.unwrap();
    assert!(matches!(watch.next().await.unwrap(), Some(Update::Value { .. })));
    let mut seen = Vec::new();
    for round in 0..3u32 {
        ring.set(&round.to_string(), &round).await.unwrap();
        place.restart().await;
        while seen.len() <= round as usize {
            match tokio::time::timeout(LONG, watch.next()).await.unwrap().unwrap().unwrap() {
                Update::Changes(changes) => seen.extend(changes.into_iter().map(|change| change.key.unwrap())),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(seen, [json!(0), json!(1), json!(2)]);
    assert_eq!(ring.get::<BTreeMap<u32, u32>>("").await.unwrap().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_lags_is_told_and_gets_the_value() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    let create = ObjectCreate {
        object: "ring".into(),
        r#type: "BTreeMap<u32, u32>".into(),
        changes: Some(4),
        ..ObjectCreate::default()
    };
    let ring = service.create_object_as(create).await.unwrap();
    let version = ring.set("0", &0u32).await.unwrap();
    for number in 0..100u32 {
        ring.set("1", &number).await.unwrap();
    }
    // As one who was away for a hundred changes.
    let mut watch = ring.watch_since("", Some(version)).await.unwrap();
    match watch.next().await.unwrap().unwrap() {
        update @ Update::Lagged { missed, .. } => {
            assert!(missed > 0);
            assert_eq!(update.value::<BTreeMap<u32, u32>>().unwrap().unwrap(), BTreeMap::from([(0, 0), (1, 99)]));
        }
        other => panic!("{other:?}"),
    }
    ring.set("2", &2u32).await.unwrap();
    match watch.next().await.unwrap().unwrap() {
        Update::Changes(changes) => assert_eq!(changes[0].key, Some(json!(2))),
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_is_handed_over_is_the_one_that_is_served() {
    let place = Place::new().await;
    let operator = place.operator().await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "near");
    service.create(Mode::Shared, None).await.unwrap();
    let counter = service.create_object("counter", "u64").await.unwrap();
    let mut watch = counter.watch("").await.unwrap();
    watch.next().await.unwrap();

    let segment = service.map(true).await.unwrap();
    let near = segment.open::<u64>("counter").unwrap();
    near.store(41).unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().value::<u64>().unwrap(), Some(41));
    counter.set("", &42u64).await.unwrap();
    assert_eq!(near.load().unwrap(), 42);

    let readable = service.map(false).await.unwrap();
    assert!(readable.is_read_only());
    assert_eq!(readable.open::<u64>("counter").unwrap().load().unwrap(), 42);
    // What was made to be served only is not handed over.
    let far = operator.service("acme", "far");
    far.create(Mode::Served, None).await.unwrap();
    assert_eq!(far.map(false).await.unwrap_err().code(), Some(Code::Unsupported));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mapped_program_writes_reaches_who_watches_from_afar_and_the_reverse() {
    use std::time::Instant;
    let place = Place::new().await;
    let operator = place.operator().await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "near");
    service.create(Mode::Shared, None).await.unwrap();
    let far = service.create_object("counter", "u64").await.unwrap();
    let segment = service.map(true).await.unwrap();
    let near = segment.open::<u64>("counter").unwrap();
    let mut watch = far.watch("").await.unwrap();
    watch.next().await.unwrap();
    let (mut out, mut back) = (Vec::new(), Vec::new());
    for number in 0..100u64 {
        let begin = Instant::now();
        near.store(2 * number + 1).unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().value::<u64>().unwrap(), Some(2 * number + 1));
        out.push(begin.elapsed());
        let (version, waiter, begin) = (near.version(), near.clone(), Instant::now());
        let waiting = tokio::task::spawn_blocking(move || waiter.wait(version, LONG).map(|_| Instant::now()).unwrap());
        far.set("", &(2 * number + 2)).await.unwrap();
        back.push(waiting.await.unwrap() - begin);
        assert_eq!(near.load().unwrap(), 2 * number + 2);
        assert_eq!(watch.next().await.unwrap().unwrap().value::<u64>().unwrap(), Some(2 * number + 2));
    }
    // Ten milliseconds at the median are what it is meant for, on a machine that does nothing else.
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    println!("near to far {:?}, far to near {:?}, at the median", median(&mut out), median(&mut back));
    assert!(median(&mut out) < LONG / 60 && median(&mut back) < LONG / 60);
}
