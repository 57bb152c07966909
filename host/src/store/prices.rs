//! Prices of models, by which a cost is computed beside the one that a tool reports.
//!
//! A table is a JSON object whose members are models, in the form of LiteLLM's
//! `model_prices_and_context_window`: `input_cost_per_token`, `output_cost_per_token`,
//! `cache_read_input_token_cost`, `cache_creation_input_token_cost`,
//! `output_cost_per_reasoning_token` and `litellm_provider`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::identity::Fingerprint;
use crate::lock::lock;

/// How long a table is used before the database is queried for a newer one.
const REFRESH: Duration = Duration::from_secs(60);

/// The prefixes of models that evaluation tools use for a provider of the table.
const PROVIDERS: [(&str, &str); 4] =
    [("google", "gemini"), ("together", "together_ai"), ("vertex", "vertex_ai"), ("grok", "xai")];

/// The prices of a model, in US dollars for each token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelPrices {
    /// Of a prompt's token that is neither read from a cache nor written to one.
    #[serde(rename = "input_cost_per_token", skip_serializing_if = "Option::is_none")]
    pub input: Option<f64>,
    /// Of a completion's token.
    #[serde(rename = "output_cost_per_token", skip_serializing_if = "Option::is_none")]
    pub output: Option<f64>,
    /// Of a token that is read from a cache; as `input` if absent.
    #[serde(rename = "cache_read_input_token_cost", skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Of a token that is written to a cache; as `input` if absent.
    #[serde(rename = "cache_creation_input_token_cost", skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Of a token of reasoning; as `output` if absent.
    #[serde(rename = "output_cost_per_reasoning_token", skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
    /// The provider.
    #[serde(rename = "litellm_provider", skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// Counts of tokens of calls to one model, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenCounts {
    /// Of prompts, neither read from a cache nor written to one.
    pub uncached_input: f64,
    /// Read from a cache.
    pub cache_read: f64,
    /// Written to a cache.
    pub cache_write: f64,
    /// Of completions, without reasoning.
    pub output: f64,
    /// Of reasoning.
    pub reasoning: f64,
}

impl TokenCounts {
    /// Returns the sum of all kinds.
    pub fn sum(&self) -> f64 {
        self.uncached_input + self.cache_read + self.cache_write + self.output + self.reasoning
    }
}

/// A table of prices.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceTable {
    /// Derived from the name, the date and the prices.
    pub price_table_id: Uuid,
    /// The file's name.
    pub name: String,
    /// The date of the prices.
    pub dated: Date,
    /// The prices by model.
    models: BTreeMap<String, ModelPrices>,
}

/// A table of prices in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PriceTableSummary {
    /// Its id.
    pub price_table_id: Uuid,
    /// The file's name.
    pub name: String,
    /// The date of the prices.
    pub dated: Date,
    /// When it was loaded last.
    pub loaded_at: Timestamp,
    /// How many models have a price.
    pub models: i64,
}

impl PriceTable {
    /// Reads a table. Models without the price of a token, such as those of images, are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not an object of objects, a price is not a number from 0, or no model
    /// has a price.
    pub fn parse(name: &str, dated: Date, text: &str) -> Result<Self> {
        let models = models(name, text)?;
        let mut fingerprint = Fingerprint::new("price table");
        fingerprint.part(name.as_bytes());
        fingerprint.part(dated.to_string().as_bytes());
        fingerprint.part(&serde_json::to_vec(&models).unwrap_or_default());
        let price_table_id = fingerprint.uuid();
        Ok(PriceTable { price_table_id, name: name.to_owned(), dated, models })
    }

    /// Returns how many models have a price.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether no model has a price.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Returns the prices of a model and its name in the table: the name as it is, or without the
    /// provider before it if the table has the model of that provider without it. Tools separate the two
    /// by a slash or a colon.
    pub fn model(&self, name: &str) -> Option<(&str, &ModelPrices)> {
        let find = |name: &str| {
            self.models.get_key_value(name).map(|(name, prices)| (name.as_str(), prices))
        };
        if let Some(found) = find(name) {
            return Some(found);
        }
        let name = name.replace(':', "/");
        let (prefix, model) = name.split_once('/')?;
        let known = PROVIDERS.iter().find(|(of_tools, _)| *of_tools == prefix);
        let provider = known.map_or(prefix, |(_, of_table)| of_table);
        // OpenAI's kinds of calls, in promptfoo's names.
        let model = ["chat/", "responses/", "completion/", "messages/"]
            .iter()
            .find_map(|kind| model.strip_prefix(kind))
            .unwrap_or(model);
        find(&format!("{provider}/{model}")).or_else(|| {
            find(model).filter(|(_, prices)| {
                prices.provider.as_deref().is_some_and(|of_table| of_table.starts_with(provider))
            })
        })
    }

