use std::io::Write;

use monoio::{
    IoUringDriver, LegacyDriver, RuntimeBuilder, io::AsyncReadRent, net::UnixStream, time::sleep,
};

use super::*;

/// Runs `main` on epoll and, where there is one, on a ring.
fn run<T: Future<Output = ()>>(main: impl Fn(bool) -> T) {
    let epoll = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build();
    epoll.expect("epoll").block_on(main(true));
    let ring = RuntimeBuilder::<IoUringDriver>::new()
        .enable_timer()
        .build();
    if let Ok(mut ring) = ring {
        ring.block_on(main(false));
    }
}

/// A slice that takes all its time.
async fn full_slice(work: &Rc<LongWork>) {
    full_slice_of(work, 0).await;
}

async fn full_slice_of(work: &Rc<LongWork>, client: usize) {
    let slice = work.slice(client).await;
    while !slice.is_over() {}
}

#[test]
fn other_tasks_run_between_slices() {
    run(|nonblocking| async move {
        let work = Rc::new(LongWork::new(nonblocking).expect("a socket pair"));
        let (sender, receiver) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        receiver.set_nonblocking(nonblocking).expect("a socket");
        let mut receiver = UnixStream::from_std(receiver).expect("a socket");
        let done = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (work, done) = (Rc::clone(&work), Rc::clone(&done));
                monoio::spawn(async move {
                    for _ in 0..10 {
                        full_slice(&work).await;
                        done.set(done.get() + 1);
                    }
                })
            })
            .collect();
        full_slice(&work).await;
        for _ in 0..5 {
            let before = done.get();
            (&sender).write_all(b"x").expect("room");
            let (read, _) = receiver.read(vec![0_u8]).await;
            assert_eq!(read.expect("a byte"), 1);
            let slices = done.get() - before;
            assert!(slices <= 2, "{slices} slices before a byte is read");
        }
        for task in tasks {
            task.await;
        }
        assert_eq!(done.get(), 40);
        assert!(!work.in_use.get());
    });
}

#[test]
fn slices_are_granted_in_the_order_in_which_they_were_asked_for() {
    run(|nonblocking| async move {
        let work = Rc::new(LongWork::new(nonblocking).expect("a socket pair"));
        let order = Rc::new(RefCell::new(Vec::new()));
        let first = work.slice(0).await;
        let tasks: Vec<_> = (0..3)
            .map(|task| {
                let (work, order) = (Rc::clone(&work), Rc::clone(&order));
                monoio::spawn(async move {
                    for _ in 0..3 {
                        full_slice(&work).await;
                        order.borrow_mut().push(task);
                    }
                })
            })
            .collect();
        sleep(Duration::from_millis(1)).await;
        assert!(order.borrow().is_empty());
        drop(first);
        for task in tasks {
            task.await;
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    });
}

#[test]
fn a_client_with_many_requests_has_every_other_slice() {
    run(|nonblocking| async move {
        let work = Rc::new(LongWork::new(nonblocking).expect("a socket pair"));
        let order = Rc::new(RefCell::new(Vec::new()));
        let first = work.slice(1).await;
        let tasks: Vec<_> = [1, 1, 1, 2]
            .into_iter()
            .map(|client| {
                let (work, order) = (Rc::clone(&work), Rc::clone(&order));
                monoio::spawn(async move {
                    for _ in 0..2 {
                        full_slice_of(&work, client).await;
                        order.borrow_mut().push(client);
                    }
                })
            })
            .collect();
        sleep(Duration::from_millis(1)).await;
        drop(first);
        for task in tasks {
            task.await;
        }
        assert_eq!(*order.borrow(), [2, 1, 2, 1, 1, 1, 1, 1]);
    });
}
