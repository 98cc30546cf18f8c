//! `[listen.cors]`, and the origins of API keys.

use std::sync::Arc;

use super::{
    key::ApiKeyTable,
    keys::{CORS_HEADERS, CORS_MAX_AGE, CORS_ORIGINS, KEY_ORIGINS},
    reader::{Reader, Table},
};
use crate::cors::{Cors, OriginPattern, Origins};

impl Reader {
    /// Reads `[listen.cors]`; `None` where no origin is allowed.
    pub(super) fn cors(&mut self) -> Option<Arc<Cors>> {
        let (at, texts) = (CORS_ORIGINS.at(), self.get(&CORS_ORIGINS));
        let headers = self.get(&CORS_HEADERS);
        let max_age = self.get(&CORS_MAX_AGE);
        let origins = Origins::new(self.parse_each(at, &texts))?;
        if origins.are_any() {
            self.warn(
                at,
                "\"*\": pages of every origin may send, and read the answers",
            );
            if texts.len() > 1 {
                self.fail(at, "\"*\" includes every other origin: write [\"*\"]");
            }
        }
        Some(Arc::new(Cors::new(origins, &headers, max_age)))
    }

    /// The origins of an API key; `None` where it is not for pages.
    pub(super) fn key_origins(&mut self, table: Table<ApiKeyTable>) -> Option<Arc<Origins>> {
        let (at, texts) = (table.at(&KEY_ORIGINS), self.get_in(table, &KEY_ORIGINS));
        let patterns = self.parse_each(at, &texts);
        if let Some(any) = patterns.iter().position(|it| *it == OriginPattern::Any) {
            let message = "\"*\" is not allowed: a key for pages is for those of certain origins";
            self.refuse_element(at, any, message);
        }
        Origins::new(patterns).map(Arc::new)
    }

    /// Warns of API keys for pages that can't read the answers.
    pub(super) fn warn_of_unreadable_answers(&mut self, cors: Option<&Cors>) {
        for table in self.tables() {
            let (at, texts) = (table.at(&KEY_ORIGINS), self.get_in(table, &KEY_ORIGINS));
            for pattern in self.parse_each(at, &texts) {
                if !cors.is_some_and(|cors| cors.origins().cover(&pattern)) {
                    let message = format!(
                        "{:?} is not among listen.cors.origins: pages there can send beacons, and \
                         can't read answers",
                        pattern.to_string()
                    );
                    self.warn(at, message);
                }
            }
        }
    }
}