    /// Returns the cost of calls to a model in US dollars; `None` if the table has no price for one of
    /// their kinds.
    pub fn cost_usd(&self, model: &str, counts: &TokenCounts) -> Option<f64> {
        let (_, prices) = self.model(model)?;
        let kinds = [
            (counts.uncached_input, prices.input),
            (counts.cache_read, prices.cache_read.or(prices.input)),
            (counts.cache_write, prices.cache_write.or(prices.input)),
            (counts.output, prices.output),
            (counts.reasoning, prices.reasoning.or(prices.output)),
        ];
        let used = kinds.into_iter().filter(|(tokens, _)| *tokens > 0.0);
        used.map(|(tokens, price)| Some(tokens * price?)).sum()
    }
}

/// Reads the prices of a table; see [`PriceTable::parse`].
fn models(name: &str, text: &str) -> Result<BTreeMap<String, ModelPrices>> {
    let models: BTreeMap<String, ModelPrices> = serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("{name} is not a table of prices: {error}")).with_hint(
            "a table is a JSON object such as {\"gpt-4o\": {\"input_cost_per_token\": 2.5e-6, \
             \"output_cost_per_token\": 1e-5}}",
        )
    })?;
    // LiteLLM's table begins with an example.
    let is_priced = |(model, prices): &(String, ModelPrices)| {
        model != "sample_spec" && (prices.input.is_some() || prices.output.is_some())
    };
    let models: BTreeMap<String, ModelPrices> = models.into_iter().filter(is_priced).collect();
    for (model, prices) in &models {
        let all =
            [prices.input, prices.output, prices.cache_read, prices.cache_write, prices.reasoning];
        if let Some(price) = all.into_iter().flatten().find(|price| !(0.0..=1.0).contains(price)) {
            return Err(Error::invalid(format!(
                "{name} has the price {price} for a token of {model:?} (expected US dollars from 0 \
                 to 1)"
            )));
        }
    }
    if models.is_empty() {
        return Err(Error::invalid(format!("{name} has no model with the price of a token")));
    }
    Ok(models)
}

/// The valid table, as it was when the database was queried last.
#[derive(Debug, Default)]
pub(super) struct CachedPrices(Mutex<Option<(Instant, Option<Arc<PriceTable>>)>>);

