//! Query parameters, read as Docker reads them.

use std::collections::HashMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::error::ApiError;
use crate::filters::Filters;

/// The parameters of a request. Of those given twice the first counts, except where all are asked for.
pub(super) struct Params {
    first: HashMap<String, String>,
    all: Vec<(String, String)>,
}

impl Params {
    /// The text of `name`, empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.first.get(name).map_or("", String::as_str)
    }

    /// The text of `name` if it is there and not empty.
    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Every value of `name`.
    pub(super) fn every(&self, name: &str) -> Vec<String> {
        self.all.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether `name` is on: there, and not one of the words for off.
    pub(super) fn on(&self, name: &str) -> bool {
        let word = self.text(name).trim().to_ascii_lowercase();
        !matches!(word.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// The parameter `filters`, refused if it has other names than `accepted`.
    pub(super) fn filters(&self, accepted: &[&str]) -> Result<Filters, ApiError> {
        let filters = Filters::from_json(self.text("filters"))?;
        filters.accept(accepted)?;
        Ok(filters)
    }

    /// The parameter `platform`, as JSON (what Docker sends) or `os/arch[/variant]` (what people write).
    pub(super) fn platform(&self) -> Result<Option<String>, ApiError> {
        #[derive(serde::Deserialize)]
        struct Platform {
            os: String,
            architecture: String,
            #[serde(default)]
            variant: String,
        }
        let Some(text) = self.some("platform") else { return Ok(None) };
        if !text.starts_with('{') {
            return Ok(Some(text));
        }
        let Platform { os, architecture, variant } =
            serde_json::from_str(&text).map_err(|error| ApiError::invalid(format!("invalid platform: {error}")))?;
        let variant = if variant.is_empty() { variant } else { format!("/{variant}") };
        Ok(Some(format!("{os}/{architecture}{variant}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(all) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|error: QueryRejection| ApiError::invalid(error.body_text()))?;
        let mut first = HashMap::with_capacity(all.len());
        for (name, value) in &all {
            first.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(Self { first, all })
    }
}
