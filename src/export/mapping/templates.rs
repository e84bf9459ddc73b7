//! The Templates of a mapping: one for each layout that occurs.

use std::sync::Arc;

use crate::export::fields::TemplateFields;
use crate::export::layout::Layout;
use crate::export::mapping::{DataRecord, FULL, Shape};
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
    let (layout, time) = Layout::from_template_id(TemplateId::new(id)?)?;
    (time == mapping.time && layout.is_of(mapping)).then(|| template(layout, mapping))
}

/// The Templates of the layouts that occurred, made once each.
#[derive(Debug)]
pub(crate) struct Templates {
    mapping: Mapping,
    by_layout: Vec<Option<Arc<Template>>>,
}

impl Templates {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self { mapping, by_layout: vec![None; Layout::COUNT] }
    }

    /// The Template of `layout`.
    #[inline]
    pub(crate) fn template(&mut self, layout: Layout) -> &Arc<Template> {
        let slot = self
            .by_layout
            .get_mut(usize::from(layout.number()))
            .expect("there is a slot for every number below the count");
        slot.get_or_insert_with(|| first_of_its_kind(layout, self.mapping))
    }
}

/// Kept apart, so that what is done for every record is small.
#[cold]
fn first_of_its_kind(layout: Layout, mapping: Mapping) -> Arc<Template> {
    Arc::new(template(layout, mapping))
}
