//! What the service manager is notified of: systemd's protocol `sd_notify(3)`, where `NOTIFY_SOCKET` is set.
//!
//! A thread of its own writes: a manager that does not read must not stop the control thread.

use std::{
    sync::mpsc::{self, Sender},
    thread,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

/// What has happened, as far as a service manager wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Every worker serves, or a reload is over.
    Ready,
    /// A reload has begun.
    Reloading,
    /// The drain has begun.
    Stopping,
    /// Every worker makes progress.
    Alive,
}

/// The service manager, if there is one.
pub(super) struct ServiceManager {
    notify: Option<Sender<Event>>,
    /// Half of `WATCHDOG_USEC`, as its documentation recommends (`sd_watchdog_enabled(3)`).
    alive_every: Option<Duration>,
    alive_at: Instant,
}

impl ServiceManager {
    pub(super) fn from_environment() -> Self {
        let mut manager = Self {
            notify: None,
            alive_every: sd_notify::watchdog_enabled().map(|it| it / 2),
            alive_at: Instant::now(),
        };
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return manager;
        }
        let (notify, events) = mpsc::channel();
        let spawned = thread::Builder::new()
            .name("ringest-notify".to_owned())
            .spawn(move || {
                for event in events {
                    if let Err(error) = send(event) {
                        tracing::warn!("can't notify the service manager of {event:?}: {error}");
                    }
                }
            });
        match spawned {
            Ok(_) => manager.notify = Some(notify),
            Err(error) => tracing::warn!("can't start the thread that notifies: {error}"),
        }
        manager
    }

    pub(super) fn notify(&self, event: Event) {
        if let Some(notify) = &self.notify {
            // The thread ends only with this.
            let _ = notify.send(event);
        }
    }

    /// To be called while every worker makes progress: keeps the watchdog (`WatchdogSec=`) from ending the
    /// process.
    pub(super) fn alive(&mut self, now: Instant) {
        if let Some(every) = self.alive_every
            && now >= self.alive_at
        {
            self.alive_at = now + every;
            self.notify(Event::Alive);
        }
    }
}

fn send(event: Event) -> std::io::Result<()> {
    match event {
        Event::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Event::Reloading => {
            sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
        }
        Event::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Event::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    }
}
