//! Threads behave as processes do.

use std::thread;

use candle_core::{Device, Tensor};
use t2f_parallel::{Communicator, Error, Single, Threads};

/// The result of each member of a group, in the order of ranks.
fn each<T: Send>(size: usize, of: impl Fn(&Threads) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let of = &of;
        let members = Threads::group(size).into_iter().map(|member| scope.spawn(move || of(&member)));
        members.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

#[test]
fn every_member_has_the_sum_of_all() {
    for size in [1, 2, 3, 5] {
        let sums = each(size, |member| {
            let rank = member.rank() as f32;
            (0..20)
                .map(|round| member.sum(&tensor(&[rank, round as f32])).unwrap().to_vec1::<f32>().unwrap())
                .collect::<Vec<_>>()
        });
        let of_ranks: usize = (0..size).sum();
        for of_member in sums {
            for (round, sum) in of_member.iter().enumerate() {
                assert_eq!(sum, &[of_ranks as f32, (round * size) as f32]);
            }
        }
    }
}

#[test]
fn sums_are_added_as_a_binary_tree() {
    // In 24 bits 2²⁴ + 1 is 2²⁴, so that only ((0 + 1) + (2 + 3)) gives 1.
    let parts = [16_777_216f32, 1.0, 1.0, -16_777_216.0];
    let expected = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    assert_ne!(expected, ((parts[0] + parts[1]) + parts[2]) + parts[3]);
    let sums =
        each(4, |member| member.sum(&tensor(&[parts[member.rank()]])).unwrap().to_vec1::<f32>().unwrap()[0]);
    assert_eq!(sums, [expected; 4]);
}

#[test]
fn every_member_has_the_bytes_of_the_first() {
    let all = each(3, |member| member.broadcast(vec![member.rank() as u8 + 7; 4]).unwrap());
    assert_eq!(all, vec![vec![7; 4]; 3]);
}

#[test]
fn a_lost_member_is_an_error_of_the_others() {
    let results = each(3, |member| match member.rank() {
        1 => Ok(()),
        _ => member.barrier(),
    });
    assert!(results[1].is_ok());
    for rank in [0, 2] {
        assert!(
            matches!(&results[rank], Err(Error::Lost { rank: of, size: 3, .. }) if *of == rank),
            "{results:?}"
        );
    }
}

#[test]
fn members_that_call_different_operations_are_told() {
    let results = each(2, |member| match member.rank() {
        0 => member.broadcast(vec![1]).map(drop),
        _ => member.sum(&tensor(&[1.0])).map(drop),
    });
    assert!(results[1].as_ref().is_err_and(|error| error.to_string().contains("different operations")));
}

#[test]
fn one_process_has_its_own_sum() {
    assert_eq!((Single.rank(), Single.size(), Single.local_rank()), (0, 1, 0));
    assert_eq!(Single.sum(&tensor(&[3.0])).unwrap().to_vec1::<f32>().unwrap(), [3.0]);
    assert_eq!(Single.broadcast(vec![5]).unwrap(), [5]);
    Single.barrier().unwrap();
}
