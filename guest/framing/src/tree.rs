//! Documents whose parts form a tree, such as the spans of a trace.

use std::collections::BTreeMap;

/// How many nodes above its root a document has at most, so that the documents of a tree are not
/// much larger than the tree.
const MAX_ABOVE: usize = 64;

/// The kind of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A part that begins a document, unless another part is above it.
    Root,
    /// A part of a document.
    Part,
    /// A node that is only kept if it is above a part.
    Connector,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeNode<Id> {
    /// The node's own id.
    pub id: Option<Id>,
    /// The id of the node above it.
    pub parent: Option<Id>,
    /// The kind of the node.
    pub kind: NodeKind,
}

/// Divides the nodes into documents, each the indexes of its nodes in ascending order.
///
/// A tree with one root, or none, is one document. Of several roots, each is a document with all
/// nodes below it, and the connectors above it; parts that are not below a root are another.
/// Connectors without a part below them are left out.
///
/// ```
/// use arc_framing::{NodeKind, TreeNode, tree_documents};
///
/// let node = |id, parent, kind| TreeNode { id: Some(id), parent, kind };
/// let nodes = [
///     node(1, None, NodeKind::Connector),
///     node(2, Some(1), NodeKind::Root),
///     node(3, Some(2), NodeKind::Part),
///     node(4, Some(1), NodeKind::Root),
///     node(5, Some(4), NodeKind::Connector),
/// ];
/// assert_eq!(tree_documents(&nodes), [vec![0, 1, 2], vec![0, 3]]);
/// ```
pub fn tree_documents<Id: Ord>(nodes: &[TreeNode<Id>]) -> Vec<Vec<usize>> {
    let tree = Tree::of(nodes);
    let mut groups: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (number, node) in nodes.iter().enumerate() {
        if node.kind != NodeKind::Connector {
            groups.entry(tree.root_of(number)).or_default().push(number);
        }
    }
    let is_divided = groups.keys().flatten().count() > 1;
    if !is_divided {
        let parts = std::mem::take(&mut groups).into_values().flatten().collect();
        groups.insert(None, parts);
    }
    let mut taken = vec![false; nodes.len()];
    let documents =
        groups.into_iter().filter(|(_, parts)| !parts.is_empty()).map(|(root, parts)| {
            let mut document = Vec::with_capacity(parts.len());
            for part in parts {
                let mut next = Some(part);
                while let Some(number) = next
                    && (!is_divided || tree.root_of(number) == root)
                    && let Some(taken) = taken.get_mut(number)
                    && !std::mem::replace(taken, true)
                {
                    document.push(number);
                    next = tree.parent(number);
                }
            }
            document.extend(root.into_iter().flat_map(|root| tree.above(root)));
            document.sort_unstable();
            // Nodes that are each other's parents are above a root more than once.
            document.dedup();
            document
        });
    documents.collect()
}

/// For each node, its parent, and the root among itself and the nodes above it.
struct Tree {
    parents: Vec<Option<usize>>,
    roots: Vec<Option<usize>>,
}

impl Tree {
    fn of<Id: Ord>(nodes: &[TreeNode<Id>]) -> Self {
        let mut by_id: BTreeMap<&Id, usize> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            if let Some(id) = &node.id {
                by_id.entry(id).or_insert(number);
            }
        }
        let parents = nodes.iter().map(|node| by_id.get(node.parent.as_ref()?).copied()).collect();
        let mut tree = Tree { parents, roots: vec![None; nodes.len()] };
        // Whether a part is at a node or above it.
        let mut below_part = vec![false; nodes.len()];
        // Nodes can be each other's parents.
        let mut visited = vec![false; nodes.len()];
        for start in 0..nodes.len() {
            let mut path = Vec::new();
            let mut next = Some(start);
            while let Some(number) = next
                && let Some(visited) = visited.get_mut(number)
                && !std::mem::replace(visited, true)
            {
                path.push(number);
                next = tree.parent(number);
            }
            let mut root = next.and_then(|number| tree.root_of(number));
            let mut is_below =
                next.and_then(|number| below_part.get(number).copied()).unwrap_or_default();
            for number in path.into_iter().rev() {
                let kind = nodes.get(number).map(|node| node.kind);
                if kind == Some(NodeKind::Root) && !is_below {
                    root = Some(number);
                }
                is_below |= kind != Some(NodeKind::Connector);
                tree.roots.iter_mut().skip(number).take(1).for_each(|place| *place = root);
                below_part.iter_mut().skip(number).take(1).for_each(|place| *place = is_below);
            }
        }
        tree
    }

    fn parent(&self, number: usize) -> Option<usize> {
        self.parents.get(number).copied().flatten()
    }

    fn root_of(&self, number: usize) -> Option<usize> {
        self.roots.get(number).copied().flatten()
    }

    /// Returns the nearest nodes above a root.
    fn above(&self, root: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.parent(root), |number| self.parent(*number)).take(MAX_ABOVE)
    }
}