impl Store {
    /// Stores a table of prices, which becomes the valid one. The same table again has the same id.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn load_prices(&self, table: &PriceTable) -> Result<()> {
        let insert = Statement::new(
            "INSERT INTO arc_recorder.price_tables (price_table_id, name, dated, loaded_at, prices)
             SELECT $1, $2, $3::text::date, accepted.at, $4
             FROM (SELECT pg_catalog.clock_timestamp() AS at OFFSET 0) AS accepted
             ON CONFLICT (price_table_id) DO UPDATE SET loaded_at = EXCLUDED.loaded_at",
        )
        .with(table.price_table_id)
        .with(table.name.clone())
        .with(table.dated.to_string())
        .with(serde_json::to_value(&table.models).unwrap_or_default());
        self.change(&insert, "store the prices").await?;
        *lock(&self.prices.0) = None;
        Ok(())
    }

    /// Returns the tables of prices, the valid one first.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn price_tables(&self) -> Result<Vec<PriceTableSummary>> {
        let select = Statement::new(
            "SELECT price_table_id, name, dated::text AS dated, loaded_at,
                 (SELECT pg_catalog.count(*) FROM pg_catalog.jsonb_object_keys(prices)) AS models
             FROM arc_recorder.price_tables ORDER BY loaded_at DESC, price_table_id",
        );
        let rows = self.rows(&select, "list the price tables").await?;
        let summary = |row: &tokio_postgres::Row| {
            Ok(PriceTableSummary {
                price_table_id: row.get("price_table_id"),
                name: row.get("name"),
                dated: date(row.get("dated"))?,
                loaded_at: row.get("loaded_at"),
                models: row.get("models"),
            })
        };
        rows.iter().map(summary).collect()
    }

    /// Returns the valid table of prices, if one was loaded. A table that was loaded elsewhere is found
    /// within a minute.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn prices(&self) -> Result<Option<Arc<PriceTable>>> {
        // The lock is released before the query: nothing waits for that of another batch.
        let cached = lock(&self.prices.0).clone();
        let known = match cached {
            Some((read_at, table)) if read_at.elapsed() < REFRESH => return Ok(table),
            Some((_, table)) => table,
            None => None,
        };
        let select = Statement::new(
            "SELECT price_table_id, name, dated::text AS dated,
                 CASE WHEN price_table_id IS DISTINCT FROM $1 THEN prices::text END AS prices
             FROM arc_recorder.price_tables ORDER BY loaded_at DESC, price_table_id LIMIT 1",
        )
        .with(known.as_ref().map(|table| table.price_table_id));
        let rows = self.rows(&select, "read the prices").await?;
        let table = match rows.first() {
            None => None,
            Some(row) => match row.get::<_, Option<String>>("prices") {
                None => known,
                Some(prices) => {
                    let name: String = row.get("name");
                    let models = models(&name, &prices)?;
                    let (price_table_id, dated) =
                        (row.get("price_table_id"), date(row.get("dated"))?);
                    Some(Arc::new(PriceTable { price_table_id, name, dated, models }))
                }
            },
        };
        *lock(&self.prices.0) = Some((Instant::now(), table.clone()));
        Ok(table)
    }
}

fn date(text: String) -> Result<Date> {
    text.parse().map_err(|error| {
        Error::invalid(format!("invalid date of a price table: {text:?}")).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0, "max_tokens": "x"},
        "gpt-4o": {"input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5,
            "cache_read_input_token_cost": 1e-6, "litellm_provider": "openai", "mode": "chat"},
        "gemini/gemini-2.0-flash": {"input_cost_per_token": 1e-7, "litellm_provider": "gemini"},
        "dall-e-3": {"input_cost_per_pixel": 1}
    }"#;

    fn table() -> PriceTable {
        PriceTable::parse("prices.json", "2026-11-01".parse().unwrap(), TABLE).unwrap()
    }

    #[test]
    fn a_model_is_found_with_and_without_its_provider() {
        let table = table();
        assert_eq!(table.len(), 2);
        let found = |name| table.model(name).map(|(name, _)| name);
        for name in ["gpt-4o", "openai/gpt-4o", "openai:gpt-4o", "openai:chat:gpt-4o"] {
            assert_eq!(found(name), Some("gpt-4o"), "{name}");
        }
        assert_eq!(found("google/gemini-2.0-flash"), Some("gemini/gemini-2.0-flash"));
        // Another provider's price is not that of OpenAI.
        for name in ["azure/gpt-4o", "gemini-2.0-flash", "gpt-4o-mini", "dall-e-3"] {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn each_kind_has_its_price() {
        let table = table();
        let counts = TokenCounts {
            uncached_input: 10.0,
            cache_read: 100.0,
            cache_write: 1_000.0,
            output: 10_000.0,
            reasoning: 100_000.0,
        };
        let cost = table.cost_usd("gpt-4o", &counts).unwrap();
        assert!((cost - (2e-5 + 1e-4 + 2e-3 + 0.1 + 1.0)).abs() < 1e-12, "{cost}");
        // The table has no price of an answer.
        assert_eq!(table.cost_usd("gemini/gemini-2.0-flash", &counts), None);
        let prompt = TokenCounts { uncached_input: 10.0, ..TokenCounts::default() };
        assert_eq!(table.cost_usd("gemini/gemini-2.0-flash", &prompt), Some(1e-6));
    }

    #[test]
    fn a_file_that_is_no_table_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"a": {"input_cost_per_token": "1"}}"#,
            r#"{"a": {"input_cost_per_token": -1}}"#,
            r#"{"a": {"input_cost_per_token": 2.5}}"#,
        ] {
            let found = PriceTable::parse("x", "2026-11-01".parse().unwrap(), text);
            assert!(matches!(found, Err(Error::Invalid(_))), "{text}: {found:?}");
        }
    }
}
