//! Sums in a fixed order.

/// The sum of `parts`, added as a binary tree over their order: `((p₀ + p₁) + (p₂ + p₃)) + …`.
///
/// Blocks of `2ᵏ` consecutive parts are summed alone before they meet another block. Therefore the sum of
/// `2ᵐ` parts has the same bits however many processes, a power of two, hold equal blocks of them. At most
/// `log₂(parts) + 1` partial sums exist at a time. `None` without parts.
///
/// # Errors
/// The first of a part or of an addition.
pub fn pairwise<T, E>(
    parts: impl Iterator<Item = Result<T, E>>,
    mut add: impl FnMut(T, T) -> Result<T, E>,
) -> Result<Option<T>, E> {
    let mut blocks: Vec<(usize, T)> = Vec::new();
    for part in parts {
        let mut block = (1, part?);
        while let Some((size, earlier)) = blocks.pop_if(|(size, _)| *size == block.0) {
            block = (size + block.0, add(earlier, block.1)?);
        }
        blocks.push(block);
    }
    let mut sum = None;
    while let Some((_, earlier)) = blocks.pop() {
        sum = Some(match sum {
            None => earlier,
            Some(later) => add(earlier, later)?,
        });
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(parts: impl Iterator<Item = String>) -> Option<String> {
        let parts = parts.map(Ok::<_, ()>);
        pairwise(parts, |a, b| Ok(format!("({a}+{b})"))).unwrap()
    }

    #[test]
    fn parts_are_added_as_a_binary_tree_in_their_order() {
        let of = |count: usize| tree((0..count).map(|part| part.to_string()));
        assert_eq!(of(0), None);
        assert_eq!(of(1).unwrap(), "0");
        assert_eq!(of(4).unwrap(), "((0+1)+(2+3))");
        assert_eq!(of(7).unwrap(), "(((0+1)+(2+3))+((4+5)+6))");
    }

    #[test]
    fn blocks_of_a_power_of_two_can_be_summed_apart() {
        let whole = tree((0..8).map(|part| part.to_string()));
        for processes in [2, 4, 8] {
            let block = 8 / processes;
            let of = |process: usize| {
                tree((process * block..(process + 1) * block).map(|part| part.to_string())).unwrap()
            };
            assert_eq!(tree((0..processes).map(of)), whole, "{processes} processes");
        }
    }

    #[test]
    fn the_first_error_is_returned() {
        let parts = [Ok(1), Err("the second"), Err("the third")];
        assert_eq!(pairwise(parts.into_iter(), |a, b| Ok(a + b)), Err("the second"));
        let sum = pairwise([Ok(1), Ok(2)].into_iter(), |_, _| Err::<i32, _>("no sum"));
        assert_eq!(sum, Err("no sum"));
    }
}
