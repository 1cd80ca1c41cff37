//! Services written at the end of a file's text, as `[[service]]` blocks.

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use crate::domain::money::Rate;
use crate::domain::service::ServiceType;

/// A service that the file shall sell, by one route; what is not said is taken from the panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewService {
    /// Our id of it.
    pub id: i64,
    /// The panel that delivers it, by its id in the file.
    pub provider: String,
    /// That panel's id of it.
    pub service: String,
    /// The name.
    pub name: Option<String>,
    /// The type.
    pub kind: Option<ServiceType>,
    /// The category.
    pub category: Option<String>,
    /// The fixed price; without it the markups speak.
    pub rate: Option<Rate>,
    /// The fewest units.
    pub min: Option<u32>,
    /// The most units.
    pub max: Option<u32>,
    /// Whether it is refilled.
    pub refill: Option<bool>,
    /// Whether it is canceled.
    pub cancel: Option<bool>,
}

/// The text with these services at its end; nothing of what stands there is touched.
pub fn with_services(text: &str, services: &[&NewService]) -> String {
    let blocks: ArrayOfTables = services.iter().map(|service| block(service)).collect();
    let mut document = DocumentMut::new();
    document.insert("service", Item::ArrayOfTables(blocks));
    format!("{}\n\n{document}", text.trim_end())
}

fn block(service: &NewService) -> Table {
    let mut block = Table::new();
    let mut set = |key: &str, item: Option<Value>| {
        if let Some(item) = item {
            block.insert(key, value(item));
        }
    };

    set("id", Some(service.id.into()));
    set("name", service.name.as_deref().map(Value::from));
    set("type", service.kind.map(|kind| kind.name().into()));
    set("category", service.category.as_deref().map(Value::from));
    set("refill", service.refill.map(Value::from));
    set("cancel", service.cancel.map(Value::from));
    set("min", service.min.map(|min| i64::from(min).into()));
    set("max", service.max.map(|max| i64::from(max).into()));

    let mut route = InlineTable::new();
    route.insert("provider", service.provider.as_str().into());
    route.insert("service", service.service.as_str().into());

    set(
        "routes",
        Some(Value::Array(
            [Value::InlineTable(route)].into_iter().collect(),
        )),
    );

    set("rate", service.rate.map(|rate| rate.to_string().into()));
    block
}
