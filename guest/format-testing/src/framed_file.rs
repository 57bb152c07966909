//! Splits a small file in memory as a host splits a large one.

use arc_format_kit::{Format, Header, Items, Layout, Role, TreeNode};
use arc_framing::tree_documents;
use serde_json::Value;
use serde_json::value::RawValue;

/// The results of a file.
#[derive(Debug)]
pub struct FramedFile {
    /// The layout that the format returned.
    pub layout: Layout,
    /// The header, if the file has one.
    pub header: Option<String>,
    /// The documents in their order, each result's text or the array of its parts.
    pub documents: Vec<String>,
}

/// Splits a file into its documents; `None` if it is not of the format. Archives and headers in
/// other files are not supported.
pub fn frame<F: Format>(file_name: &str, bytes: &[u8]) -> Option<FramedFile> {
    let layout = F::detect(file_name, &bytes[..bytes.len().min(4096)])?;
    let text = std::str::from_utf8(bytes).unwrap();
    let documents: Vec<&str> = match &layout.items {
        Items::Lines => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
        _ => serde_json::Deserializer::from_str(text)
            .into_iter::<&RawValue>()
            .map(|document| document.unwrap().get())
            .collect(),
    };
    let mut header = None;
    let items: Vec<String> = match &layout.items {
        Items::Elements(pointer) | Items::ElementsOrFiles(pointer, _) => {
            let segments: Vec<&str> = pointer.split('/').skip(1).collect();
            if layout.header == Header::EnclosingDocument
                && let Some(first) = documents.first()
            {
                let mut enclosing_document = serde_json::from_str(first).unwrap();
                blank(&mut enclosing_document, &segments);
                header = Some(enclosing_document.to_string());
            }
            documents.iter().flat_map(|document| elements(document, &segments)).collect()
        }
        _ => documents.into_iter().map(str::to_owned).collect(),
    };
    let mut header_items = Vec::new();
    let mut found: Vec<(Option<String>, Vec<String>)> = Vec::new();
    let mut trees: Vec<(String, Vec<TreeNode<String>>, Vec<String>)> = Vec::new();
    for item in items {
        let role = if layout.classify_items { F::classify(&item) } else { Role::Result };
        match role {
            Role::Result => found.push((None, vec![item])),
            Role::Header => header_items.push(item),
            Role::Other => {}
            Role::Part(key) => {
                match found.iter_mut().find(|(other, _)| other.as_ref() == Some(&key)) {
                    Some((_, parts)) => parts.push(item),
                    None => found.push((Some(key), vec![item])),
                }
            }
            Role::Node(key, node) => match trees.iter_mut().find(|(other, ..)| *other == key) {
                Some((_, nodes, items)) => {
                    nodes.push(node);
                    items.push(item);
                }
                None => trees.push((key, vec![node], vec![item])),
            },
        }
    }
    if !header_items.is_empty() {
        header = Some(format!("[{}]", header_items.join(",")));
    }
    let found = found.into_iter().map(|(key, parts)| match key {
        Some(_) => format!("[{}]", parts.join(",")),
        None => parts.concat(),
    });
    let trees = trees.iter().flat_map(|(_, nodes, items)| {
        tree_documents(nodes).into_iter().map(|document| {
            let parts: Vec<&str> = document.iter().map(|number| items[*number].as_str()).collect();
            format!("[{}]", parts.join(","))
        })
    });
    let documents = found.chain(trees).collect();
    Some(FramedFile { layout, header, documents })
}

/// Returns the raw values at a pointer.
fn elements(value: &str, segments: &[&str]) -> Vec<String> {
    let Some((segment, rest)) = segments.split_first() else { return vec![value.to_owned()] };
    if *segment == "*" {
        let found: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
        return found.iter().flat_map(|element| elements(element.get(), rest)).collect();
    }
    let found: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(value).unwrap_or_default();
    found.get(*segment).map(|member| elements(member.get(), rest)).unwrap_or_default()
}

fn blank(value: &mut Value, segments: &[&str]) {
    match segments.split_first() {
        None => *value = Value::Null,
        Some((&"*", rest)) => {
            value.as_array_mut().into_iter().flatten().for_each(|element| blank(element, rest));
        }
        Some((segment, rest)) => value.get_mut(segment).into_iter().for_each(|it| blank(it, rest)),
    }
}
