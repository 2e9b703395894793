//! Waiting for several things. Always in the order written: the first that is ready wins.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

/// Which of two came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

/// Waits for either and drops the other, which cancels a timer. When one event makes both ready the first wins;
/// otherwise the one whose event stands earlier in the history.
pub async fn select<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> Either<A::Output, B::Output> {
    let mut a = pin!(a.into_future());
    let mut b = pin!(b.into_future());
    poll_fn(|cx| {
        if let Poll::Ready(output) = a.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        b.as_mut().poll(cx).map(Either::Right)
    })
    .await
}

/// Waits for the first of several and drops the others, as [`select`] does with two. Gives its place and its output;
/// waits for ever where there are none.
pub async fn select_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> (usize, F::Output) {
    let mut futures: Vec<_> = futures.into_iter().map(|future| Box::pin(future.into_future())).collect();
    poll_fn(|cx| {
        let ready = |(at, future): (usize, &mut Pin<Box<F::IntoFuture>>)| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some((at, output)),
            Poll::Pending => None,
        };
        futures.iter_mut().enumerate().find_map(ready).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Waits for both.
pub async fn join<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> (A::Output, B::Output) {
    let mut a = pin!(a.into_future());
    let mut b = pin!(b.into_future());
    let mut outputs = (None, None);
    poll_fn(|cx| {
        if outputs.0.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            outputs.0 = Some(output);
        }
        if outputs.1.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            outputs.1 = Some(output);
        }
        match (outputs.0.take(), outputs.1.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            some => {
                outputs = some;
                Poll::Pending
            }
        }
    })
    .await
}

/// Waits for all and gives their outputs in the order of the futures.
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    enum Slot<F: Future> {
        Waiting(Pin<Box<F>>),
        Done(F::Output),
    }
    let mut slots: Vec<Slot<F::IntoFuture>> =
        futures.into_iter().map(|future| Slot::Waiting(Box::pin(future.into_future()))).collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for slot in &mut slots {
            if let Slot::Waiting(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *slot = Slot::Done(output),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots
        .into_iter()
        .map(|slot| match slot {
            Slot::Done(output) => output,
            Slot::Waiting(_) => unreachable!("the wait above ends when none is left waiting"),
        })
        .collect()
}
