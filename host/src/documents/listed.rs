//! Documents that a format makes of the items of a file: the format classifies each item as a
//! result, a part of one, or something else, and parts of one result are joined when it is read.

use std::collections::HashMap;

use arc_framing::{Content, Frame, HEAD_BYTES, Problem, TreeNode, tree_documents};
use uuid::Uuid;

use super::archive::Archive;
use super::frames::frame_of;
use super::{DocumentFile, DocumentPlace, Documents, FileLimits, HEADER_BYTES, Place};
use crate::error::Result;
use crate::extraction::ItemRole;
use crate::identity::Fingerprint;

/// The documents of a file in order, each by the places of its items.
#[derive(Debug)]
pub(super) struct DocumentList {
    /// The archive of the items, if they are in one.
    archive: Option<Archive>,
    documents: Vec<Document>,
}

#[derive(Debug)]
enum Document {
    /// An item, and its problem if it has one.
    Item(DocumentPlace, Option<Problem>),
    /// The parts with the same key, or of a tree.
    Parts(Vec<DocumentPlace>),
}

/// Returns a fixed-size id for a key of any length.
fn fingerprint(key: &str) -> Uuid {
    let mut fingerprint = Fingerprint::new("part");
    fingerprint.part(key.as_bytes());
    fingerprint.uuid()
}

impl DocumentList {
    /// Reads a file once, and returns its list of documents and the header that its items contain: the
    /// JSON array of them.
    pub(super) fn read(
        file: &DocumentFile,
        document_bytes: usize,
        mut classify: impl FnMut(&str) -> ItemRole,
    ) -> Result<(Self, Option<String>)> {
        let mut frames = file.frames(document_bytes)?;
        let archive = match &file.documents {
            Documents::Archive(archive) => Some(archive.clone()),
            _ => None,
        };
        let mut listed = DocumentList { archive, documents: Vec::new() };
        let mut header = String::new();
        // The component determines the length of a key, and there can be very many keys.
        let mut by_key: HashMap<Uuid, usize> = HashMap::new();
        let mut trees: Vec<(Vec<TreeNode<Uuid>>, Vec<DocumentPlace>)> = Vec::new();
        let mut trees_by_key: HashMap<Uuid, usize> = HashMap::new();
        let mut items = 0;
        while let Some((place, frame)) = frames.next_document()? {
            items += 1;
            if items > file.limits.items {
                return Err(FileLimits::broken(file.name(), file.limits.items, "items"));
            }
            let (None, Content::Text(text)) = (frame.problem, &frame.content) else {
                listed.documents.push(Document::Item(place, frame.problem));
                continue;
            };
            match classify(text) {
                ItemRole::Result => listed.documents.push(Document::Item(place, None)),
                ItemRole::Part(key) => {
                    let next = listed.documents.len();
                    let number = *by_key.entry(fingerprint(&key)).or_insert(next);
                    match listed.documents.get_mut(number) {
                        Some(Document::Parts(parts)) => parts.push(place),
                        _ => listed.documents.push(Document::Parts(vec![place])),
                    }
                }
                ItemRole::Node(node) => {
                    let number = *trees_by_key.entry(fingerprint(&node.key)).or_insert(trees.len());
                    if number == trees.len() {
                        trees.push((Vec::new(), Vec::new()));
                    }
                    if let Some((nodes, places)) = trees.get_mut(number) {
                        let [id, parent] =
                            [node.id, node.parent].map(|id| id.as_deref().map(fingerprint));
                        nodes.push(TreeNode { id, parent, kind: node.kind.into() });
                        places.push(place);
                    }
                }
                ItemRole::Header => {
                    let Content::Text(text) = frame.content else { continue };
                    header.push(if header.is_empty() { '[' } else { ',' });
                    header.push_str(&text);
                    if header.len() >= HEADER_BYTES {
                        return Err(file.no_header(file.name(), "is too long"));
                    }
                }
                ItemRole::Other => {}
            }
        }
        for (nodes, places) in &trees {
            listed.documents.extend(tree_documents(nodes).into_iter().map(|numbers| {
                let parts = numbers.into_iter().filter_map(|number| places.get(number).copied());
                Document::Parts(parts.collect())
            }));
        }
        let header = (!header.is_empty()).then(|| header + "]");
        Ok((listed, header))
    }

    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Returns the document with this number, or `None` after the last one.
    pub(super) fn document(
        &self,
        file: &DocumentFile,
        number: usize,
        limit_bytes: usize,
    ) -> Result<Option<Frame>> {
        let Some(document) = self.documents.get(number) else { return Ok(None) };
        let text = match document {
            Document::Item(place, problem) => {
                return self.item(file, *place, *problem, limit_bytes).map(Some);
            }
            Document::Parts(parts) => {
                let mut text = String::from("[");
                for place in parts {
                    if text.len() > 1 {
                        text.push(',');
                    }
                    match self.item(file, *place, None, limit_bytes)?.content {
                        Content::Text(part) => text.push_str(&part),
                        Content::Bytes(_) => return Err(file.changed()),
                    }
                    if text.len() > limit_bytes {
                        break;
                    }
                }
                text.push(']');
                text
            }
        };
        Ok(Some(frame_of(text, number, limit_bytes)))
    }

    fn item(
        &self,
        file: &DocumentFile,
        place: DocumentPlace,
        problem: Option<Problem>,
        limit_bytes: usize,
    ) -> Result<Frame> {
        match (place.0, &self.archive, problem) {
            (Place::Number(number), Some(archive), _) => {
                archive.clone().document(number, limit_bytes).ok_or_else(|| file.changed())
            }
            (Place::Number(_), None, _) => Err(file.changed()),
            (Place::Bytes { offset, length }, _, None) => Ok(Frame {
                offset,
                length: u64::from(length),
                content: Content::Text(file.text_of(offset, length)?),
                problem: None,
            }),
            (Place::Bytes { offset, length }, _, Some(problem)) => {
                let kept = match problem {
                    Problem::InvalidUtf8 { .. } | Problem::Truncated(_) => limit_bytes,
                    _ => HEAD_BYTES.min(limit_bytes),
                };
                let kept = usize::try_from(length).unwrap_or(usize::MAX).min(kept);
                let bytes = file.bytes_of(offset, kept)?;
                Ok(Frame {
                    offset,
                    length: u64::from(length),
                    content: Content::Bytes(bytes),
                    problem: Some(problem),
                })
            }
        }
    }
}
