//! From a description to the type as text, which `describe` reads again.

use crate::schema::{Description, Field, Kind, Node, Variant};

/// A described type as text, from which it can be described again.
pub(super) fn text_of(description: &Description) -> String {
    let nodes = &description.nodes;
    let mut items = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let declared = match node.kind {
            Kind::Struct => !node.name.starts_with('('),
            Kind::Enum | Kind::SignedEnum => !is_result(node),
            _ => false,
        };
        if !declared {
            continue;
        }
        let fields = |part: &Variant| {
            let field = |field: &Field| expression_of(nodes, field.node, 0);
            let named = |one: &Field| format!("{}: {}", one.name, field(one));
            let list = |all: Vec<String>| all.join(", ");
            match &part.fields[..] {
                [] => String::new(),
                all if is_tuple(all) => format!("({})", list(all.iter().map(field).collect())),
                all => format!(" {{ {} }}", list(all.iter().map(named).collect())),
            }
        };
        let item = match node.kind {
            Kind::Struct => {
                let fields = node.variants.first().map(fields).unwrap_or_default();
                let end = if fields.ends_with('}') { "" } else { ";" };
                let inner =
                    node.variants.iter().flat_map(|part| &part.fields).map(|field| nodes[field.node].align).max();
                let repr = match node.align {
                    align if align > inner.unwrap_or(1) => format!("#[repr(C, align({align}))] "),
                    _ => String::new(),
                };
                format!("{repr}struct {}{fields}{end}", node.name)
            }
            kind => {
                let integer = (node.size < 8
                    || kind == Kind::SignedEnum
                    || node.variants.iter().enumerate().any(|(i, v)| v.tag != i as u64))
                .then(|| format!("{}{}", if kind == Kind::SignedEnum { 'i' } else { 'u' }, node.size * 8));
                let variant = |part: &Variant| match &integer {
                    Some(_) if kind == Kind::SignedEnum => {
                        let unused = 64 - node.size.clamp(1, 8) as u32 * 8;
                        format!("{} = {}", part.name, (part.tag as i64) << unused >> unused)
                    }
                    Some(_) => format!("{} = {}", part.name, part.tag),
                    None => format!("{}{}", part.name, fields(part)),
                };
                let variants: Vec<_> = node.variants.iter().map(variant).collect();
                let repr = integer.as_ref().map(|integer| format!("#[repr({integer})] ")).unwrap_or_default();
                format!("{repr}enum {} {{ {} }}", node.name, variants.join(", "))
            }
        };
        items.push((index, item));
    }
    let root_is_item = items.iter().any(|(index, _)| *index == 0);
    // The last item is the type itself, if it is one.
    items.sort_by_key(|(index, _)| *index == 0);
    let mut lines: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
    if !root_is_item {
        lines.push(expression_of(nodes, 0, 0));
    }
    lines.join("\n")
}

/// Whether these are the fields of a tuple, a tuple struct or such a variant.
pub(super) fn is_tuple(fields: &[Field]) -> bool {
    !fields.is_empty() && fields.iter().enumerate().all(|(index, field)| field.name == index.to_string())
}

fn is_result(node: &Node) -> bool {
    let names: Vec<_> = node.variants.iter().map(|part| (part.name.as_str(), part.fields.len())).collect();
    node.name.starts_with("Result<") && names == [("Ok", 1), ("Err", 1)]
}

/// The type of a node as an expression.
pub(super) fn expression_of(nodes: &[Node], node: usize, depth: usize) -> String {
    let node = &nodes[node];
    if depth > 64 {
        return node.name.clone();
    }
    let part = |part: usize, field: usize| {
        let field = node.variants.get(part).and_then(|part| part.fields.get(field));
        field.map_or_else(String::new, |field| expression_of(nodes, field.node, depth + 1))
    };
    let one = |name: &str| format!("{name}<{}>", part(0, 0));
    let two = |name: &str| format!("{name}<{}, {}>", part(0, 0), part(0, 1));
    match node.kind {
        Kind::Vec => one("Vec"),
        Kind::VecDeque => one("VecDeque"),
        Kind::HashSet => one("HashSet"),
        Kind::BTreeSet => one("BTreeSet"),
        Kind::Box => one("Box"),
        Kind::HashMap => two("HashMap"),
        Kind::BTreeMap => two("BTreeMap"),
        Kind::Option => format!("Option<{}>", part(1, 0)),
        Kind::Enum if is_result(node) => format!("Result<{}, {}>", part(0, 0), part(1, 0)),
        Kind::Struct if node.name.starts_with('(') => {
            let count = node.variants.first().map_or(0, |part| part.fields.len());
            let all: Vec<_> = (0..count).map(|field| part(0, field)).collect();
            if let [one] = &all[..] { format!("({one},)") } else { format!("({})", all.join(", ")) }
        }
        Kind::Array => match node.name.rsplit_once(';') {
            Some((_, count)) => format!("[{};{count}", part(0, 0)),
            None => node.name.clone(),
        },
        _ => node.name.clone(),
    }
}
