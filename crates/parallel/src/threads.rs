//! Threads of one process.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use candle_core::Tensor;

use crate::pairwise::pairwise;
use crate::{Communicator, Error, Result};

/// One thread of a group that behaves as processes do, for tests and experiments without MPI.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    group: Arc<Group>,
}

#[derive(Debug)]
struct Group {
    size: usize,
    board: Mutex<Board>,
    changed: Condvar,
}

/// What the threads have given to the present operation.
#[derive(Debug)]
struct Board {
    given: Vec<Option<Given>>,
    taken: usize,
    lost: bool,
}

#[derive(Clone, Debug)]
enum Given {
    Values(Vec<f32>),
    Bytes(Vec<u8>),
    Nothing,
}

impl Threads {
    /// A group of `size` threads, at least one; each member belongs to a thread of its own.
    pub fn group(size: usize) -> Vec<Self> {
        let size = size.max(1);
        let board = Board { given: vec![None; size], taken: 0, lost: false };
        let group = Arc::new(Group { size, board: Mutex::new(board), changed: Condvar::new() });
        (0..size).map(|rank| Self { rank, group: group.clone() }).collect()
    }

    /// Gives one thing and takes those of all, in the order of ranks.
    fn exchange(&self, own: Given) -> Result<Vec<Given>> {
        let group = &self.group;
        let lost = || Error::Lost { rank: self.rank, size: group.size, reason: "a thread has ended".into() };
        let mut board = group.board.lock().unwrap_or_else(PoisonError::into_inner);
        // A fast thread waits until the others have taken what belongs to the last operation.
        while board.given[self.rank].is_some() && !board.lost {
            board = group.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        board.given[self.rank] = Some(own);
        group.changed.notify_all();
        while board.given.iter().any(Option::is_none) && !board.lost {
            board = group.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        if board.lost {
            return Err(lost());
        }
        let all = board.given.iter().flatten().cloned().collect();
        board.taken += 1;
        if board.taken == group.size {
            board.taken = 0;
            board.given.fill(None);
            group.changed.notify_all();
        } else {
            while board.given[self.rank].is_some() && !board.lost {
                board = group.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(all)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if self.group.size > 1 {
            self.group.board.lock().unwrap_or_else(PoisonError::into_inner).lost = true;
            self.group.changed.notify_all();
        }
    }
}

impl Communicator for Threads {
    fn name(&self) -> &str {
        "threads"
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.group.size
    }

    fn sum(&self, values: &Tensor) -> Result<Tensor> {
        let all = self.exchange(Given::Values(values.to_vec1()?))?;
        let parts = all.into_iter().map(|given| match given {
            Given::Values(values) => Ok(values),
            _ => Err(self.other_operation()),
        });
        let sum = pairwise(parts, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            Ok(a)
        })?;
        Ok(Tensor::new(sum.unwrap_or_default(), values.device())?)
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let own = if self.rank == 0 { Given::Bytes(bytes) } else { Given::Nothing };
        match self.exchange(own)?.into_iter().next() {
            Some(Given::Bytes(bytes)) => Ok(bytes),
            _ => Err(self.other_operation()),
        }
    }

    fn barrier(&self) -> Result<()> {
        self.exchange(Given::Nothing).map(drop)
    }

    fn abort(&self, code: i32) -> ! {
        std::process::exit(code)
    }
}

impl Threads {
    fn other_operation(&self) -> Error {
        let reason = "the threads call different operations".into();
        Error::Lost { rank: self.rank, size: self.group.size, reason }
    }
}
