//! The Templates of a mapping: one for each layout that occurs.

use std::sync::Arc;

use crate::export::fields::TemplateFields;
use crate::export::layout::{Layout, number_of};
use crate::export::mapping::{AggregateLayout, Content as _, DataRecord, FULL, Shape};
use crate::export::profile::Mapping;
use crate::ipfix::template::{Template, TemplateId};

/// The Template of `layout`.
pub(crate) fn template(layout: Layout, mapping: Mapping) -> Template {
    let mut fields = TemplateFields(Vec::new());
    let shape = Shape { layout: layout.under(mapping), turned: false, mapping };
    DataRecord { record: &FULL, shape }.visit(&mut fields);
    Template::new(layout.template_id(mapping.time), fields.0)
        .expect("a test makes the template of every layout there is, under every mapping")
}

/// The Template with this ID, if `mapping` makes records of it.
///
/// An ID tells the layout in every run, so what was encoded in one may be sent in another.
pub(crate) fn template_by_id(id: u16, mapping: Mapping) -> Option<Template> {
    let (number, time) = number_of(TemplateId::new(id)?)?;
    if time != mapping.time {
        return None;
    }
    match Layout::from_number(number) {
        Some(layout) => layout.is_of(mapping).then(|| template(layout, mapping)),
        None if !mapping.withheld.flow_records => None,
        None => AggregateLayout::from_number(number).map(|layout| layout.template(mapping)),
    }
}

/// The Templates of the layouts that occurred, made once each.
#[derive(Debug)]
pub(crate) struct Templates {
    mapping: Mapping,
    by_number: Vec<Option<Arc<Template>>>,
}

impl Templates {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self { mapping, by_number: vec![None; Layout::COUNT] }
    }

    /// The Template of the layout with this number.
    #[inline]
    pub(crate) fn template(&mut self, number: u16) -> &Arc<Template> {
        let slot = self
            .by_number
            .get_mut(usize::from(number))
            .expect("there is a slot for every number below the count");
        slot.get_or_insert_with(|| first_of_its_kind(number, self.mapping))
    }
}

/// Kept apart, so that what is done for every record is small.
#[cold]
fn first_of_its_kind(number: u16, mapping: Mapping) -> Arc<Template> {
    let flows = || Layout::from_number(number).map(|layout| template(layout, mapping));
    let aggregates = || AggregateLayout::from_number(number).map(|it| it.template(mapping));
    Arc::new(flows().or_else(aggregates).expect("records have numbers of layouts"))
}