#[cfg(test)]
mod tests {
    use super::NodeKind::{Connector, Part, Root};
    use super::*;

    fn documents(nodes: &[(u32, u32, NodeKind)]) -> Vec<Vec<usize>> {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|(id, parent, kind)| TreeNode {
                id: Some(*id),
                parent: Some(*parent),
                kind: *kind,
            })
            .collect();
        tree_documents(&nodes)
    }

    #[test]
    fn a_tree_with_at_most_one_root_is_one_document() {
        assert_eq!(documents(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(documents(&[(1, 0, Connector), (2, 1, Connector)]), Vec::<Vec<usize>>::new());
        assert_eq!(documents(&[(1, 0, Part), (2, 0, Part)]), [vec![0, 1]]);
        // The connector without a part below it is left out.
        let tree = [(3, 2, Part), (2, 1, Connector), (1, 0, Root), (4, 1, Connector), (5, 9, Part)];
        assert_eq!(documents(&tree), [vec![0, 1, 2, 4]]);
        // A root below another one is a part of its document.
        assert_eq!(documents(&[(1, 0, Root), (2, 1, Connector), (3, 2, Root)]), [vec![0, 1, 2]]);
        let node = TreeNode::<u32> { id: None, parent: None, kind: Part };
        assert_eq!(tree_documents(&[node, node]), [vec![0, 1]]);
    }

    #[test]
    fn each_of_several_roots_is_a_document() {
        let tree = [
            (3, 2, Root),
            (4, 3, Part),
            (2, 1, Connector),
            (1, 0, Connector),
            (5, 2, Root),
            (6, 5, Connector),
            (7, 6, Part),
            (8, 1, Connector),
            (9, 8, Part),
        ];
        // First the part beside the roots, with the connectors above it.
        assert_eq!(documents(&tree), [vec![3, 7, 8], vec![0, 1, 2, 3], vec![2, 3, 4, 5, 6]]);
    }

    #[test]
    fn a_root_below_a_part_begins_no_document() {
        let tree = [(1, 0, Part), (2, 1, Root), (3, 1, Connector), (4, 3, Root)];
        assert_eq!(documents(&tree), [vec![0, 1, 2, 3]]);
        let tree = [(1, 0, Part), (2, 1, Root), (3, 0, Root), (4, 3, Root), (5, 0, Root)];
        assert_eq!(documents(&tree), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn nodes_that_are_each_others_parents_occur_once() {
        assert_eq!(documents(&[(1, 1, Root)]), [vec![0]]);
        assert_eq!(documents(&[(1, 2, Root), (2, 1, Root)]), [vec![0, 1]]);
        assert_eq!(
            documents(&[(1, 2, Connector), (2, 1, Connector), (3, 1, Root), (4, 0, Root)]),
            [vec![0, 1, 2], vec![3]]
        );
    }

    #[test]
    fn a_document_has_a_bounded_number_of_nodes_above_its_root() {
        let chain = (1..=1_000).map(|id| (id, id - 1, Connector));
        let roots = (1_001..=2_000).map(|id| (id, 1_000, Root));
        let tree: Vec<_> = chain.chain(roots).collect();
        let documents = documents(&tree);
        assert_eq!(documents.len(), 1_000);
        assert!(documents.iter().all(|document| document.len() == MAX_ABOVE + 1));
    }
}
