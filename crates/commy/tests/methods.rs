//! The public methods, read from the source, beside what is said and tested of them:
//!
//! - `docs/STD_METHODS.md` has each method of a view, and what it says that views have, they have;
//! - each method that changes something is called by a scenario of the image tests: one of a view in the file for that
//!   view in `images/methods`, any other in any scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// The views, the heading of each in the table, and which file of `images/methods` has its scenarios.
const VIEWS: [(&str, &str); 12] = [
    ("VecView", "vec_view"),
    ("DequeView", "deque_view"),
    ("Text", "text"),
    ("HashMapView", "hash_map_view"),
    ("HashSetView", "hash_set_view"),
    ("BTreeMapView", "btree_map_view"),
    ("BTreeSetView", "btree_set_view"),
    ("OptionView", "option_view"),
    ("BoxView", "box_view"),
    ("Entry", "entries"),
    ("OccupiedEntry", "entries"),
    ("VacantEntry", "entries"),
];

/// Types of `shared` and `segment` that change nothing in a segment, and the one that is for measuring the allocator.
const NO_HANDLES: [&str; 2] = ["Options", "ReadGuard"];

/// Methods of handles that change nothing but what dies with the process or its guard, or that are another one's other
/// form, which this names.
const CHANGE_NOTHING: [(&str, &str); 58] = [
    ("Segment::activity", ""),
    ("Segment::is_retired", ""),
    ("Segment::retire", "one store, after which nobody changes anything: tests/retired"),
    ("Segment::reinstate", "one store, that takes it back"),
    ("Objects::dynamic", ""),
    ("Shared::name", ""),
    ("Shared::segment", ""),
    ("Shared::version", ""),
    ("Shared::load", ""),
    ("Shared::read", ""),
    ("Shared::read_for", ""),
    ("Shared::try_read", ""),
    ("Shared::wait", ""),
    ("Shared::wait_async", ""),
    ("Shared::changes_since", ""),
    ("Changes::next", ""),
    ("Changes::object", ""),
    ("Change::version", ""),
    ("Change::operation", ""),
    ("Change::is_untold", ""),
    ("Change::key", ""),
    ("Shared::write_for", "Shared::write"),
    ("Shared::try_write", "Shared::write"),
    ("WriteGuard::view", ""),
    ("WriteGuard::load", ""),
    ("WriteGuard::view_mut", "a view's methods"),
    ("WriteGuard::try_view_mut", "a view's methods"),
    ("Part::view", ""),
    ("Part::view_mut", "a view's methods"),
    ("Part::try_view_mut", "a view's methods"),
    ("Segment::options", ""),
    ("Segment::open", ""),
    ("Segment::create", "tests/formatting.rs, by processes killed while they format"),
    ("Segment::open_or_create", "tests/formatting.rs"),
    ("Segment::size", ""),
    ("Segment::limit", ""),
    ("Segment::path", ""),
    ("Segment::is_read_only", ""),
    ("Segment::check", ""),
    ("Segment::check_with", ""),
    ("Segment::stats", ""),
    ("Segment::participants", ""),
    ("Segment::identity", ""),
    ("Segment::threads", ""),
    ("Segment::held", ""),
    ("Segment::extents", ""),
    ("Segment::heartbeat", "one word that nobody recovers"),
    ("Segment::recover", "what every image does"),
    ("Segment::sync", "the disk, not the memory"),
    ("Segment::snapshot_with", "Segment::snapshot"),
    ("Segment::transaction_retry", "Segment::transaction"),
    ("Objects::open", ""),
    ("Objects::open_or_create", "Objects::open_or_create_with"),
    ("Objects::objects", ""),
    ("Named::open_or_create", "Named::open_or_create_with"),
    ("Objects::objects_under", ""),
    ("Objects::object_size", ""),
    ("Objects::check_objects", ""),
];

/// Rust files below a folder, without those of tests.
fn sources(folder: &str, found: &mut Vec<PathBuf>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            sources(path.to_str().unwrap(), found);
        } else if name.ends_with(".rs") && !["tests.rs", "testing.rs"].contains(&name) && !name.starts_with("model") {
            found.push(path);
        }
    }
}

