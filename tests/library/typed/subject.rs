//! What a case is about: a model and bodies for it.

use std::fmt;

use proptest::{collection::vec, prelude::*};
use ringest::{config::Config, validate::Format};

use super::{bodies, choices::Choices, models};
use crate::{model_files, reference::types::Model};

/// Models that are loaded together.
const MODELS: usize = 40;

/// Bodies for each of them.
const BODIES: usize = 12;

/// Draws that a model, or a body, takes at random; all others are 0.
const MODEL_CHOICES: usize = 60;
const BODY_CHOICES: usize = 250;

/// A model and what is posted to it.
pub(crate) struct Subject {
    pub(crate) model: Model,
    /// The model's file but for its name and version.
    pub(crate) text: String,
    pub(crate) bodies: Vec<(Format, Vec<u8>)>,
}

impl Subject {
    /// A few of them.
    pub(crate) fn any() -> impl Strategy<Value = Vec<Self>> {
        let choices = |count| vec(any::<u16>(), 0..count);
        let subject = (
            choices(MODEL_CHOICES),
            vec(choices(BODY_CHOICES), 1..=BODIES),
        );
        let subject = subject.prop_map(|(model, bodies)| {
            let (model, text) = models::model(&mut Choices::new(&model));
            let bodies = bodies.iter();
            let bodies = bodies.map(|list| bodies::body(&mut Choices::new(list), &model));
            Self {
                bodies: bodies.collect(),
                model,
                text,
            }
        });
        vec(subject, 1..=MODELS)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        for (format, body) in &self.bodies {
            write!(f, "\n{format:?} {}", body.escape_ascii())?;
        }
        Ok(())
    }
}

/// ringest's own reading of the models' texts, in their order.
pub(crate) fn load(subjects: &[Subject]) -> Config {
    let file = |(index, subject): (usize, &Subject)| {
        let text = format!("name = \"M{index}\"\nversion = \"1\"\n{}", subject.text);
        (format!("{index:04}"), text)
    };
    let files = subjects.iter().enumerate().map(file).collect();
    model_files::load(&files).unwrap_or_else(|errors| panic!("{errors}\nin {subjects:#?}"))
}
