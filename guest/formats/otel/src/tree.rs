//! The spans of a trace as a tree, and the run that is the result.

use std::collections::BTreeMap;

use crate::span::{Kind, Span};

/// The parents of the spans of a trace.
pub(crate) struct Tree(Vec<Option<usize>>);

impl Tree {
    pub(crate) fn of(spans: &[Span]) -> Self {
        let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, span) in spans.iter().enumerate() {
            if let Some(id) = span.id.as_deref() {
                by_id.entry(id).or_insert(number);
            }
        }
        let parent = |(number, span): (usize, &Span)| {
            by_id.get(span.parent.as_deref()?).copied().filter(|parent| *parent != number)
        };
        Tree(spans.iter().enumerate().map(parent).collect())
    }

    pub(crate) fn parent(&self, number: usize) -> Option<usize> {
        self.0.get(number).copied().flatten()
    }

    /// Returns for each span whether it is one of the `chosen` ones or below one. A trace can have
    /// very many spans, so each is visited once, also if spans are each other's parents.
    pub(crate) fn at_or_below(&self, chosen: impl Fn(usize) -> bool) -> Flags {
        let mut found: Vec<Option<bool>> = vec![None; self.0.len()];
        for start in 0..self.0.len() {
            let mut path = Vec::new();
            let mut next = Some(start);
            while let Some(number) = next
                && let Some(place @ None) = found.get_mut(number)
            {
                *place = Some(false);
                path.push(number);
                next = self.parent(number);
            }
            let mut is_found =
                next.and_then(|number| found.get(number).copied().flatten()).unwrap_or(false);
            for number in path.into_iter().rev() {
                is_found |= chosen(number);
                found.iter_mut().skip(number).take(1).for_each(|place| *place = Some(is_found));
            }
        }
        Flags(found.into_iter().map(|found| found == Some(true)).collect())
    }

    /// Returns for each span whether one of the `chosen` ones is below it.
    pub(crate) fn above(&self, chosen: impl Fn(usize) -> bool) -> Flags {
        let mut found = Flags(vec![false; self.0.len()]);
        for start in (0..self.0.len()).filter(|number| chosen(*number)) {
            let mut next = self.parent(start);
            while let Some(number) = next
                && found.set(number)
            {
                next = self.parent(number);
            }
        }
        found
    }
}

/// A property of each span.
pub(crate) struct Flags(Vec<bool>);

impl Flags {
    pub(crate) fn get(&self, number: usize) -> bool {
        self.0.get(number) == Some(&true)
    }

    /// Sets a flag; false if it is set already.
    pub(crate) fn set(&mut self, number: usize) -> bool {
        self.0.get_mut(number).is_some_and(|flag| !std::mem::replace(flag, true))
    }
}

/// The run of a trace that is the result.
pub(crate) struct Run {
    pub(crate) tree: Tree,
    /// The span of the case or agent, if there is one. Of several, the first that started.
    pub(crate) root: Option<usize>,
    /// The spans above the root, which belong to other runs as well.
    above: Flags,
    /// The spans that evaluate the run.
    scoring: Flags,
}

impl Run {
    pub(crate) fn of(spans: &[Span]) -> Self {
        let tree = Tree::of(spans);
        let is_root = |number: usize| spans.get(number).is_some_and(|span| span.is_root());
        let scoring = tree
            .at_or_below(|number| spans.get(number).is_some_and(|span| span.kind == Kind::Scorer));
        let parts = tree.at_or_below(|number| spans.get(number).is_some_and(Span::is_part));
        let outermost = (0..spans.len()).filter(|number| {
            is_root(*number) && !tree.parent(*number).is_some_and(|parent| parts.get(parent))
        });
        let start = |number: &usize| {
            let span = spans.get(*number);
            (scoring.get(*number), span.and_then(|span| span.start))
        };
        let root = outermost.min_by_key(start);
        let above = tree.above(|number| Some(number) == root);
        Run { tree, root, above, scoring }
    }

    /// Whether a span belongs to the run, and not to a whole that has other runs as well.
    pub(crate) fn has(&self, number: usize) -> bool {
        !self.above.get(number)
    }

    /// Whether a span evaluates the run.
    pub(crate) fn is_scoring(&self, number: usize) -> bool {
        self.scoring.get(number)
    }

    /// Returns the spans of the run itself, without its evaluation, by their start.
    pub(crate) fn by_start<'s, 'a>(&self, spans: &'s [Span<'a>]) -> Vec<&'s Span<'a>> {
        let own = spans.iter().enumerate();
        let own = own.filter(|(number, _)| self.has(*number) && !self.is_scoring(*number));
        let mut own: Vec<&Span> = own.map(|(_, span)| span).collect();
        own.sort_by_key(|span| span.start);
        own
    }
}
