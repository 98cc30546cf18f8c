//! `ringest topics`: the topics of the models, as the brokers have them, and those that are missing.

use std::{path::Path, process::ExitCode};

use clap::Args;

use super::{EXIT_CONFIGURATION, access, aligned, environment, failed, print, report, unusable};
use crate::{
    config::Config,
    produce::{
        BrokerAccess,
        probe::{self, TopicReport},
    },
};

const ABOUT: &str = "List the topics of the models, or create those that are missing";

const EXAMPLES: &str = "\
Asks the brokers of the configuration. Without --create nothing is changed; \"-\" stands for
values that the brokers do not report.

Examples:
  ringest topics
  ringest topics --create
  ringest topics --create --partitions 12 --replication-factor 3

Exit codes: 0 all topics exist; 1 some do not or could not be created, no broker answered, or the
configuration is invalid; 2 usage error.";

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Create the topics that are missing
    #[arg(long)]
    create: bool,

    /// Partitions of each new topic [default: set by the brokers]
    #[arg(
        long,
        value_name = "N",
        requires = "create",
        value_parser = clap::value_parser!(i32).range(1..=100_000)
    )]
    partitions: Option<i32>,

    /// Replicas of each partition of a new topic [default: set by the brokers]
    #[arg(
        long,
        value_name = "N",
        requires = "create",
        value_parser = clap::value_parser!(i32).range(1..=10_000)
    )]
    replication_factor: Option<i32>,
}

/// Lists the topics, or creates those that are missing.
pub(super) fn run(file: &Path, arguments: &Arguments) -> ExitCode {
    let config = match Config::load_to_connect(file, environment()) {
        Ok(config) => config,
        Err(errors) => return unusable(file, &errors),
    };
    let surveyed = access(&config).and_then(|access| {
        let survey = probe::survey(&access, &config.expected_topics())?;
        Ok((access, survey))
    });
    let (access, survey) = match surveyed {
        Ok(surveyed) => surveyed,
        Err(error) => return failed(&error),
    };
    let missing = survey.topics.iter().filter(|it| !it.exists());
    let missing: Vec<_> = missing.map(|it| it.name.as_str()).collect();
    if arguments.create {
        return create(&access, &missing, arguments);
    }
    for warning in &survey.warnings {
        report(&format!("warning: {warning}"));
    }
    let printed = print(&table(&survey.topics));
    if missing.is_empty() {
        printed
    } else {
        ExitCode::from(EXIT_CONFIGURATION)
    }
}

fn create(access: &BrokerAccess, missing: &[&str], arguments: &Arguments) -> ExitCode {
    if missing.is_empty() {
        return print("all topics exist on the brokers\n");
    }
    let (partitions, replicas) = (arguments.partitions, arguments.replication_factor);
    let created = match probe::create(access, missing, partitions, replicas) {
        Ok(created) => created,
        Err(error) => return failed(&error),
    };
    let mut code = ExitCode::SUCCESS;
    for (topic, result) in created {
        match result {
            Ok(()) => {
                // A closed stdout is no failure to create it.
                let _ = print(&format!("created topic {topic}\n"));
            }
            Err(error) => {
                report(&format!("topic {topic}: not created: {error}"));
                code = ExitCode::from(EXIT_CONFIGURATION);
            }
        }
    }
    code
}

/// A row for each topic.
fn table(topics: &[TopicReport]) -> String {
    let heading = [
        "TOPIC",
        "EXISTS",
        "PARTITIONS",
        "REPLICATION_FACTOR",
        "MAX_MESSAGE_BYTES",
        "CLEANUP_POLICY",
    ];
    let shown = |number: Option<usize>| number.map_or("-".to_owned(), |it| it.to_string());
    let rows = topics.iter().map(|topic| {
        let of_existing = |number| shown(topic.exists().then_some(number));
        [
            topic.name.clone(),
            if topic.exists() { "yes" } else { "no" }.to_owned(),
            of_existing(topic.partitions),
            of_existing(topic.replication_factor),
            shown(topic.message_bytes_max),
            topic.cleanup_policy.clone().unwrap_or("-".to_owned()),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let cells = rows.iter().map(|row| row.each_ref().map(String::as_str));
    aligned(&std::iter::once(heading).chain(cells).collect::<Vec<_>>())
}