fn parsed(path: &Path) -> syn::File {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A public method.
#[derive(Clone, Copy)]
struct Method {
    /// Whether it takes `&mut self`.
    exclusive: bool,
    /// Whether it takes `self`.
    owned: bool,
}

/// The last part of a path, with that of its first parameter if that has parameters of its own or is a type of std:
/// `Shared<Vec>`.
fn name_of(path: &syn::Path) -> String {
    let last = path.segments.last().unwrap();
    if let syn::PathArguments::AngleBracketed(parameters) = &last.arguments
        && let Some(syn::GenericArgument::Type(syn::Type::Path(first))) = parameters.args.first()
        && first.path.segments.last().unwrap().ident.to_string().len() > 1
    {
        return format!("{}<{}>", last.ident, name_of(&first.path));
    }
    last.ident.to_string()
}

/// The public methods of each type that has some, by the type's name.
fn methods(folders: &[&str]) -> BTreeMap<String, BTreeMap<String, Method>> {
    let mut files = Vec::new();
    folders.iter().for_each(|folder| sources(folder, &mut files));
    let mut methods: BTreeMap<String, BTreeMap<String, Method>> = BTreeMap::new();
    for item in files.iter().flat_map(|file| parsed(file).items) {
        let syn::Item::Impl(block) = item else { continue };
        let (None, syn::Type::Path(of)) = (&block.trait_, &*block.self_ty) else { continue };
        let of = name_of(&of.path);
        for item in block.items {
            let syn::ImplItem::Fn(method) = item else { continue };
            if let syn::Visibility::Public(_) = method.vis {
                let receiver = method.sig.receiver();
                let exclusive = receiver.is_some_and(|own| own.reference.is_some() && own.mutability.is_some());
                let owned = receiver.is_some_and(|own| own.reference.is_none());
                let method = (method.sig.ident.to_string(), Method { exclusive, owned });
                methods.entry(of.clone()).or_default().extend([method]);
            }
        }
    }
    methods
}

/// The names of the methods that are called in what scenarios do: the third of four arguments of `run`, `changed` or
/// `form`, or the fourth of five of `run_sized`.
#[derive(Default)]
struct Acts {
    called: BTreeSet<String>,
    acting: bool,
}

impl<'ast> Visit<'ast> for Acts {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let name = |path: &syn::ExprPath| path.path.segments.last().map(|last| last.ident.to_string());
        let act = match &*call.func {
            syn::Expr::Path(path)
                if ["run", "changed", "form"].map(Some).contains(&name(path).as_deref()) && call.args.len() == 4 =>
            {
                2
            }
            syn::Expr::Path(path) if name(path).as_deref() == Some("run_sized") && call.args.len() == 5 => 3,
            _ => return visit::visit_expr_call(self, call),
        };
        self.acting = true;
        self.visit_expr(&call.args[act]);
        self.acting = false;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if self.acting {
            called_in_tokens(call.tokens.clone(), &mut self.called);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if self.acting {
            self.called.insert(call.method.to_string());
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// The same in the tokens of a macro: what stands between a dot and a parenthesis.
fn called_in_tokens(tokens: proc_macro2::TokenStream, called: &mut BTreeSet<String>) {
    use proc_macro2::TokenTree::{Group, Ident, Punct};
    let tokens: Vec<_> = tokens.into_iter().collect();
    for part in tokens.windows(3) {
        if let [Punct(dot), Ident(name), Group(_)] = part
            && dot.as_char() == '.'
        {
            called.insert(name.to_string());
        }
    }
    for token in tokens {
        if let Group(group) = token {
            called_in_tokens(group.stream(), called);
        }
    }
}

fn called_in_scenarios(files: &[PathBuf]) -> BTreeSet<String> {
    let mut acts = Acts::default();
    files.iter().for_each(|file| acts.visit_file(&parsed(file)));
    acts.called
}

#[test]
fn no_method_of_a_view_changes_something_without_being_stepped_through() {
    let methods = methods(&["src/containers"]);
    for (view, file) in VIEWS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/images/methods/{file}.rs"));
        let called = called_in_scenarios(&[path]);
        let entry = file == "entries";
        let changing = methods[view].iter().filter(|(_, method)| method.exclusive || (entry && method.owned));
        let missing: Vec<_> = changing.filter(|(name, _)| !called.contains(*name) && *name != "into_key").collect();
        let names: Vec<_> = missing.iter().map(|(name, _)| format!("{view}::{name}")).collect();
        assert!(names.is_empty(), "no scenario in tests/images/methods/{file}.rs calls {}", names.join(", "));
    }
}

#[test]
fn no_handle_changes_a_segment_without_being_stepped_through() {
    let mut files = Vec::new();
    sources("tests/images", &mut files);
    let (called, methods) = (called_in_scenarios(&files), methods(&["src/shared", "src/segment"]));
    let mut known: BTreeMap<&str, &str> = CHANGE_NOTHING.into();
    let one = |handle: &&String| handle.starts_with("Shared<");
    let handles = methods.iter().filter(|(handle, _)| !NO_HANDLES.contains(&handle.as_str()) && !one(handle));
    let all = handles.flat_map(|(handle, own)| own.keys().map(move |method| (format!("{handle}::{method}"), method)));
    let missing = all.filter(|(full, method)| known.remove(full.as_str()).is_none() && !called.contains(*method));
    let missing: Vec<String> = missing.map(|(full, _)| full).collect();
    assert!(
        missing.is_empty(),
        "no scenario in tests/images calls {}; what changes nothing in the file stands in CHANGE_NOTHING",
        missing.join(", ")
    );
    assert!(known.is_empty(), "CHANGE_NOTHING names methods that do not exist: {known:?}");
}

/// What operations of handles are called that change nothing.
const LOOK: [&str; 16] = [
    "len",
    "is_empty",
    "get",
    "view",
    "contains",
    "contains_key",
    "first",
    "last",
    "front",
    "back",
    "first_key_value",
    "last_key_value",
    "is_some",
    "is_none",
    "load",
    "scan",
];

#[test]
fn no_operation_of_a_handle_changes_something_without_being_stepped_through() {
    let file = parsed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/methods/forms.rs"));
    let methods = methods(&["src/shared"]);
    let of_handles = methods.iter().filter_map(|(handle, own)| Some((handle.strip_prefix("Shared<")?, own)));
    for (of, own) in of_handles {
        let function = of.trim_end_matches('>').to_lowercase();
        let mut acts = Acts::default();
        for item in &file.items {
            match item {
                syn::Item::Fn(test) if test.sig.ident == function => acts.visit_item_fn(test),
                _ => {}
            }
        }
        // A form for tasks does, between waits, what the other one does.
        let act = |name: &str| name.strip_suffix("_async").unwrap_or(name).to_string();
        let missing = own.keys().filter(|name| !LOOK.contains(&name.as_str()) && !acts.called.contains(&act(name)));
        let missing: Vec<_> = missing.collect();
        assert!(
            missing.is_empty(),
            "{function} in tests/images/methods/forms.rs has no scenario for {missing:?} of Shared<{of}; what changes \
             nothing stands in LOOK"
        );
    }
}

/// A row of the table: methods, what is said of them, and why.
struct Row {
    names: Vec<String>,
    status: String,
    why: String,
}

/// The rows for each view.
fn table() -> BTreeMap<String, Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/STD_METHODS.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (mut rows, mut view) = (BTreeMap::<String, Vec<Row>>::new(), String::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            view = heading.rsplit_once(": ").map_or("", |(_, view)| view.trim_matches('`')).to_string();
        } else if let Some(cells) = line.strip_prefix("| `").and_then(|row| row.strip_suffix(" |")) {
            let cells: Vec<&str> = cells.split(" | ").map(str::trim).collect();
            let [names, status, ref why @ ..] = cells[..] else { panic!("a row of {view}: {line}") };
            let names = names.split(", ").map(|name| name.trim_matches('`').to_string()).collect();
            let (status, why) = (status.trim_end_matches(" |").to_string(), why.concat());
            rows.entry(view.clone()).or_default().push(Row { names, status, why });
        }
    }
    rows
}

#[test]
fn the_table_of_methods_names_all_that_views_have_and_nothing_that_they_have_not() {
    let (methods, mut table) = (methods(&["src/containers"]), table());
    for (view, _) in VIEWS {
        let mut unnamed: BTreeSet<&str> = methods[view].keys().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        for Row { names, status, why } in table.remove(view).unwrap_or_else(|| panic!("no table for {view}")) {
            for name in names {
                let exists = methods[view].contains_key(&name);
                let sound = match status.as_str() {
                    "same" => exists,
                    "own" => exists && !why.is_empty(),
                    "slice" | "str" => !exists,
                    "other" | "not yet" => !exists && !why.is_empty(),
                    _ => panic!("{view}::{name} is \"{status}\""),
                };
                assert!(sound, "{view}::{name} is \"{status}\" ({why}), and the source has it: {exists}");
                unnamed.remove(name.as_str());
                assert!(seen.insert(name.clone()), "{view}::{name} is there twice");
            }
        }
        assert!(unnamed.is_empty(), "docs/STD_METHODS.md has no row for {unnamed:?} of {view}");
    }
    assert!(table.is_empty(), "tables of what is no view: {:?}", table.keys());
}
