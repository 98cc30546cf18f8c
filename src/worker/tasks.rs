//! The tasks of a worker beside its connections.

use std::{
    io,
    net::{Shutdown, TcpListener},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join;
use monoio::{io::AsyncReadRent, task::JoinHandle, time::sleep};

use super::{
    alarm::Alarm,
    handover::Handover,
    listener::{Listening, accept, adopt_all, is_epoll},
};
use crate::{
    context::{Context, Ending},
    deadline::shutdown,
    isolation::{PanicError, isolated},
    long_work::Round,
    produce::Producer,
};

/// Time between two checks of deadlines, producer and drain. A deadline is late by this much at the
/// most, plus the time for which the worker was blocked.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// How long the tasks of a failed worker may take to end.
const LAST_STEPS: Duration = Duration::from_secs(1);

type Task = JoinHandle<Result<(), PanicError>>;

/// The tasks that a worker depends on, two of them with the socket that they wait for.
pub(crate) struct Tasks {
    accepting: (Task, Listening),
    reporting: (Task, RawFd),
    batching: Task,
    producer: Rc<Producer>,
}

impl Tasks {
    /// Starts them, in the worker's own runtime.
    pub(super) fn spawn(
        context: &Rc<Context>,
        handover: &Arc<Handover>,
        listener: Option<TcpListener>,
        wake_reader: UnixStream,
    ) -> io::Result<Self> {
        let wake_fd = wake_reader.as_raw_fd();
        let listening = Listening::default();
        let listener = listener.map(|it| listening.begin(it)).transpose()?;
        let wake_reader = monoio::net::UnixStream::from_std(wake_reader)?;
        let accepting = accept(
            (listener, listening.clone()),
            Arc::clone(handover),
            Rc::clone(context),
        );
        let accepting = isolated(accepting);
        let reporting = isolated(drain_reports(
            wake_reader,
            Arc::clone(handover),
            Rc::clone(context),
        ));
        let waits = (Alarm::unset()?, Round::new(is_epoll(context))?);
        let batching = isolated(dispatch_batches(Rc::clone(&context.producer), waits));
        Ok(Self {
            accepting: (monoio::spawn(accepting), listening),
            reporting: (monoio::spawn(reporting), wake_fd),
            batching: monoio::spawn(batching),
            producer: Rc::clone(&context.producer),
        })
    }

    /// Whether connections are still accepted.
    pub(crate) fn accept(&self) -> bool {
        !self.accepting.0.is_finished()
    }

    /// Whether delivery reports are still read, and batches sent that were given time to form.
    pub(super) fn produce(&self) -> bool {
        !self.reporting.0.is_finished() && !self.batching.is_finished()
    }

    /// Where connections are accepted.
    pub(super) fn listening(&self) -> &Listening {
        &self.accepting.1
    }

    /// Closes the listener. Connections that are not accepted yet are reset.
    pub(crate) fn stop_accepting(&self) {
        self.accepting.1.end();
    }

    /// Ends everything at once after a panic, connections too. What is left in the runtime would be
    /// leaked with it: sockets, the listener, the connections' permits, the producer.
    pub(super) async fn abandon(&self, context: &Context) {
        context.advance_to(Ending::Refusing);
        self.stop_accepting();
        context.deadlines.cut_all();
        let until = Instant::now() + LAST_STEPS;
        while (self.accept() || !context.deadlines.is_empty()) && Instant::now() < until {
            context.producer.purge();
            sleep(TICK).await;
        }
    }

    /// Ends the tasks that hold the producer, so that dropping the context closes it.
    pub(super) async fn stop_producing(self) {
        let (task, socket) = &self.reporting;
        // The socket is open until then.
        if !task.is_finished() {
            shutdown(*socket, Shutdown::Both);
        }
        self.producer.stop();
        let until = Instant::now() + LAST_STEPS;
        let is_over = || self.reporting.0.is_finished() && self.batching.is_finished();
        while !is_over() && Instant::now() < until {
            sleep(TICK).await;
        }
    }
}

/// Sends batches when their time to form is over, and those for which there was no time in a round.
async fn dispatch_batches(producer: Rc<Producer>, (alarm, round): (Alarm, Round)) {
    let when_due = async {
        while let Some(due) = producer.batch_due().await {
            alarm.set(due);
            alarm.rings().await;
            producer.dispatch(Instant::now());
        }
    };
    let in_next_round = async {
        while producer.paused().await {
            round.end().await;
            producer.resume(Instant::now());
        }
    };
    join(when_due, in_next_round).await;
}

/// Reads delivery reports whenever librdkafka signals that there are some. The signal is the bell of the load and
/// of the handover, too.
async fn drain_reports(
    mut wake_reader: monoio::net::UnixStream,
    handover: Arc<Handover>,
    context: Rc<Context>,
) {
    let mut wakes = vec![0_u8; 64];
    loop {
        let (received, buffer) = wake_reader.read(wakes).await;
        wakes = buffer;
        match received {
            Ok(received) if received > 0 => {
                context.load.has_looked();
                context.producer.drain();
                adopt_all(handover.take_connections(), &context);
            }
            Ok(_) | Err(_) => return,
        }
    }
}
